namespace Adit.Ssh.Transport;

/// <summary>How long the way to the peer and back is: the shortest time from a question to its answer. It includes the peer's own work, so it is never too short;
/// and what is timed (a login, one ping right behind it) has nothing else on the way with it, so queues do not blow it up.
/// <para>Questions that leave before the first is answered are answered in their order. One thread asks, another sees the answers.</para></summary>
internal sealed class RoundTripEstimate(TimeProvider time)
{
    /// <summary>Questions that nobody answered (a peer that ignores them) are not kept without end.</summary>
    private const int MaxUnanswered = 16;

    private readonly Lock _lock = new();
    private Queue<long>? _asked;
    private long _shortest = long.MaxValue;

    /// <summary>Null while unknown.</summary>
    public TimeSpan? Shortest => Volatile.Read(ref _shortest) is var ticks && ticks == long.MaxValue ? null : TimeSpan.FromTicks(ticks);

    public void Asked()
    {
        lock (_lock)
        {
            _asked ??= new Queue<long>();
            if (_asked.Count < MaxUnanswered)
                _asked.Enqueue(time.GetTimestamp());
        }
    }

    public void Answered()
    {
        lock (_lock)
        {
            if (_asked is null || !_asked.TryDequeue(out long asked))
                return;
            long ticks = time.GetElapsedTime(asked).Ticks;
            if (ticks < _shortest)
                Volatile.Write(ref _shortest, ticks);
        }
    }
}
