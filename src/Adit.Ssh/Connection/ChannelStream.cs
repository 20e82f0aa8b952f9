using Adit.Ssh.Transport;

namespace Adit.Ssh.Connection;

/// <summary>A channel as a stream: one reader and one writer at a time. What arrives waits here until it is read; how much that can be is the channel's window.</summary>
internal sealed class ChannelStream : SshStream, IChannelSink
{
    private readonly Lock _lock = new();
    private readonly AsyncSignal _readable = new();
    private SshChannel? _channel;
    private Backlog _received;
    private bool _ended;
    private SshException? _fault;
    private int _disposed;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    void IChannelSink.OnOpened(SshChannel channel) => _channel = channel;

    void IChannelSink.OnData(ReadOnlyMemory<byte> data)
    {
        lock (_lock)
        {
            if (_disposed == 0)
            {
                _received.Append(data.Span);
                return;
            }
        }
        _channel!.Credit(data.Length);
    }

    void IChannelSink.OnBatchEnd() => _readable.Set();

    void IChannelSink.OnEof() => End(null);

    void IChannelSink.OnClosed(SshException? reason)
    {
        End(reason);
        _channel?.Close(); // what is still unread is the reader's, and bounded by the window
    }

    /// <summary>Waits for at least one byte; 0 after the peer's EOF or CLOSE. Throws the connection's <see cref="SshException"/> when it died first.</summary>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _readable);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = 0;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed != 0, this);
                if (!_received.IsEmpty)
                {
                    if (buffer.IsEmpty)
                        return 0;
                    count = TakeLocked(buffer.Span);
                }
                else if (_fault is { } fault)
                {
                    throw fault;
                }
                else if (_ended)
                {
                    return 0;
                }
            }
            if (count > 0)
            {
                _channel!.Credit(count);
                return count;
            }
            await _readable.WaitAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Completes when everything is queued to be sent. Throws <see cref="SshException"/> (<see cref="SshError.ChannelClosed"/>) when the channel takes no more.</summary>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var channel = _channel!;
        while (!buffer.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            int allowance = channel.SendAllowance;
            if (allowance < 0)
                throw _fault ?? new SshException(SshError.ChannelClosed, "the channel is closed");
            if (allowance == 0)
            {
                await channel.WaitToSendAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }
            int count = Math.Min(Math.Min(allowance, channel.MaxData), buffer.Length);
            var packet = channel.Rent(count);
            buffer[..count].CopyTo(packet.DataArea(count));
            channel.SendData(packet, count, flush: true);
            buffer = buffer[count..];
        }
    }

    public override ValueTask CompleteWritesAsync(CancellationToken cancellationToken = default)
    {
        _channel!.SendEof();
        return ValueTask.CompletedTask;
    }

    public override void Abort()
    {
        int dropped;
        lock (_lock)
        {
            if (_disposed != 0)
                return;
            _disposed = 1;
            dropped = _received.Clear();
        }
        _channel?.Credit(dropped);
        _channel?.Close();
        _readable.Set();
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Not supported: a channel is asynchronous.</summary>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("use ReadAsync");

    /// <summary>Not supported: a channel is asynchronous.</summary>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("use WriteAsync");

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

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

    private int TakeLocked(Span<byte> buffer)
    {
        int total = 0;
        while (total < buffer.Length && !_received.IsEmpty)
        {
            var first = _received.First.Span;
            int count = Math.Min(first.Length, buffer.Length - total);
            first[..count].CopyTo(buffer[total..]);
            _received.Consume(count);
            total += count;
        }
        return total;
    }

    private void End(SshException? fault)
    {
        lock (_lock)
        {
            _ended = true;
            _fault ??= fault;
        }
        _readable.Set();
    }
}
