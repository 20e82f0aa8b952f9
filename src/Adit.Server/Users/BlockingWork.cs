namespace Adit.Server.Users;

/// <summary>Work that holds its thread: name services, files of users' homes, password hashes. It gets a thread of its own, so that a directory server or a network
/// file system that does not answer stops one login and not the pool that moves everybody's data.</summary>
internal static class BlockingWork
{
    /// <summary>Threads that may be left behind at a time, to name services and file systems that do not answer.</summary>
    private const int MostLeft = 256;

    private static int s_left;

    /// <summary>Runs <paramref name="work"/>. Cancelling gives up what has not begun; the number of logins at a time (MaxStartups) bounds the threads.</summary>
    public static Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);

    /// <summary>The same, and cancelling gives up waiting too, so that LoginGraceTime frees a login's place whatever it waits for. What the work does when it goes on after all is nobody's business:
    /// it must leave nothing behind. So many that do not end are left behind, and no more; those beyond them are waited for.</summary>
    public static async Task<T> RunOrLeaveAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        var running = RunAsync(work, cancellationToken);
        try
        {
            return await running.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!running.IsCompleted)
        {
            if (Interlocked.Increment(ref s_left) <= MostLeft)
            {
                _ = running.ContinueWith(
                    static ended =>
                    {
                        Interlocked.Decrement(ref s_left);
                        _ = ended.Exception; // seen: nobody is left to hear of it
                    },
                    CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default);
                throw;
            }

            Interlocked.Decrement(ref s_left);
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }
}
