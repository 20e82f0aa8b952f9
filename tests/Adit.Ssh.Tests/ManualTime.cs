namespace Adit.Ssh.Tests;

/// <summary>A clock that stands until a test moves it; its timers go off then, on the thread that moves it. Delays of less than a second (a failed login is answered
/// late) are over at once.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<Timer> _timers = [];
    private readonly List<(TimeSpan Delay, TaskCompletionSource Seen)> _awaited = [];
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp());

    /// <summary>Completes when somebody begins to wait for so long.</summary>
    public Task WhenAwaitedAsync(TimeSpan delay)
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
            _awaited.Add((delay, seen));
        return seen.Task;
    }

    public void Advance(TimeSpan by)
    {
        long now = Interlocked.Add(ref _ticks, by.Ticks);
        Timer[] due;
        lock (_lock)
            due = [.. _timers.Where(timer => timer.Due <= now)];
        foreach (var timer in due)
            timer.Fire(now);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(ManualTime time, Action callback) : ITimer
    {
        private TimeSpan _period;

        public long Due { get; private set; } = long.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            bool isShort = dueTime < TimeSpan.FromSeconds(1) && dueTime >= TimeSpan.Zero;
            if (isShort)
                ThreadPool.QueueUserWorkItem(_ => callback());
            lock (time._lock)
            {
                _period = period;
                Due = dueTime == Timeout.InfiniteTimeSpan || isShort ? long.MaxValue : time._ticks + dueTime.Ticks;
                if (!time._timers.Contains(this))
                    time._timers.Add(this);
                foreach (var (_, seen) in time._awaited.Where(awaited => awaited.Delay == dueTime))
                    seen.TrySetResult();
            }
            return true;
        }

        public void Fire(long now)
        {
            lock (time._lock)
                Due = _period == Timeout.InfiniteTimeSpan || _period == TimeSpan.Zero ? long.MaxValue : now + _period.Ticks;
            callback();
        }

        public void Dispose()
        {
            lock (time._lock)
                time._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
