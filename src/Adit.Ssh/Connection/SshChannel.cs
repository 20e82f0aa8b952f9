using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>One channel (RFC 4254, section 5). Each direction ends by itself: EOF says that no more data follows, CLOSE that the sender is done with the
/// channel, and the id is free again once CLOSE went both ways. Sending belongs to one pump; incoming messages come on the receive loop.</summary>
internal sealed class SshChannel
{
    private readonly SshConnection _connection;
    private readonly SshTransport _transport;
    private readonly Lock _lock = new();
    private readonly SendLane _lane;
    private readonly AsyncSignal _maySend = new();
    private SendWindow _sendWindow;
    private ReceiveWindow _receiveWindow;
    private volatile ChannelRequests? _requests;
    private bool _eofSent;
    private bool _closeSent;
    private bool _eofReceived;
    private volatile bool _closeReceived;
    private volatile bool _isOpen;
    private bool _dead;
    private long _traffic;

    internal SshChannel(SshConnection connection, uint localId, IChannelSink sink, ReceiveWindow window)
    {
        _connection = connection;
        _transport = connection.Transport;
        LocalId = localId;
        Sink = sink;
        _receiveWindow = window;
        _lane = new SendLane(() => _maySend.Set(inline: true));
    }

    /// <summary>Our number for it.</summary>
    public uint LocalId { get; }

    /// <summary>The peer's number for it.</summary>
    public uint RemoteId { get; private set; }

    public SshConnection Connection => _connection;

    /// <summary>The type that it was opened with.</summary>
    public required string Type { get; init; }

    /// <summary>A narrower name than <see cref="Type"/> for ChannelTimeout, "session:shell" say; null for none.</summary>
    public string? ExtendedType { get; set; }

    /// <summary>What the type's own part of the open message said.</summary>
    public required ReadOnlyMemory<byte> OpenData { get; init; }

    /// <summary>Bytes of data that went either way, for whoever wants to see whether it is idle.</summary>
    public long Traffic => Volatile.Read(ref _traffic);

    /// <summary>Where incoming bytes go.</summary>
    public IChannelSink Sink { get; }

    /// <summary>The largest piece of data to put into one packet.</summary>
    public int MaxData { get; private set; }

    /// <summary>The first window, for the open message.</summary>
    internal uint InitialWindow => (uint)_receiveWindow.Size;

    /// <summary>Waits for the peer's answer to our open; null before and after.</summary>
    internal TaskCompletionSource<SshChannel>? PendingOpen { get; set; }

    /// <summary>What the peer told about our open ahead of refusing it; null for nothing. Escaped.</summary>
    internal string? OpenRemark { get; set; }

    /// <summary>Both sides know it: set before our confirmation leaves, or when the peer's has come.</summary>
    internal bool IsOpen
    {
        get => _isOpen;
        set => _isOpen = value;
    }

    /// <summary>We are done with it; the peer may not know yet.</summary>
    internal bool IsOver
    {
        get
        {
            lock (_lock)
                return _closeSent || _dead;
        }
    }

    /// <summary>The peer is done with the channel, so nothing more may come for it.</summary>
    internal bool CloseReceived => _closeReceived;

    /// <summary>Set while the channel waits in the connection's list of those that got data in this batch.</summary>
    internal bool IsTouched { get; set; }

    /// <summary>The peer knows the channel by now: both numbers are known and data may flow.</summary>
    internal void Open(uint remoteId, uint window, uint maximumPacket)
    {
        RemoteId = remoteId;
        _sendWindow = new SendWindow(window, maximumPacket);
        MaxData = Math.Min(_sendWindow.MaximumPacket, PacketPool.LargePayload - PacketBuffer.DataHeaderLength);
    }

    /// <summary>Bytes that may be sent now; 0: wait for <see cref="WaitToSendAsync"/>; -1: never again.</summary>
    public int SendAllowance
    {
        get
        {
            lock (_lock)
            {
                if (_eofSent || _closeSent || _closeReceived || _dead)
                    return -1;
                long window = _sendWindow.Available;
                return window == 0 ? 0 : (int)Math.Min(window, _transport.RoomFor(_lane));
            }
        }
    }

    /// <summary>Completes when <see cref="SendAllowance"/> may have changed, or <paramref name="cancellationToken"/> is cancelled. One waiter.</summary>
    public ValueTask WaitToSendAsync(CancellationToken cancellationToken = default) =>
        cancellationToken.CanBeCanceled ? WaitOrCancelAsync(cancellationToken) : _maySend.WaitAsync();

    /// <summary>The same for a pump, whose next step is one receive into the room that was made: it may run inside whatever made it.</summary>
    public ValueTask WaitToPumpAsync() => _maySend.WaitAsync(mayInline: true);

    /// <summary>Has the pump that waits look again: something else than the channel has changed.</summary>
    public void WakePump() => _maySend.Set();

    /// <summary>A buffer whose <see cref="PacketBuffer.DataArea"/> holds <paramref name="length"/> bytes.</summary>
    public PacketBuffer Rent(int length) => _transport.Rent(PacketBuffer.DataHeaderLength + length);

    /// <summary>Sends <paramref name="length"/> bytes that lie in the packet's data area: at most <see cref="MaxData"/>, and within what <see cref="SendAllowance"/> said.
    /// Takes the packet over. False when the channel is closed.</summary>
    public bool SendData(PacketBuffer packet, int length, bool flush)
    {
        packet.SetChannelData(RemoteId, length);
        return SendCounted(packet.Fit(), length, flush);
    }

    /// <summary>The same for extended data, which lies in the packet's area for that and counts against the same window.</summary>
    public bool SendExtendedData(PacketBuffer packet, uint code, int length)
    {
        packet.SetChannelExtendedData(RemoteId, code, length);
        return SendCounted(packet, length, flush: true);
    }

    /// <summary>Sends one packet of a network as one message, or drops it: where the window has no room, or the channel takes no more. Takes the packet over.</summary>
    /// <param name="packet">Holds it in its data area.</param>
    /// <param name="length">Its length, at most <see cref="MaxData"/>.</param>
    /// <param name="overhead">What the peer's window counts besides.</param>
    public void SendDatagram(PacketBuffer packet, int length, int overhead)
    {
        bool fits;
        lock (_lock)
        {
            fits = _sendWindow.Available >= length + overhead;
            if (fits)
                _sendWindow.Take(overhead);
        }
        if (fits)
            SendData(packet, length, flush: true);
        else
            packet.Return();
    }

    /// <summary>Sends what was queued without flush. Waiters that may go on inline do so in here.</summary>
    public void Flush() => _transport.Flush();

    /// <summary>No more data follows from here; data still comes the other way.</summary>
    /// <param name="flush">False: it leaves with what follows.</param>
    public void SendEof(bool flush = true)
    {
        lock (_lock)
        {
            if (_eofSent || _closeSent || _closeReceived || _dead)
                return;
            _eofSent = true;
            Signal(MessageId.ChannelEof);
        }
        if (flush)
            _transport.Flush();
        _maySend.Set();
    }

    /// <summary>Done with the channel, in both directions.</summary>
    public void Close()
    {
        lock (_lock)
        {
            if (_closeSent || _dead)
                return;
            _closeSent = true;
            Signal(MessageId.ChannelClose);
        }
        _transport.Flush();
        _maySend.Set();
        if (_closeReceived)
            _connection.Remove(this);
    }

    /// <summary>Sends SSH_MSG_CHANNEL_REQUEST that wants no answer, in order with the data.</summary>
    public void Notify(string type, ReadOnlySpan<byte> data)
    {
        SendRequest(type, wantReply: false, data);
        _transport.Flush();
    }

    /// <summary>Sends SSH_MSG_CHANNEL_REQUEST, in order with the data, and returns the peer's answer; false as well when the channel ends first.</summary>
    public Task<bool> RequestAsync(string type, ReadOnlySpan<byte> data)
    {
        lock (_lock)
            _requests ??= new ChannelRequests(this, _lock);
        return _requests.SendAsync(type, data);
    }

    /// <summary>Answers a channel request, unless our CLOSE has gone out.</summary>
    public void Answer(bool success)
    {
        lock (_lock)
        {
            if (_dead || _closeSent)
                return;
            var writer = new SshWriter(stackalloc byte[5]);
            new ChannelSignalMessage(success ? MessageId.ChannelSuccess : MessageId.ChannelFailure, RemoteId).Write(ref writer);
            _transport.SendControl(writer.Written, flush: false);
        }
        _transport.Flush();
    }

    /// <summary>The sink delivered or discarded bytes; the peer gets them granted again when it is worth a message. From any thread.</summary>
    public void Credit(int bytes)
    {
        if (bytes == 0)
            return;
        lock (_lock)
        {
            if (_dead || _closeSent || _closeReceived || _eofReceived)
                return;
            uint grant = _receiveWindow.Credit(bytes);
            if (grant == 0)
                return;
            // Inside the lock: behind our CLOSE the peer may not know the channel any more.
            var writer = new SshWriter(stackalloc byte[9]);
            new ChannelWindowAdjustMessage(RemoteId, grant).Write(ref writer);
            _transport.SendControl(writer.Written, flush: false);
        }
        _transport.Flush();
    }

    /// <summary>The sink could not deliver everything at once.</summary>
    public void OnBacklog()
    {
        lock (_lock)
            _receiveWindow.OnBacklog();
    }

    /// <summary>Queues SSH_MSG_CHANNEL_REQUEST, in order with the data. False when the channel takes no more.</summary>
    internal bool SendRequest(string type, bool wantReply, ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            if (_closeSent || _closeReceived || _dead)
                return false;
            var writer = new SshWriter(64 + data.Length);
            new ChannelRequestMessage { Recipient = RemoteId, RequestType = type, WantReply = wantReply, Data = data }.Write(ref writer);
            SendInLane(writer.Written);
            return true;
        }
    }

    /// <summary>An answer to a request of ours came in. False when nothing waits for one.</summary>
    internal bool OnReply(bool success) => _requests is { } requests && requests.OnReply(success);

    internal void OnWindowAdjust(uint bytes)
    {
        lock (_lock)
            _sendWindow.Add(bytes);
        _maySend.Set();
    }

    /// <summary>Data came in. False: after the peer's own EOF or CLOSE, so nobody wants it.</summary>
    internal bool OnData(int length)
    {
        lock (_lock)
        {
            _receiveWindow.Debit(length);
            _traffic += length;
            return !_eofReceived && !_closeReceived;
        }
    }

    /// <summary>True the first time.</summary>
    internal bool OnEof()
    {
        lock (_lock)
        {
            bool first = !_eofReceived && !_closeReceived;
            _eofReceived = true;
            return first;
        }
    }

    /// <summary>The peer is done with the channel; we are once the sink has called <see cref="Close"/>.</summary>
    internal void OnClose()
    {
        bool bothWays;
        lock (_lock)
        {
            _closeReceived = true;
            bothWays = _closeSent;
        }
        _maySend.Set();
        _requests?.End();
        if (bothWays)
            _connection.Remove(this);
    }

    /// <summary>The channel left the table, or the connection died: nothing is sent any more.</summary>
    internal void Kill()
    {
        lock (_lock)
        {
            if (_dead)
                return;
            _dead = true;
            _receiveWindow.Release();
        }
        _maySend.Set();
        _requests?.End();
    }

    /// <summary>Cancelling sets the signal, instead of leaving a waiter behind which the next one would trip over.</summary>
    private async ValueTask WaitOrCancelAsync(CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _maySend);
        await _maySend.WaitAsync().ConfigureAwait(false);
    }

    /// <summary>Sends a packet whose data counts against the window. Takes it over.</summary>
    private bool SendCounted(PacketBuffer packet, int length, bool flush)
    {
        lock (_lock)
        {
            if (!_eofSent && !_closeSent && !_closeReceived && !_dead)
            {
                _sendWindow.Take(length);
                _traffic += length;
                // Inside the lock: EOF and CLOSE must not overtake it.
                _transport.Send(_lane, packet, flush: false);
                packet = null!;
            }
        }
        if (packet is not null)
        {
            packet.Return();
            return false;
        }
        if (flush)
            _transport.Flush();
        return true;
    }

    private void Signal(MessageId id)
    {
        Span<byte> payload = stackalloc byte[5];
        var writer = new SshWriter(payload);
        new ChannelSignalMessage(id, RemoteId).Write(ref writer);
        SendInLane(writer.Written);
    }

    private void SendInLane(ReadOnlySpan<byte> payload)
    {
        var packet = _transport.Rent(payload.Length);
        packet.PayloadLength = payload.Length;
        payload.CopyTo(packet.Payload);
        _transport.Send(_lane, packet, flush: false);
    }
}
