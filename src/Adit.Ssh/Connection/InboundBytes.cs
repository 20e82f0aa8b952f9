using Adit.Ssh.Transport;

namespace Adit.Ssh.Connection;

/// <summary>What arrived on a channel and was not read yet: filled on the receive loop, read by one reader. How much it can hold is bounded by the channel's window.</summary>
internal sealed class InboundBytes
{
    private readonly Lock _lock = new();
    private readonly AsyncSignal _readable = new();
    private SshChannel? _channel;
    private Backlog _received;
    private bool _ended;
    private bool _abandoned;
    private SshException? _fault;

    /// <summary>Why the connection ended; null for none.</summary>
    public SshException? Fault => Volatile.Read(ref _fault);

    /// <summary>Whom to credit what was read.</summary>
    public void Bind(SshChannel channel) => _channel = channel;

    /// <summary>Takes bytes over; what nobody reads any more is credited at once.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            if (!_abandoned)
            {
                _received.Append(data);
                return;
            }
        }
        _channel!.Credit(data.Length);
    }

    /// <summary>Wakes the reader: the batch is complete.</summary>
    public void Signal() => _readable.Set();

    /// <summary>Nothing follows. The first fault counts.</summary>
    public void End(SshException? fault)
    {
        lock (_lock)
        {
            _ended = true;
            _fault ??= fault;
        }
        _readable.Set();
    }

    /// <summary>Nobody reads any more: drops what is there and whatever follows.</summary>
    public void Abandon()
    {
        int dropped;
        lock (_lock)
        {
            _abandoned = true;
            dropped = _received.Clear();
        }
        _channel?.Credit(dropped);
        _readable.Set();
    }

    /// <summary>Waits for at least one byte; 0 after the end. Throws the connection's <see cref="SshException"/> when it died first, <see cref="ObjectDisposedException"/>
    /// once abandoned, and <see cref="OperationCanceledException"/>.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _readable);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = 0;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_abandoned, this);
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
}
