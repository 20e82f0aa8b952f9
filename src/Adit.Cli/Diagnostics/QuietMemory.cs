using Adit.Ssh;

namespace Adit.Cli.Diagnostics;

/// <summary>Gives memory back once the process has become quiet. A burst of connections leaves garbage and spare buffers behind, and a tunnel that then only waits allocates nothing, so the
/// collector would have no reason to come again for months. A collection starts a watch, or something allocated since the last one (connections that end make little garbage of their own, and become all of it); the
/// first quiet moment ends it.</summary>
internal sealed class QuietMemory : IDisposable
{
    /// <summary>How often it looks while it waits for a quiet moment.</summary>
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>How often it looks whether there is a reason to wait for one.</summary>
    private static readonly TimeSpan LongPeriod = TimeSpan.FromSeconds(30);

    /// <summary>Bytes allocated that are a reason.</summary>
    private const long Worthwhile = 256 * 1024;

    /// <summary>Less than this share of one processor is quiet: a collection that stops all threads for some milliseconds disturbs nobody then.</summary>
    private const double QuietShare = 0.05;

    /// <summary>So many times as long as the last one stopped the process passes before the next: whoever can provoke them, by connecting again and again, takes
    /// half a percent of its time at most.</summary>
    private const int PausesBetween = 200;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Func<TimeSpan> _processorTime;
    private readonly Func<long> _allocated;
    private readonly Action _collect;
    private TimeSpan _last;
    private long _allocatedBefore;
    private long _collected;
    private TimeSpan _distance;
    private bool _watching;
    private bool _collecting;
    private bool _disposed;

    /// <param name="time">Drives the looks.</param>
    /// <param name="processorTime">What the process has used so far.</param>
    /// <param name="allocated">Bytes it has allocated so far.</param>
    /// <param name="collect">Collects everything and gives back what is free.</param>
    public QuietMemory(TimeProvider time, Func<TimeSpan> processorTime, Func<long> allocated, Action collect)
    {
        (_time, _processorTime, _allocated, _collect) = (time, processorTime, allocated, collect);
        _timer = time.CreateTimer(static self => ((QuietMemory)self!).Look(), this, LongPeriod, LongPeriod);
    }

    /// <summary>Watches this process until it ends.</summary>
    public static void Start() => _ = new Witness(new QuietMemory(TimeProvider.System, static () => Environment.CpuUsage.TotalTime, static () => GC.GetTotalAllocatedBytes(),
        static () =>
        {
            SshBuffers.Trim();
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers(); // the witness of this collection must not begin the next watch
        }));

    /// <summary>Garbage was collected: there was a burst. From any thread.</summary>
    public void OnCollection()
    {
        lock (_lock)
        {
            if (!_watching && !_collecting && !_disposed)
                Watch();
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _timer.Dispose();
    }

    private void Watch()
    {
        _watching = true;
        _last = _processorTime();
        _timer.Change(Period, Period);
    }

    private void Look()
    {
        lock (_lock)
        {
            if (_collecting || _disposed)
                return;
            if (!_watching)
            {
                if (_allocated() - _allocatedBefore >= Worthwhile)
                    Watch();
                return;
            }
            var now = _processorTime();
            bool quiet = now - _last < Period * QuietShare;
            _last = now;
            if (!quiet || _time.GetElapsedTime(_collected) < _distance)
                return;
            _watching = false;
            _collecting = true;
        }
        long began = _time.GetTimestamp();
        _collect();
        lock (_lock)
        {
            _collected = _time.GetTimestamp();
            _distance = _time.GetElapsedTime(began, _collected) * PausesBetween;
            _allocatedBefore = _allocated();
            _collecting = false;
            if (!_disposed)
                _timer.Change(LongPeriod, LongPeriod);
        }
    }

    /// <summary>Dies at each collection, and leaves another of its kind.</summary>
    private sealed class Witness(QuietMemory memory)
    {
        ~Witness()
        {
            if (Environment.HasShutdownStarted)
                return;
            memory.OnCollection();
            _ = new Witness(memory);
        }
    }
}
