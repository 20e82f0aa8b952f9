namespace Adit.Ssh.Transport;

/// <summary>When a loop that always finds more to do lets others have its thread. The runtime's thread that watches all sockets is given up soon, for the pool;
/// a thread of the pool late, for giving that up wakes another one, and the data moves between processors with every change.</summary>
internal static class ThreadTurn
{
    private const int BatchesOnWatcher = 4;

    private const int BatchesOnPool = 64;

    /// <summary>What to count from where a thread is only borrowed: its turn is over after one batch.</summary>
    public const int Borrowed = BatchesOnPool - 1;

    /// <summary>True when the loop has gone on for long enough; <paramref name="batches"/> counts and begins again.</summary>
    public static bool IsOver(ref int batches)
    {
        if (++batches < BatchesOnWatcher || (batches < BatchesOnPool && Thread.CurrentThread.IsThreadPoolThread))
            return false;
        batches = 0;
        return true;
    }
}
