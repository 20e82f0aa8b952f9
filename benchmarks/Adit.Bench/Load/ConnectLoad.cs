using System.Diagnostics;

namespace Adit.Bench.Load;

/// <summary>Connections that live for one byte there and back.</summary>
internal static class ConnectLoad
{
    /// <summary>Connections per second: each worker connects, sends a byte, waits for its echo, closes, and begins again.</summary>
    public static async Task<double> MeasureAsync(int port, int workers, TimeSpan duration, CancellationToken cancellation)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long began = Stopwatch.GetTimestamp();
        long end = began + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var running = Enumerable.Range(0, workers).Select(_ => Sockets.OnThread(() => Run(port, end, timer.Token))).ToArray();
        int[] counts = await Task.WhenAll(running);
        return counts.Sum() / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static int Run(int port, long end, CancellationToken cancellation)
    {
        int count = 0;
        Span<byte> one = stackalloc byte[1];
        while (Stopwatch.GetTimestamp() < end)
        {
            cancellation.ThrowIfCancellationRequested();
            using var socket = Sockets.Connect(port);
            one[0] = (byte)count;
            socket.SendAll(one);
            socket.ReceiveAll(one);
            if (one[0] != (byte)count++)
                throw new InvalidDataException("the echo is not what was sent");
        }

        return count;
    }
}
