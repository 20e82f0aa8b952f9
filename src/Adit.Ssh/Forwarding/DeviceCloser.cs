using Adit.Ssh.Transport;

namespace Adit.Ssh.Forwarding;

/// <summary>Closes tunnel devices on a thread of its own, one after another. The kernel takes tens of milliseconds to take an interface away, and does one at a time: a peer whose many
/// devices go at once would hold every thread of the pool, with everybody else's work behind it.</summary>
internal static class DeviceCloser
{
    private static readonly SemaphoreSlim Turn = new(1);

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
