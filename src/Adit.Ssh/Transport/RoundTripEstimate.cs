namespace Adit.Ssh.Transport;

/// <summary>How long the way to the peer and back is: the shortest time from a message of authentication, which alternate, to the answer. It includes the peer's
/// own work, so it is never too short; and nothing else is on the way then, so queues do not blow it up.</summary>
internal sealed class RoundTripEstimate(TimeProvider time)
{
    private long _sent;
    private long _shortest = long.MaxValue;

    /// <summary>Null while unknown.</summary>
    public TimeSpan? Shortest => Volatile.Read(ref _shortest) is var ticks && ticks == long.MaxValue ? null : TimeSpan.FromTicks(ticks);

    public void Sent() => Volatile.Write(ref _sent, time.GetTimestamp());

    public void Received()
    {
        long sent = Interlocked.Exchange(ref _sent, 0);
        if (sent == 0)
            return;
        long ticks = time.GetElapsedTime(sent).Ticks;
        if (ticks < Volatile.Read(ref _shortest))
            Volatile.Write(ref _shortest, ticks);
    }
}
