using System.Diagnostics;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

/// <summary>Loops with much to do share the threads that watch sockets with everybody else.</summary>
public class ThreadTurnTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // Each loop only ends when the other socket's event has come, on whatever thread that one is watched: were one of them kept out, it would be for ever.
    [Fact]
    public async Task A_loop_without_end_lets_every_socket_of_the_process_have_its_events()
    {
        var pairs = new List<SocketPair>();
        try
        {
            for (int i = 0; i < 17; i++)
                pairs.Add(await SocketPair.ConnectAsync());
            bool stop = false;
            var loops = pairs.Take(9).Select(pair => Task.Run(() => SpinAsync(new SocketReadiness(pair.Near)))).ToArray();
            foreach (var pair in pairs.Take(9))
                pair.Far.Send([1]);
            foreach (var pair in pairs.Skip(9))
            {
                var waiting = new SocketReadiness(pair.Near).WaitReadableAsync().AsTask();
                pair.Far.Send([1]);
                await waiting.WaitAsync(Deadline);
            }
            Volatile.Write(ref stop, true);
            await Task.WhenAll(loops).WaitAsync(Deadline);

            async Task SpinAsync(SocketReadiness readiness)
            {
                await readiness.WaitReadableAsync().ConfigureAwait(false);
                int batches = 0;
                while (!Volatile.Read(ref stop))
                {
                    if (ThreadTurn.IsOver(ref batches))
                        await ThreadTurn.NextAsync();
                }
            }
        }
        finally
        {
            pairs.ForEach(pair => pair.Dispose());
        }
    }

    [Fact]
    public async Task A_loop_stays_on_the_thread_that_watches_sockets_unless_its_batches_are_long()
    {
        if (!SocketPoller.IsSupported)
            return;
        Assert.Equal((false, false), await OnWatcherAsync(TimeSpan.Zero));
        Assert.Equal((false, true), await OnWatcherAsync(TimeSpan.FromMilliseconds(20)));
        Assert.False(SocketPoller.TryRunLater(() => Assert.Fail("this is no thread of the poller's")));

        // Whether it was on the pool at first, and behind the first turn.
        static async Task<(bool First, bool Then)> OnWatcherAsync(TimeSpan batch)
        {
            using var pair = await SocketPair.ConnectAsync();
            var readiness = new SocketReadiness(pair.Near);
            var result = RunAsync();
            pair.Far.Send([1]);
            return await result.WaitAsync(Deadline);

            async Task<(bool First, bool Then)> RunAsync()
            {
                await readiness.WaitReadableAsync().ConfigureAwait(false);
                bool first = Thread.CurrentThread.IsThreadPoolThread;
                for (long begun = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begun) < batch;)
                    Thread.SpinWait(100);
                int batches = 0;
                if (!ThreadTurn.IsOver(ref batches))
                    throw new InvalidOperationException("a batch is a turn there");
                await ThreadTurn.NextAsync();
                bool then = Thread.CurrentThread.IsThreadPoolThread;
                await Task.Yield();
                return (first, then);
            }
        }
    }

    // /proc/thread-self/sched tells its slice, where the kernel has it; what is started from there has the usual one again.
    [Fact]
    public void A_thread_may_ask_for_short_slices_and_what_it_starts_has_the_usual_ones()
    {
        string? before = null, after = null, child = null, restored = null;
        var thread = new Thread(() =>
        {
            before = Slice();
            ThreadSlice.Shorten();
            after = Slice();
            var started = new Thread(() => child = Slice());
            started.Start();
            started.Join();
            ThreadSlice.Restore();
            restored = Slice();
        });
        thread.Start();
        thread.Join();
        if (before is null || !OperatingSystem.IsLinux() || Environment.OSVersion.Version < new Version(6, 12))
            return; // no such kernel
        Assert.Equal("100000", after);
        Assert.Equal(before, child);
        Assert.Equal(before, restored);

        static string? Slice() => !File.Exists("/proc/thread-self/sched") ? null
            : File.ReadLines("/proc/thread-self/sched").FirstOrDefault(line => line.StartsWith("se.slice", StringComparison.Ordinal))?.Split(':')[1].Trim();
    }
}
