using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Adit.Bench.Machine;

/// <summary>Ports on loopback.</summary>
internal static class Ports
{
    // Below the range from which the kernel picks the ports of outgoing connections: none of those can take ours away.
    private const int First = 12_000;
    private const int Last = 32_000;
    private static int s_next = Random.Shared.Next(Last - First);

    /// <summary>A port that nobody listens on, never given twice by this process.</summary>
    public static int Free()
    {
        while (true)
        {
            int port = First + (int)((uint)Interlocked.Increment(ref s_next) % (Last - First));
            try
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Any, port));
                return port;
            }
            catch (SocketException)
            {
                // Taken: try the next one.
            }
        }
    }

    /// <summary>Waits until a process listens on the port. Looks into the kernel's table: a connection made to find out would be forwarded like any other.</summary>
    public static async Task WaitForListenerAsync(ChildProcess process, int port, CancellationToken cancellation)
    {
        for (int milliseconds = 2; !IsListening(port); milliseconds = Math.Min(milliseconds * 2, 40))
        {
            if (process.HasExited)
                throw new InvalidOperationException($"{process.Name} ended before it listened: {process.Said}");
            try
            {
                await Task.Delay(milliseconds, cancellation); // the kernel tells nobody when another process starts to listen
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{process.Name} does not listen: {process.Said}");
            }
        }
    }

    // "sl local_address rem_address st …": state 0A is LISTEN.
    private static bool IsListening(int port)
    {
        string wanted = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        foreach (string table in (string[])["/proc/self/net/tcp", "/proc/self/net/tcp6"])
        {
            if (!File.Exists(table))
                continue;
            foreach (string line in File.ReadLines(table))
            {
                if (line.Contains(wanted, StringComparison.Ordinal)
                    && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var local, _, "0A", ..] && local.EndsWith(wanted, StringComparison.Ordinal))
                    return true;
            }
        }

        return false;
    }
}
