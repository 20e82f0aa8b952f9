using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>Closes tunnel devices on threads of their own, a few at a time. The kernel takes tens of milliseconds to take an interface away: a peer whose many devices go at once would hold
/// every thread of the pool, with everybody else's work behind it.</summary>
internal static class DeviceCloser
{
    /// <summary>Together they are done sooner: a good part of the kernel's time is waiting.</summary>
    private const int AtATime = 16;

    private static readonly SemaphoreSlim Turn = new(AtATime);

    /// <summary>Completes once it is closed.</summary>
    public static async Task CloseAsync(SocketReadiness device)
    {
        await Turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await Task.Factory.StartNew(
                static device => ((SocketReadiness)device!).CloseSocket(), device, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default).ConfigureAwait(false);
        }
        finally
        {
            Turn.Release();
        }
    }
}
