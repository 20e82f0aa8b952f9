using System.Threading.Tasks.Sources;

namespace Adit.Ssh.Transport;

/// <summary>An auto-reset signal for one waiter that allocates nothing per wait. A signal set while nobody waits is kept; several become one.
/// The waiter continues on the thread pool, never on the thread that set the signal.</summary>
internal sealed class AsyncSignal : IValueTaskSource
{
    private const int Idle = 0;
    private const int Signaled = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private int _state;

    /// <summary>Completes when the signal is set; at once if it already is. Only one wait may be outstanding.</summary>
    public ValueTask WaitAsync()
    {
        if (Interlocked.CompareExchange(ref _state, Idle, Signaled) == Signaled)
            return ValueTask.CompletedTask;
        if (Volatile.Read(ref _state) == Waiting)
            throw new InvalidOperationException("two waiters on one signal"); // before Reset, which would strand the first
        _core.Reset();
        short token = _core.Version;
        return Interlocked.CompareExchange(ref _state, Waiting, Idle) switch
        {
            Idle => new ValueTask(this, token),
            Signaled => TakeSignal(),
            _ => throw new InvalidOperationException("two waiters on one signal"),
        };
    }

    /// <summary>Lets the waiter go on, or the next one if there is none yet.</summary>
    public void Set()
    {
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if (state == Signaled)
                return;
            int next = state == Waiting ? Idle : Signaled;
            if (Interlocked.CompareExchange(ref _state, next, state) != state)
                continue;
            if (state == Waiting)
                _core.SetResult(true);
            return;
        }
    }

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private ValueTask TakeSignal()
    {
        Interlocked.Exchange(ref _state, Idle);
        return ValueTask.CompletedTask;
    }
}
