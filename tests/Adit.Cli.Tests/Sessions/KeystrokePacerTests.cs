using System.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh;

namespace Adit.Cli.Tests.Sessions;

public sealed class KeystrokePacerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData("yes", 20)]
    [InlineData("no", null)]
    [InlineData("interval:80", 80)]
    [InlineData("Interval:1", 1)]
    public void Its_values_are_read(string value, int? milliseconds) =>
        Assert.Equal(milliseconds, (int?)KeystrokePacer.Parse(value)?.TotalMilliseconds);

    [Theory]
    [InlineData("")]
    [InlineData("interval:")]
    [InlineData("interval:0")]
    [InlineData("interval:-5")]
    [InlineData("interval:1001")]
    [InlineData("20")]
    public void Others_are_refused(string value) => Assert.Equal(SshError.Configuration, Assert.Throws<SshException>(() => KeystrokePacer.Parse(value)).Error);

    [Fact]
    public async Task A_key_waits_for_its_turn()
    {
        await using var pacer = new KeystrokePacer(TimeSpan.FromMilliseconds(200), () => { }, TimeProvider.System);
        long began = Stopwatch.GetTimestamp();
        await pacer.WaitAsync(1, default).AsTask().WaitAsync(Patience);
        Assert.True(Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(150)); // nine tenths of it, by a clock that ticks every ten milliseconds
        await pacer.WaitAsync(1, default).AsTask().WaitAsync(Patience);
    }

    [Fact]
    public async Task What_is_pasted_does_not_wait_and_begins_nothing()
    {
        var chaff = new Chaff(1);
        await using (var pacer = new KeystrokePacer(TimeSpan.FromMilliseconds(1), chaff.Send, TimeProvider.System))
        {
            Assert.True(pacer.WaitAsync(256, default).AsTask().IsCompletedSuccessfully);
        }

        Assert.False(chaff.Enough.IsCompleted);
    }

    [Fact]
    public async Task Messages_without_meaning_follow_until_it_stops_by_itself_and_begins_again()
    {
        var time = new Clock();
        var chaff = new Chaff(int.MaxValue);
        await using var pacer = new KeystrokePacer(TimeSpan.FromMilliseconds(20), chaff.Send, time);
        for (int round = 0; round < 2; round++)
        {
            Task turn = pacer.WaitAsync(1, default).AsTask();
            for (int i = 0; i < 1000 && !turn.IsCompleted; i++)
            {
                time.Advance();
                await Task.Yield();
            }

            await turn.WaitAsync(Patience);
            await time.IdleAsync().WaitAsync(Patience);
            // One to three seconds, in intervals of 20 ms.
            Assert.InRange(chaff.Take(), 45, 160);
        }
    }

    [Fact]
    public async Task The_end_of_the_session_ends_it()
    {
        using var over = new CancellationTokenSource();
        var pacer = new KeystrokePacer(TimeSpan.FromSeconds(1000), () => { }, TimeProvider.System);
        Task waiting = pacer.WaitAsync(1, over.Token).AsTask();
        await over.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await pacer.DisposeAsync().AsTask().WaitAsync(Patience);
    }

    private sealed class Chaff(int enough)
    {
        private readonly TaskCompletionSource _enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _count;

        public Task Enough => _enough.Task;

        public int Take() => Interlocked.Exchange(ref _count, 0);

        public void Send()
        {
            if (Interlocked.Increment(ref _count) == enough)
            {
                _enough.TrySetResult();
            }
        }
    }

    /// <summary>A clock on which a timer is over as soon as <see cref="Advance"/> is called, and which knows whether one runs.</summary>
    private sealed class Clock : TimeProvider
    {
        private readonly Lock _lock = new();
        private readonly List<Timer> _timers = [];
        private long _now;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Interlocked.Read(ref _now);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Timer(this, () => callback(state));
            lock (_lock)
            {
                _timers.Add(timer);
            }

            return timer;
        }

        public bool Advance()
        {
            Timer[] due;
            lock (_lock)
            {
                due = [.. _timers];
                _timers.Clear();
                _now += due.Length > 0 ? 20 : 0;
            }

            foreach (Timer timer in due)
            {
                timer.Fire();
            }

            return due.Length > 0;
        }

        /// <summary>Moves on until nothing waits for the clock any more.</summary>
        public async Task IdleAsync()
        {
            for (int quiet = 0; quiet < 1000; quiet++)
            {
                if (Advance())
                {
                    quiet = 0;
                }

                await Task.Yield();
            }

            Assert.True(GetTimestamp() >= 1000);
        }

        private sealed class Timer(Clock clock, Action fire) : ITimer
        {
            public void Fire() => fire();

            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
                lock (clock._lock)
                {
                    clock._timers.Remove(this);
                }
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
