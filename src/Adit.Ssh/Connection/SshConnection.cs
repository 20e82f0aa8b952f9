using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Connection;

/// <summary>How a connection treats its channels.</summary>
internal sealed class ConnectionOptions
{
    /// <summary>Channels open at once.</summary>
    public int MaxChannels { get; init; } = 65536;

    /// <summary>Zero turns keepalives off.</summary>
    public TimeSpan KeepAliveInterval { get; init; }

    public int KeepAliveCountMax { get; init; } = 3;

    /// <summary>What a person calls the peer; null for its address.</summary>
    public string? PeerName { get; init; }

    public WindowBudget WindowBudget { get; init; } = WindowBudget.Shared;

    public ILogger Logger { get; init; } = NullLogger.Instance;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}

/// <summary>The connection protocol (RFC 4254) over one transport: channels and global requests, the same for both roles.</summary>
internal sealed class SshConnection : IConnectionHandler
{
    /// <summary>The usual window, with which a channel starts when memory is not short; as OpenSSH.</summary>
    internal const int UsualWindow = 2 * 1024 * 1024;

    /// <summary>A full window must fit into OpenSSH's input buffer of a channel, which ends at 16 MiB, with room to spare: whenever that end is reached the whole
    /// buffer is moved to the front.</summary>
    private const int WindowCeiling = 14 * 1024 * 1024;

    private const int OwnWindowCeiling = 64 * 1024 * 1024;

    /// <summary>Type-specific data of a channel open: two host names as long as OpenSSH takes them fit.</summary>
    internal const int MaxOpenData = 4096;

    private readonly ConnectionOptions _options;
    private readonly ILogger _logger;
    private readonly ChannelTable _channels;
    private readonly List<SshChannel> _touched = [];
    private readonly Dictionary<string, IChannelHandler> _handlers = new(StringComparer.Ordinal);
    private readonly OpenQueue _opens;
    private readonly OutgoingOpens _outgoing;
    private readonly LivenessProbe _probe;
    private KeepAlive? _keepAlive;
    private readonly RoundTripClock _clock;

    public SshConnection(SshTransport transport, ConnectionOptions options)
    {
        Transport = transport;
        _options = options;
        _logger = options.Logger;
        _clock = new RoundTripClock(options.TimeProvider, () => transport.RoundTrip);
        _channels = new ChannelTable(options.MaxChannels);
        _opens = new OpenQueue(_logger, transport.Ended);
        _outgoing = new OutgoingOpens(this, _channels);
        Proxies = new ChannelProxies(_channels);
        Requests = new GlobalRequests(transport, _logger);
        _probe = new LivenessProbe(transport, Requests, options.TimeProvider);
        transport.Attach(this);
    }

    public SshTransport Transport { get; }

    public GlobalRequests Requests { get; }

    /// <summary>Other processes that speak over this connection.</summary>
    public ChannelProxies Proxies { get; }

    /// <summary>What we tell the peer that one message may hold. Between our own ends fewer, larger packets cost less. OpenSSH reads 32 KiB at a time into a channel's
    /// buffer and sends one packet for each: allowed no more than that it never sheds what a pause of the network left there, and a buffer that has to grow is copied for
    /// every 32 KiB more.</summary>
    public int MaximumPacket => Transport.Quirks.HasOpenSshsWays ? 128 * 1024 : 32 * 1024;

    /// <summary>Channels open now.</summary>
    public int ChannelCount => _channels.Count;

    /// <summary>Channels that were ever opened, or asked for.</summary>
    public long ChannelsOpened => _channels.Added;

    /// <summary>The channels that are open now, and that we have not closed.</summary>
    public IReadOnlyList<SshChannel> OpenChannels => _channels.FindAll(static channel => channel is { IsOpen: true, IsOver: false });

    /// <summary>Sends incoming channels of this type to a handler. Set up before login.</summary>
    public void Handle(string channelType, IChannelHandler handler) => _handlers.Add(channelType, handler);

    /// <summary>Login is done: keepalives begin.</summary>
    /// <param name="interval">In place of the options' interval, where the login has one of its own.</param>
    /// <param name="countMax">The same for the count.</param>
    public void Start(TimeSpan? interval = null, int? countMax = null)
    {
        if ((interval ?? _options.KeepAliveInterval) <= TimeSpan.Zero)
            return;
        _keepAlive = new KeepAlive(Transport, Requests, _options, interval, countMax);
        Heartbeat.Of(_options.TimeProvider).Add(_keepAlive);
        if (Transport.Reason is not null)
            Heartbeat.Of(_options.TimeProvider).Remove(_keepAlive); // it ended meanwhile, and the call that removes may have come before
    }

    /// <summary>Asks the peer for a sign of life now. False when nothing at all came within <paramref name="timeout"/>, or the connection is over.</summary>
    public Task<bool> AnswersAsync(TimeSpan timeout) => _probe.AnswersAsync(timeout);

    /// <summary>Opens a channel. Throws <see cref="SshException"/> (<see cref="SshError.ChannelOpenFailed"/> with the peer's reason) when it is refused,
    /// or the connection's reason when that ends first.</summary>
    /// <param name="type">The channel type.</param>
    /// <param name="data">The type's own part of the message.</param>
    /// <param name="sink">Where incoming bytes go.</param>
    /// <param name="cancellationToken">Gives up: a channel that is opened all the same is closed.</param>
    /// <param name="mayInline">What follows is short and may run on the receive loop: a change of thread is a good part of the time that opening takes.</param>
    /// <param name="size">What the peer may send, where that is to be less than usual.</param>
    public Task<SshChannel> OpenAsync(
        string type, ReadOnlyMemory<byte> data, IChannelSink sink, CancellationToken cancellationToken, bool mayInline = false, ChannelSize? size = null) =>
        _outgoing.OpenAsync(type, data, sink, mayInline, size, cancellationToken);

    /// <summary>Completes when no handler of ours runs any more. After the transport has ended.</summary>
    public Task WhenIdleAsync() => Task.WhenAll(_opens.WhenIdleAsync(), Requests.WhenIdleAsync());

    void IConnectionHandler.OnMessage(MessageId id, ReadOnlyMemory<byte> payload)
    {
        if (Proxies.TryHandOn(id, payload))
            return;
        switch (id)
        {
            case MessageId.ChannelData:
                OnData(payload);
                break;
            case MessageId.ChannelExtendedData:
                OnExtendedData(payload);
                break;
            case MessageId.ChannelWindowAdjust:
                OnWindowAdjust(payload);
                break;
            case MessageId.ChannelOpen:
                OnOpen(payload);
                break;
            case MessageId.ChannelOpenConfirmation:
                _outgoing.OnConfirmation(payload);
                break;
            case MessageId.ChannelOpenFailure:
                _outgoing.OnFailure(payload);
                break;
            case MessageId.ChannelEof:
                var eof = Opened(payload, id);
                if (eof.OnEof())
                    eof.Sink.OnEof();
                break;
            case MessageId.ChannelClose:
                OnClose(Opened(payload, id));
                break;
            case MessageId.ChannelRequest:
                OnChannelRequest(payload);
                break;
            case MessageId.ChannelSuccess or MessageId.ChannelFailure:
                if (!Opened(payload, id).OnReply(id == MessageId.ChannelSuccess))
                    throw SshException.Protocol($"answer {(int)id} to a channel request that was not sent");
                break;
            case MessageId.GlobalRequest:
                Requests.OnRequest(payload);
                break;
            case MessageId.RequestSuccess or MessageId.RequestFailure:
                Requests.OnReply(id == MessageId.RequestSuccess, payload);
                break;
            default:
                throw SshException.Protocol($"unexpected message {(int)id}");
        }
    }

    bool IConnectionHandler.OnRemark(string text) => _outgoing.OnRemark(text);

    void IConnectionHandler.OnBatchEnd()
    {
        foreach (var channel in _touched)
        {
            channel.IsTouched = false;
            channel.Sink.OnBatchEnd();
        }
        _touched.Clear();
    }

    void IConnectionHandler.OnClosed(SshException reason)
    {
        if (_keepAlive is not null)
            Heartbeat.Of(_options.TimeProvider).Remove(_keepAlive);
        Requests.Close(reason);
        foreach (var channel in _channels.Clear())
        {
            // The sink first: whoever finds the channel dead must find the reason too.
            if (channel.PendingOpen is { } pending)
                pending.TrySetException(reason);
            else
                channel.Sink.OnClosed(reason);
            channel.Kill();
        }
    }

    /// <summary>A new entry in the table, or null when there is no room or the connection is over.</summary>
    internal SshChannel? AddChannel(string type, ReadOnlyMemory<byte> openData, IChannelSink sink, TaskCompletionSource<SshChannel>? pending = null, int window = UsualWindow)
    {
        int ceiling = Transport.Quirks.IsAdit ? OwnWindowCeiling : WindowCeiling;
        var channel = Transport.Reason is not null ? null : _channels.Add(id =>
            new SshChannel(this, id, sink, new ReceiveWindow(_options.WindowBudget, _clock, window, ceiling)) { Type = type, OpenData = openData, PendingOpen = pending });
        // The connection may have ended, and emptied the table, while this was added.
        if (channel is not null && Transport.Reason is not null)
        {
            Remove(channel);
            return null;
        }
        return channel;
    }

    /// <summary>The channel is over: CLOSE went both ways, or it never came into being.</summary>
    internal void Remove(SshChannel channel)
    {
        channel.Kill();
        _channels.Remove(channel);
    }

    /// <summary><code>byte 94 | uint32 recipient channel | string data</code></summary>
    private void OnData(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var channel = Opened(reader.ReadUInt32(), MessageId.ChannelData);
        int length = reader.ReadString().Length;
        reader.EnsureEnd();
        if (!channel.OnData(length) || length == 0)
            return;
        Touch(channel);
        channel.Sink.OnData(payload[^length..]);
    }

    /// <summary>The channel hears of the end of this batch.</summary>
    private void Touch(SshChannel channel)
    {
        if (channel.IsTouched)
            return;
        channel.IsTouched = true;
        _touched.Add(channel);
    }

    /// <summary><code>byte 95 | uint32 recipient channel | uint32 data type code | string data</code> What nobody wants is dropped and credited.</summary>
    private void OnExtendedData(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var channel = Opened(reader.ReadUInt32(), MessageId.ChannelExtendedData);
        uint code = reader.ReadUInt32();
        int length = reader.ReadString().Length;
        reader.EnsureEnd();
        if (!channel.OnData(length))
            throw SshException.Protocol($"Received extended_data after EOF on channel {channel.LocalId}.");
        if (length == 0)
            return;
        if (channel.Sink.OnExtendedData(code, payload[^length..]))
            Touch(channel);
        else
            channel.Credit(length);
    }

    private void OnWindowAdjust(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var message = ChannelWindowAdjustMessage.Read(ref reader);
        reader.EnsureEnd();
        Opened(message.Recipient, MessageId.ChannelWindowAdjust).OnWindowAdjust(message.BytesToAdd);
    }

    private void OnOpen(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var message = ChannelOpenMessage.Read(ref reader);
        if (message.MaximumPacket == 0)
            throw SshException.Protocol("channel open with a maximum packet size of 0");
        bool tooLong = message.TypeData.Length > MaxOpenData;
        if (tooLong)
            message = message with { TypeData = default };
        var request = new IncomingChannel(this, message);
        _logger.LogDebug("channel open request: ctype {Type} rchan {Channel} win {Window} max {Max}",
            PeerText.Escape(message.ChannelType), message.SenderChannel, message.InitialWindow, message.MaximumPacket);
        if (tooLong)
            request.Reject(OpenFailureReason.ResourceShortage, "open failed");
        else if (_handlers.TryGetValue(message.ChannelType, out var handler))
            Add(handler, request);
        else
            request.Reject(OpenFailureReason.UnknownChannelType, "open failed");

        void Add(IChannelHandler handler, IncomingChannel request)
        {
            handler.OnArrived();
            _opens.Add(handler, request);
        }
    }

    private static void OnClose(SshChannel channel)
    {
        channel.OnClose();
        channel.Sink.OnClosed(null);
    }

    private void OnChannelRequest(ReadOnlyMemory<byte> payload)
    {
        var reader = new SshReader(payload.Span[1..]);
        var message = ChannelRequestMessage.Read(ref reader);
        var channel = Opened(message.Recipient, MessageId.ChannelRequest);
        _logger.LogTrace("channel {Channel}: request {Type}", channel.LocalId, PeerText.Escape(message.RequestType));
        var answer = channel.Sink.OnRequest(message.RequestType, message.Data, message.WantReply);
        if (message.WantReply && answer != ChannelRequestAnswer.Later)
            channel.Answer(answer == ChannelRequestAnswer.Success);
    }

    private SshChannel Opened(ReadOnlyMemory<byte> payload, MessageId id)
    {
        var reader = new SshReader(payload.Span[1..]);
        uint number = reader.ReadUInt32();
        reader.EnsureEnd();
        return Opened(number, id);
    }

    private SshChannel Opened(uint number, MessageId id)
    {
        var channel = _channels.Find(number);
        if (channel is not { IsOpen: true, CloseReceived: false })
            throw SshException.Protocol($"{(int)id} packet referred to nonexistent channel {number}");
        return channel;
    }
}
