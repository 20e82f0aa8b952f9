namespace Adit.Ssh.Connection;

/// <summary>Where a channel's incoming bytes go. Every method but none other is called on the connection's receive loop, in order, and must not block or throw.
/// Delivered (or discarded) bytes are credited through <see cref="SshChannel.Credit"/>, from any thread.</summary>
internal interface IChannelSink
{
    /// <summary>The channel is open; called before anything else arrives.</summary>
    void OnOpened(SshChannel channel);

    /// <summary>Data arrived. The memory is valid until <see cref="OnBatchEnd"/> returns.</summary>
    void OnData(ReadOnlyMemory<byte> data);

    /// <summary>Everything received at once has been handed out: deliver it now, or copy what cannot be.</summary>
    void OnBatchEnd();

    /// <summary>The peer will send no more data.</summary>
    void OnEof();

    /// <summary>No more comes: the peer closed the channel (<paramref name="reason"/> null) or the connection ended. After the peer's CLOSE the sink calls
    /// <see cref="SshChannel.Close"/> when it has delivered what it holds: until then that counts against the channel's window and the peer waits for our
    /// CLOSE, so that a peer which opens and closes cannot make us hold more and more. When the connection ends meanwhile this is called once more.</summary>
    void OnClosed(SshException? reason);

    /// <summary>Extended data arrived (RFC 4254, section 5.2). False: not wanted, so it is dropped and credited. True: it counts as <see cref="OnData"/>, and
    /// <see cref="OnBatchEnd"/> follows.</summary>
    bool OnExtendedData(uint code, ReadOnlyMemory<byte> data) => false;

    /// <summary>A channel request arrived (RFC 4254, section 5.4); <paramref name="data"/> is valid during the call. A sink that answers
    /// <see cref="ChannelRequestAnswer.Later"/> calls <see cref="SshChannel.Answer"/> itself, in the order of the requests, where an answer is wanted.</summary>
    ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply) => ChannelRequestAnswer.Failure;
}

/// <summary>What a sink says to a channel request.</summary>
internal enum ChannelRequestAnswer
{
    /// <summary>Not known, or refused.</summary>
    Failure,
    /// <summary>Done.</summary>
    Success,
    /// <summary>The sink answers by itself.</summary>
    Later,
}
