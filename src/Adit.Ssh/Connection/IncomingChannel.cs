using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>Takes channels of one type that the peer wants to open. Runs on the thread pool; how many run at once is capped.</summary>
internal interface IChannelHandler
{
    /// <summary>Answers the request, once, by <see cref="IncomingChannel.Accept"/> or <see cref="IncomingChannel.Reject"/>; one that returns or throws without an answer is rejected.</summary>
    ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken);

    /// <summary>True where <see cref="HandleAsync"/> never blocks its thread, so that it may be called on one that watches sockets.</summary>
    bool NeverBlocks => false;

    /// <summary>The request has arrived; on the receive loop, in order with everything else that arrives. Must not block. Throwing <see cref="SshException"/> ends the connection.</summary>
    void OnArrived()
    {
    }
}

/// <summary>A channel that the peer wants to open.</summary>
internal sealed class IncomingChannel
{
    internal const string RemarkPrefix = "channel ";

    private readonly SshConnection _connection;
    private readonly uint _remoteId;
    private readonly uint _window;
    private readonly uint _maximumPacket;
    private int _answered;

    internal IncomingChannel(SshConnection connection, in ChannelOpenMessage message)
    {
        _connection = connection;
        _remoteId = message.SenderChannel;
        _window = message.InitialWindow;
        _maximumPacket = message.MaximumPacket;
        ChannelType = message.ChannelType;
        Data = message.TypeData.ToArray();
    }

    public string ChannelType { get; }

    /// <summary>The channel type specific data.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    public SshConnection Connection => _connection;

    /// <summary>Opens it. Null when there is no room for one more channel (the peer has been told) or the connection is over.</summary>
    /// <param name="sink">Where incoming bytes go.</param>
    /// <param name="maximumPacket">What we tell the peer that one message may hold, where that is less than the usual.</param>
    public SshChannel? Accept(IChannelSink sink, int? maximumPacket = null)
    {
        if (Interlocked.Exchange(ref _answered, 1) != 0)
            throw new InvalidOperationException("the request was already answered");
        var channel = _connection.AddChannel(ChannelType, Data, sink);
        if (channel is null)
        {
            Refuse(OpenFailureReason.ResourceShortage, "too many channels");
            return null;
        }
        channel.Open(_remoteId, _window, _maximumPacket);
        sink.OnOpened(channel);
        channel.IsOpen = true;
        _connection.Transport.Send(new ChannelOpenConfirmationMessage(_remoteId, channel.LocalId, channel.InitialWindow, (uint)(maximumPacket ?? _connection.MaximumPacket)));
        return channel;
    }

    /// <summary>Refuses it. Does nothing when it was already answered.</summary>
    /// <param name="reason">The code.</param>
    /// <param name="description">What OpenSSH says, since scripts match it.</param>
    /// <param name="detail">More than that, for the person at the other end: the rule, the addresses that were tried. It goes ahead as SSH_MSG_DEBUG, "channel N: …" with
    /// the peer's number: our client tells it with the refusal, OpenSSH's shows it from -v on.</param>
    public void Reject(OpenFailureReason reason, string description, string? detail = null)
    {
        if (Interlocked.Exchange(ref _answered, 1) != 0)
            return;
        if (detail is not null)
            _connection.Transport.Send(new DebugMessage(AlwaysDisplay: false, $"{RemarkPrefix}{_remoteId}: {detail}"));
        Refuse(reason, description);
    }

    private void Refuse(OpenFailureReason reason, string description) =>
        _connection.Transport.Send(new ChannelOpenFailureMessage(_remoteId, (uint)reason, description));
}
