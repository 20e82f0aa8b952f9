using System.Diagnostics;

namespace Adit.Bench.Load;

/// <summary>Times of single requests, in microseconds.</summary>
internal sealed class Latency
{
    private readonly double[] _sorted;

    private Latency(double[] sorted) => _sorted = sorted;

    public int Count => _sorted.Length;

    public double P50 => At(0.50);

    public double P99 => At(0.99);

    /// <summary>Sends <paramref name="size"/> bytes and waits for them to come back, again and again on one connection to an echo service.</summary>
    public static Task<Latency> MeasureAsync(int port, int size, TimeSpan duration, CancellationToken cancellation) => Sockets.OnThread(() =>
    {
        const int WarmUp = 20;
        const int Most = 200_000;
        using var socket = Sockets.Connect(port);
        using var stop = cancellation.Register(socket.Stop);
        byte[] request = Payload.Noise.At(0, size).ToArray();
        var answer = new byte[size];
        var times = new List<double>(Most);
        long deadline = long.MaxValue;
        for (int i = -WarmUp; i < Most && Stopwatch.GetTimestamp() < deadline; i++)
        {
            if (i == 0)
                deadline = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
            long began = Stopwatch.GetTimestamp();
            socket.SendAll(request);
            socket.ReceiveAll(answer);
            if (i >= 0)
                times.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
        }

        if (!answer.AsSpan().SequenceEqual(request))
            throw new InvalidDataException("the echo is not what was sent");
        times.Sort();
        return new Latency([.. times]);
    });

    private double At(double part) => _sorted[Math.Min((int)(_sorted.Length * part), _sorted.Length - 1)];
}
