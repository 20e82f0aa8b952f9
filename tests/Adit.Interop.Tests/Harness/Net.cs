using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Adit.Interop.Tests.Harness;

internal static class Net
{
    /// <summary>A port that nobody listens on and that nobody else is given.</summary>
    /// <param name="inARow">The first of so many that are all free.</param>
    public static int FreePort(int inARow = 1) => FreePorts.Take(inARow);

    /// <summary>
    /// Waits until <paramref name="port"/> is listened on, as the process sees the network (it may live in a network namespace of its own).
    /// Looks into the kernel's table, since a connection made to find out would be forwarded like any other.
    /// </summary>
    public static async Task WaitForListenerAsync(ManagedProcess process, int port, CancellationToken cancellation)
    {
        for (int milliseconds = 2; !IsListening(port, process.Id); milliseconds = Math.Min(milliseconds * 2, 40))
        {
            if (process.HasExited)
            {
                ProcessResult result = await process.WaitForExitAsync(cancellation);
                throw new InvalidOperationException($"{process.Name} ended before it listened on port {port}: exit code {result.ExitCode}");
            }

            // The kernel tells nobody when another process starts to listen: this is the one place that has to look again and again.
            await Task.Delay(milliseconds, cancellation);
        }
    }

    public static async Task WaitUntilAsync(Func<bool> condition, string what, TimeSpan deadline)
    {
        using var timer = new CancellationTokenSource(deadline);
        while (!condition())
        {
            try
            {
                await Task.Delay(10, timer.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"not within {deadline.TotalSeconds:0} s: {what}");
            }
        }
    }

    public static bool IsListening(int port, int? processId = null)
    {
        string folder = processId is int id ? $"/proc/{id}/net" : "/proc/self/net";
        string wanted = ":" + port.ToString("X4", CultureInfo.InvariantCulture);
        return new[] { "tcp", "tcp6" }.Any(table =>
        {
            try
            {
                // "sl local_address rem_address st …": state 0A is LISTEN.
                return File.ReadLines(Path.Combine(folder, table)).Skip(1)
                    .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                    .Any(columns => columns.Length > 3 && columns[3] == "0A" && columns[1].EndsWith(wanted, StringComparison.Ordinal));
            }
            catch (IOException)
            {
                return false;
            }
        });
    }

    public static async Task<Socket> ConnectAsync(int port, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static async Task<Socket> ConnectAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            data = data[await socket.SendAsync(data, SocketFlags.None, cancellation)..];
        }
    }

    /// <summary>Fills <paramref name="buffer"/>; fails when the stream ends before.</summary>
    public static async Task ReceiveExactlyAsync(Socket socket, Memory<byte> buffer, CancellationToken cancellation)
    {
        for (int filled = 0; filled < buffer.Length;)
        {
            int received = await socket.ReceiveAsync(buffer[filled..], SocketFlags.None, cancellation);
            Assert.True(received > 0, $"the stream ended after {filled} of {buffer.Length} bytes");
            filled += received;
        }
    }

    /// <summary>All bytes until the other side's end of stream.</summary>
    public static async Task<byte[]> ReceiveToEndAsync(Socket socket, CancellationToken cancellation)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer, SocketFlags.None, cancellation) is var received and > 0)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }
}
