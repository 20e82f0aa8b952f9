namespace Adit.Interop.Tests.Harness;

/// <summary>Waits for what nothing tells of: another process's doing in the file system.</summary>
internal static class Until
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public static async Task TrueAsync(Func<bool> condition, CancellationToken deadline)
    {
        while (!condition())
        {
            await Task.Delay(Pause, deadline);
        }
    }
}
