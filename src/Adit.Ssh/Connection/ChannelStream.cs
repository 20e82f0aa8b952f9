namespace Adit.Ssh.Connection;

/// <summary>A channel as a stream: one reader and one writer at a time. What arrives waits here until it is read; how much that can be is the channel's window.</summary>
internal sealed class ChannelStream : SshStream, IChannelSink
{
    private readonly InboundBytes _received = new();
    private SshChannel? _channel;
    private int _disposed;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    void IChannelSink.OnOpened(SshChannel channel)
    {
        _channel = channel;
        _received.Bind(channel);
    }

    void IChannelSink.OnData(ReadOnlyMemory<byte> data) => _received.Append(data.Span);

    void IChannelSink.OnBatchEnd() => _received.Signal();

    void IChannelSink.OnEof() => _received.End(null);

    void IChannelSink.OnClosed(SshException? reason)
    {
        _received.End(reason);
        _channel?.Close(); // what is still unread is the reader's, and bounded by the window
    }

    /// <summary>Waits for at least one byte; 0 after the peer's EOF or CLOSE. Throws the connection's <see cref="SshException"/> when it died first.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _received.ReadAsync(buffer, cancellationToken);

    /// <summary>Completes when everything is queued to be sent. Throws <see cref="SshException"/> (<see cref="SshError.ChannelClosed"/>) when the channel takes no more.</summary>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (!await _channel!.SendAsync(buffer, cancellationToken).ConfigureAwait(false))
            throw _received.Fault ?? new SshException(SshError.ChannelClosed, "the channel is closed");
    }

    public override ValueTask CompleteWritesAsync(CancellationToken cancellationToken = default)
    {
        _channel!.SendEof();
        return ValueTask.CompletedTask;
    }

    public override void Abort()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _received.Abandon();
        _channel?.Close();
    }

    /// <summary>Sends EOF after what was written, then closes the channel.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _disposed == 0)
        {
            _channel?.SendEof();
            Abort();
        }
        base.Dispose(disposing);
    }
}
