namespace Adit.Ssh.Transport;

/// <summary>Messages on their way from the receive loop to authentication, which runs on its own. What may wait is bounded: a peer that sends before it is answered ends here.</summary>
internal sealed class MessageMailbox
{
    private const int MaxMessages = 64;
    private const int MaxBytes = 512 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<byte[]> _messages = new();
    private readonly AsyncSignal _signal = new();
    private SshException? _closed;
    private int _bytes;

    /// <summary>Takes a copy. Throws <see cref="SshException"/> when too much waits.</summary>
    public void Post(ReadOnlySpan<byte> payload)
    {
        lock (_lock)
        {
            if (_messages.Count >= MaxMessages || _bytes + payload.Length > MaxBytes)
                throw new SshException(SshError.ResourceLimit, "too many messages before login") { DisconnectReason = DisconnectReason.ProtocolError };
            _messages.Enqueue(payload.ToArray());
            _bytes += payload.Length;
        }
        _signal.Set();
    }

    /// <summary>No more messages come; those that wait are still handed out, then <paramref name="reason"/> is thrown.</summary>
    public void Close(SshException reason)
    {
        lock (_lock)
            _closed ??= reason;
        _signal.Set();
    }

    public async ValueTask<byte[]> TakeAsync(CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(static signal => ((AsyncSignal)signal!).Set(), _signal);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (_lock)
            {
                if (_messages.TryDequeue(out byte[]? message))
                {
                    _bytes -= message.Length;
                    return message;
                }
                if (_closed is { } reason)
                    throw reason;
            }
            await _signal.WaitAsync().ConfigureAwait(false);
        }
    }
}
