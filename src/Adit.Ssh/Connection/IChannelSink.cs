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
}
