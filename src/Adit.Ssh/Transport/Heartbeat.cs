namespace Adit.Ssh.Transport;

/// <summary>Something that wants to look at the clock about once a second: keepalives, rekey intervals, login deadlines.</summary>
internal interface IHeartbeatHandler
{
    /// <summary>Called on a timer thread; must not block or throw.</summary>
    void OnHeartbeat();
}

/// <summary>One timer for all connections of a clock.</summary>
internal sealed class Heartbeat
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly Lock SharedLock = new();
    private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<TimeProvider, Heartbeat> All = [];

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly List<IHeartbeatHandler> _handlers = [];
    private ITimer? _timer;

    private Heartbeat(TimeProvider time) => _time = time;

    /// <summary>The heartbeat of this clock.</summary>
    public static Heartbeat Of(TimeProvider time)
    {
        lock (SharedLock)
            return All.GetValue(time, static t => new Heartbeat(t));
    }

    public void Add(IHeartbeatHandler handler)
    {
        lock (_lock)
        {
            _handlers.Add(handler);
            _timer ??= _time.CreateTimer(static state => ((Heartbeat)state!).Beat(), this, Interval, Interval);
        }
    }

    /// <summary>After this no new call starts; one that is running may still end.</summary>
    public void Remove(IHeartbeatHandler handler)
    {
        lock (_lock)
        {
            _handlers.Remove(handler);
            if (_handlers.Count > 0)
                return;
            _timer?.Dispose();
            _timer = null;
        }
    }

    private void Beat()
    {
        IHeartbeatHandler[] handlers;
        lock (_lock)
            handlers = [.. _handlers];
        foreach (var handler in handlers)
            handler.OnHeartbeat();
    }
}
