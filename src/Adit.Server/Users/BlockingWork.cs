namespace Adit.Server.Users;

/// <summary>Work that holds its thread: name services, files of users' homes, password hashes. It gets a thread of its own, so that a directory server or a network
/// file system that does not answer stops one login and not the pool that moves everybody's data.</summary>
internal static class BlockingWork
{
    /// <summary>Runs <paramref name="work"/>. Cancelling gives up what has not begun; the number of logins at a time (MaxStartups) bounds the threads.</summary>
    public static Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
