using System.Threading.Tasks.Sources;

namespace Adit.Ssh.Transport;

/// <summary>An auto-reset signal for one waiter that allocates nothing per wait. A signal set while nobody waits is kept; several become one.
/// The waiter continues on the thread pool, unless it and whoever sets the signal agree to go on at once on the thread that sets it.</summary>
internal sealed class AsyncSignal : IValueTaskSource, IValueTaskSource<int>
{
    private const int Idle = 0;
    private const int Signaled = 1;
    private const int Waiting = 2;

    private ManualResetValueTaskSourceCore<bool> _core;
    private int _state;
    private bool _mayInline;

    /// <summary>Completes when the signal is set; at once if it already is. Only one wait may be outstanding.</summary>
    /// <param name="mayInline">What follows is short and may run inside <see cref="Set"/>.</param>
    public ValueTask WaitAsync(bool mayInline = false) => MustWait(mayInline) ? new ValueTask(this, _core.Version) : ValueTask.CompletedTask;

    /// <summary>The same for who counts: nothing has been done when it completes, so the result is 0.</summary>
    public ValueTask<int> WaitForNothingAsync(bool mayInline = false) => MustWait(mayInline) ? new ValueTask<int>(this, _core.Version) : new ValueTask<int>(0);

    private bool MustWait(bool mayInline)
    {
        if (Interlocked.CompareExchange(ref _state, Idle, Signaled) == Signaled)
            return false;
        if (Volatile.Read(ref _state) == Waiting)
            throw new InvalidOperationException("two waiters on one signal"); // before Reset, which would strand the first
        _core.Reset();
        _mayInline = mayInline;
        switch (Interlocked.CompareExchange(ref _state, Waiting, Idle))
        {
            case Idle:
                return true;
            case Signaled:
                Interlocked.Exchange(ref _state, Idle);
                return false;
            default:
                throw new InvalidOperationException("two waiters on one signal");
        }
    }

    /// <summary>Lets the waiter go on, or the next one if there is none yet.</summary>
    /// <param name="inline">The waiter may go on inside this call: no lock is held and it would cost more to wake another thread.</param>
    public void Set(bool inline = false)
    {
        if (TakeWaiter())
            LetGo(here: inline && _mayInline);
    }

    /// <summary>As <see cref="Set"/>, but on a thread that watches sockets a waiter that may goes on there, once that is done with its event
    /// (<see cref="SocketPoller.TryRunAfter"/>): locks may be held.</summary>
    public void SetForAfter()
    {
        if (TakeWaiter() && !(_mayInline && SocketPoller.TryRunAfter(static self => ((AsyncSignal)self).LetGo(here: true), this)))
            LetGo(here: false);
    }

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    int IValueTaskSource<int>.GetResult(short token)
    {
        _core.GetResult(token);
        return 0;
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <summary>True when somebody waits, who is now to be let go on; the signal is kept otherwise.</summary>
    private bool TakeWaiter()
    {
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if (state == Signaled)
                return false;
            if (Interlocked.CompareExchange(ref _state, state == Waiting ? Idle : Signaled, state) == state)
                return state == Waiting;
        }
    }

    private void LetGo(bool here)
    {
        _core.RunContinuationsAsynchronously = !here;
        _core.SetResult(true);
    }
}
