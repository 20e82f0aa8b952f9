using System.Buffers.Binary;
using System.Threading.Channels;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Connection;

/// <summary>Lets another process of this machine, the passenger, speak the connection protocol over this connection (the proxy mode of OpenSSH's PROTOCOL.mux):
/// <code>uint32 length | byte 0 | payload</code>
/// Messages go through as they are, but for our numbers of channels, which take the place of the passenger's. It can do what this process could; it cannot break the
/// connection for others: every message has to be legal for a channel of its own, within its windows, and of global requests it has tcpip-forward.</summary>
internal sealed class ChannelProxy
{
    /// <summary>Channel requests that may wait for an answer.</summary>
    internal const int MaxUnanswered = 4096;

    /// <summary>Largest message taken. The peer, whose packets it goes on in, need not take larger ones.</summary>
    private const int MaxPayload = 255 * 1024;

    /// <summary>What may wait for a passenger that does not read, for all of its channels together: OpenSSH's gives each a window of 2 MiB.</summary>
    private const int MaxWaiting = 64 * 1024 * 1024;

    /// <summary>What a message that waits takes beside its bytes. Without it one of nine bytes, which no window bounds, would cost a peer less than us.</summary>
    private const int MessageOverhead = 64;

    private const int MaxForwards = 1024;

    private readonly SshConnection _connection;
    private readonly Stream _passenger;
    private readonly ILogger _logger;
    private readonly int _maxWaiting;
    private readonly SendLane _lane;
    private readonly AsyncSignal _room = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, ProxiedChannel> _byPeerId = [];
    private readonly HashSet<ProxiedChannel> _channels = [];
    private readonly HashSet<(string Host, uint Port)> _forwards = [];
    private readonly Channel<byte[]> _outgoing = Channel.CreateUnbounded<byte[]>(new UnboundedChannelOptions { SingleReader = true });
    private readonly TaskCompletionSource _overflowed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _waiting;
    private bool _isGone;
    private SshException? _fault;

    public ChannelProxy(SshConnection connection, Stream passenger, ILogger logger, int maxWaiting = MaxWaiting)
    {
        (_connection, _passenger, _logger, _maxWaiting) = (connection, passenger, logger, maxWaiting);
        _lane = new SendLane(() => _room.Set());
    }

    /// <summary>Runs until the passenger goes, the connection ends or <paramref name="cancellationToken"/> says so; its channels and forwards go with it. Throws
    /// <see cref="SshException"/> when it broke the rules or did not read.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _connection.Transport.Ended);
        using var woken = ended.Token.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _room);
        _connection.Proxies.Add(this);
        var writing = WriteAsync(ended.Token);
        try
        {
            var reading = ReadAsync(ended.Token);
            await Task.WhenAny(reading, _overflowed.Task).ConfigureAwait(false);
            await ended.CancelAsync().ConfigureAwait(false);
            await reading.ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or IOException and not SshException)
        {
            // It went, or all ends.
        }
        finally
        {
            _connection.Proxies.Remove(this);
            Leave();
            await writing.ConfigureAwait(false);
            // The peer may never close what this one had, and each of those keeps this.
            while (_outgoing.Reader.TryRead(out _))
            {
            }
        }
        if (_fault is { } fault)
            throw fault;
    }

    /// <summary>The peer opens a channel: true where it comes from a forward of this passenger's, which hears of it.</summary>
    internal bool TryOffer(in ChannelOpenMessage message, ReadOnlySpan<byte> payload)
    {
        var target = TcpipChannelData.Read(message.TypeData);
        lock (_lock)
        {
            if (_isGone || !_forwards.Contains((target.Host, target.Port)) || _byPeerId.ContainsKey(message.SenderChannel))
                return false;
            if (Add(message.ChannelType) is not { } channel)
                return false;
            channel.Offer(message.SenderChannel, message.InitialWindow, message.MaximumPacket);
            _byPeerId.Add(message.SenderChannel, channel);
            Tell(payload.ToArray());
            return true;
        }
    }

    /// <summary>The peer says something about a channel. On the receive loop.</summary>
    internal void OnMessage(ProxiedChannel channel, MessageId id, ReadOnlySpan<byte> payload)
    {
        lock (_lock)
        {
            channel.FromPeer(id, payload);
            if (id == MessageId.ChannelOpenConfirmation && !_byPeerId.TryAdd(channel.PeerId, channel))
                throw SshException.Protocol($"channel {channel.PeerId} is open already");
            if (!_isGone)
                Tell(ProxiedChannel.Redirect(payload, channel.PassengerId));
            else if (id == MessageId.ChannelOpenConfirmation)
                Close(channel);
            if (id == MessageId.ChannelOpenFailure || channel.IsOver)
                Remove(channel);
        }
    }

    /// <summary>The connection ended.</summary>
    internal void OnConnectionClosed() => _room.Set();

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        byte[] header = new byte[4];
        while (true)
        {
            await _passenger.ReadExactlyAsync(header, cancellationToken).ConfigureAwait(false);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(header);
            if (length is < 2 or > MaxPayload + 1)
                throw SshException.Protocol($"Bad packet length {length}.");
            byte[] packet = new byte[length];
            await _passenger.ReadExactlyAsync(packet, cancellationToken).ConfigureAwait(false);
            if (packet[0] != 0)
                throw SshException.Protocol($"Corrupted padlen {packet[0]} on input.");
            // What the peer does not take stays with the passenger.
            while (_connection.Transport.RoomFor(_lane) <= 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await _room.WaitAsync().ConfigureAwait(false);
            }
            if (packet[1] == (byte)MessageId.GlobalRequest)
                await ForwardAsync(packet.AsMemory(1), cancellationToken).ConfigureAwait(false);
            else
                FromPassenger((MessageId)packet[1], packet.AsSpan(1));
        }
    }

    private void FromPassenger(MessageId id, ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload[1..]);
        lock (_lock)
        {
            switch (id)
            {
                case MessageId.ChannelOpen:
                    Open(ChannelOpenMessage.Read(ref reader));
                    break;
                case MessageId.ChannelOpenConfirmation:
                    var taken = ChannelOpenConfirmationMessage.Read(ref reader);
                    var offered = Offered(taken.Recipient);
                    offered.Take(taken.SenderChannel, taken.InitialWindow, taken.MaximumPacket);
                    Send(taken with { SenderChannel = offered.Entry.LocalId, MaximumPacket = Clamp(taken.MaximumPacket) });
                    break;
                case MessageId.ChannelOpenFailure:
                    var refused = ChannelOpenFailureMessage.Read(ref reader);
                    var unwanted = Offered(refused.Recipient);
                    Send(refused);
                    Remove(unwanted);
                    break;
                case > MessageId.ChannelOpenFailure and <= MessageId.ChannelFailure:
                    uint number = reader.ReadUInt32();
                    if (!_byPeerId.TryGetValue(number, out var channel))
                        throw SshException.Protocol($"{(int)id} packet referred to channel {number}, which is not the passenger's");
                    if (channel.FromPassenger(id, payload))
                        Send(payload);
                    if (channel.IsOver)
                        Remove(channel);
                    break;
                default:
                    throw SshException.Protocol($"unexpected message {(int)id} from passenger");
            }
        }
    }

    private void Open(in ChannelOpenMessage message)
    {
        if (message.TypeData.Length > SshConnection.MaxOpenData)
            throw SshException.Protocol($"channel open with {message.TypeData.Length} bytes of data");
        if (message.MaximumPacket == 0)
            throw SshException.Protocol("channel open with a maximum packet size of 0"); // ahead of the entry, which nobody would take out again
        if (Add(message.ChannelType) is not { } channel)
        {
            var refusal = new SshWriter(64);
            new ChannelOpenFailureMessage(message.SenderChannel, (uint)OpenFailureReason.ResourceShortage, "too many channels").Write(ref refusal);
            Tell(refusal.ToArray());
            return;
        }
        channel.Ask(message.SenderChannel, message.InitialWindow, message.MaximumPacket);
        var writer = new SshWriter(128 + message.TypeData.Length);
        new ChannelOpenMessage
        {
            ChannelType = message.ChannelType,
            SenderChannel = channel.Entry.LocalId,
            InitialWindow = message.InitialWindow,
            MaximumPacket = Clamp(message.MaximumPacket),
            TypeData = message.TypeData,
        }.Write(ref writer);
        Send(writer.Written);
    }

    /// <summary>Waits for the answer: they carry no number, and have to leave in the order of the requests. OpenSSH's master passes none on; its client understands them, but in
    /// packets of less than five bytes it sees a fault, hence the filling.</summary>
    private async Task ForwardAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var (name, wantReply, data) = ReadRequest(payload.Span);
        var key = (data.Host, data.Port);
        await _connection.Requests.RequestAsync(name, data.ToArray(), OnAnswer).WaitAsync(cancellationToken).ConfigureAwait(false);

        void OnAnswer(byte[]? answer)
        {
            lock (_lock)
            {
                if (answer is not null && name == TcpipForwardData.Cancel)
                    _forwards.Remove(key);
                else if (answer is not null)
                    Granted(data.Port == 0 && answer.Length >= 4 ? data with { Port = BinaryPrimitives.ReadUInt32BigEndian(answer) } : data);
                if (wantReply && !_isGone)
                    Tell([(byte)(answer is null ? MessageId.RequestFailure : MessageId.RequestSuccess), .. answer is { Length: >= 4 } ? answer : new byte[4]]);
            }
        }
    }

    private (string Name, bool WantReply, TcpipForwardData Data) ReadRequest(ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload[1..]);
        var request = GlobalRequestMessage.Read(ref reader);
        if (request.Name is not (TcpipForwardData.Listen or TcpipForwardData.Cancel))
            throw SshException.Protocol($"unsupported request {PeerText.Escape(request.Name)}");
        var data = TcpipForwardData.Read(request.Data);
        if (data.Port > 65535)
            throw SshException.Protocol($"{request.Name} for {PeerText.Escape(data.Host, 256)}: bad port {data.Port}");
        lock (_lock)
        {
            if (request.Name == TcpipForwardData.Cancel ? !_forwards.Contains((data.Host, data.Port)) : _forwards.Count >= MaxForwards)
                throw SshException.Protocol($"{request.Name} for {PeerText.Escape(data.Host, 256)} port {data.Port}: {(request.Name == TcpipForwardData.Cancel ? "not the passenger's" : "too many")}");
        }
        return (request.Name, request.WantReply, data);
    }

    private void Granted(TcpipForwardData data)
    {
        if (_isGone)
            Cancel((data.Host, data.Port));
        else
            _forwards.Add((data.Host, data.Port));
    }

    /// <summary>The passenger is gone: whatever is open is closed, and nothing is listened on any more.</summary>
    private void Leave()
    {
        lock (_lock)
        {
            _isGone = true;
            foreach (var channel in _channels.ToArray())
            {
                if (channel.State == ProxiedChannel.Stage.Offered)
                {
                    Send(new ChannelOpenFailureMessage(channel.PeerId, (uint)OpenFailureReason.ConnectFailed, "open failed"));
                    Remove(channel);
                }
                else if (channel.State == ProxiedChannel.Stage.Open && !channel.CloseSent)
                {
                    Close(channel);
                }
                if (channel.IsOver)
                    Remove(channel);
            }
            foreach (var forward in _forwards)
                Cancel(forward);
            _forwards.Clear();
        }
        _outgoing.Writer.TryComplete();
    }

    private void Cancel((string Host, uint Port) forward)
    {
        _logger.LogDebug("cleanup remote forward for {Host}:{Port}", PeerText.Escape(forward.Host, 256), forward.Port);
        _connection.Requests.Notify(TcpipForwardData.Cancel, new TcpipForwardData(forward.Host, forward.Port).ToArray());
    }

    private void Close(ProxiedChannel channel)
    {
        channel.CloseSent = true;
        var writer = new SshWriter(8);
        new ChannelSignalMessage(MessageId.ChannelClose, channel.PeerId).Write(ref writer);
        Send(writer.Written);
    }

    /// <summary>A number in the connection's table; null where there is none left.</summary>
    private ProxiedChannel? Add(string type)
    {
        var channel = new ProxiedChannel(this);
        if (_connection.AddChannel(type, default, channel) is not { } entry)
            return null;
        channel.Entry = entry;
        _channels.Add(channel);
        return channel;
    }

    private void Remove(ProxiedChannel channel)
    {
        _channels.Remove(channel);
        if (_byPeerId.TryGetValue(channel.PeerId, out var found) && found == channel)
            _byPeerId.Remove(channel.PeerId);
        _connection.Remove(channel.Entry);
    }

    /// <summary>A passenger may take packets that this connection does not: the peer must not come to send them.</summary>
    private uint Clamp(uint maximumPacket) => Math.Min(maximumPacket, (uint)_connection.MaximumPacket);

    private ProxiedChannel Offered(uint peerId) => _byPeerId.TryGetValue(peerId, out var channel) && channel.State == ProxiedChannel.Stage.Offered
        ? channel
        : throw SshException.Protocol($"answer to an open of channel {peerId}, which nobody asked for");

    private void Send<T>(in T message)
        where T : ISshMessage<T>
    {
        var writer = new SshWriter(64);
        message.Write(ref writer);
        Send(writer.Written);
    }

    private void Send(ReadOnlySpan<byte> payload)
    {
        var packet = _connection.Transport.Rent(payload.Length);
        packet.PayloadLength = payload.Length;
        payload.CopyTo(packet.Payload);
        _connection.Transport.Send(_lane, packet);
    }

    /// <summary>Queues a message to the passenger. Under the lock.</summary>
    private void Tell(byte[] payload)
    {
        if (_fault is not null)
            return; // its end has begun
        if (Interlocked.Add(ref _waiting, payload.Length + MessageOverhead) > _maxWaiting)
        {
            _fault = new SshException(SshError.ResourceLimit, $"the passenger does not read: {_maxWaiting} bytes wait for it");
            _overflowed.TrySetResult();
            return;
        }
        _outgoing.Writer.TryWrite(payload);
    }

    private async Task WriteAsync(CancellationToken cancellationToken)
    {
        byte[] header = new byte[5];
        try
        {
            await foreach (byte[] payload in _outgoing.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                BinaryPrimitives.WriteUInt32BigEndian(header, (uint)payload.Length + 1);
                await _passenger.WriteAsync(header, cancellationToken).ConfigureAwait(false);
                await _passenger.WriteAsync(payload, cancellationToken).ConfigureAwait(false);
                Interlocked.Add(ref _waiting, -(payload.Length + MessageOverhead));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or IOException)
        {
            // It went. What reads from it sees that too.
        }
    }
}
