namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Time that passes in seconds and only when the test says so; timers go off meanwhile, on the test's thread. Delays of less than a second are over at once.</summary>
internal sealed class SteppedTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<SteppedTimer> _timers = [];
    private long _ticks = TimeSpan.TicksPerDay;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _ticks);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp());

    public void Pass(int seconds)
    {
        for (; seconds > 0; seconds--)
        {
            long now = Interlocked.Add(ref _ticks, TimeSpan.TicksPerSecond);
            SteppedTimer[] due;
            lock (_lock)
                due = [.. _timers.Where(timer => timer.Due <= now)];
            foreach (var timer in due)
                timer.Fire(now);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SteppedTimer(this, () => callback(state), period);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class SteppedTimer(SteppedTime time, Action callback, TimeSpan period) : ITimer
    {
        public long Due { get; private set; } = long.MaxValue;

        public void Fire(long now)
        {
            Due = period > TimeSpan.Zero ? now + period.Ticks : long.MaxValue;
            callback();
        }

        public bool Change(TimeSpan dueTime, TimeSpan newPeriod)
        {
            if (dueTime == Timeout.InfiniteTimeSpan)
            {
                Due = long.MaxValue;
                return true;
            }
            if (dueTime < TimeSpan.FromSeconds(1))
            {
                ThreadPool.QueueUserWorkItem(_ => callback());
                return true;
            }
            Due = time.GetTimestamp() + dueTime.Ticks;
            lock (time._lock)
                time._timers.Add(this);
            return true;
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
