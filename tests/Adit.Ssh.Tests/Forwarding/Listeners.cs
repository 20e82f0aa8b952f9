using System.Net.NetworkInformation;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Who listens on this machine, by TCP.</summary>
internal static class Listeners
{
    /// <summary>The addresses on which somebody listens under this port, in order.</summary>
    public static string[] BoundTo(int port) => [.. IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners()
        .Where(endPoint => endPoint.Port == port).Select(endPoint => endPoint.Address.ToString()).Order(StringComparer.Ordinal)];

    /// <summary>Completes when nobody listens under it. A closed listener's may be held for a moment: by a program that another test is just starting, which has copies of all descriptors until its
    /// exec(2); and it may be another test's at once.</summary>
    public static async Task WhenFreeAsync(int port, TimeSpan deadline)
    {
        using var timer = new CancellationTokenSource(deadline);
        while (BoundTo(port).Length > 0)
            await Task.Delay(1, timer.Token);
    }
}
