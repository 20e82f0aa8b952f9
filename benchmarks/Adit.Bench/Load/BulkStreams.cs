using System.Diagnostics;
using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>Bytes per second, of all streams and of each.</summary>
internal sealed record Throughput(double BytesPerSecond, double[] Down, double[] Up, long Bytes)
{
    /// <summary>The slowest stream's rate as a part of the fastest's in the same direction: 1 is perfectly fair.</summary>
    public double Fairness => Math.Min(FairnessOf(Down), FairnessOf(Up));

    private static double FairnessOf(double[] streams) => streams.Length == 0 ? 1 : streams.Max() is > 0 and var fastest ? streams.Min() / fastest : 0;
}

/// <summary>Streams that run as fast as they can until disposed of. Counted where they arrive.</summary>
internal sealed class BulkStreams : IDisposable
{
    private const int Stride = 16;

    private readonly LoadServer _server;
    private readonly int _down;
    private readonly int _up;
    private readonly long[] _received;
    private readonly int[] _upStreams;
    private readonly List<Socket> _sockets = [];
    private readonly List<Thread> _threads = [];

    // All begin at once: threads that start while others already run flat out wait for their turn.
    private readonly ManualResetEventSlim _begin = new();

    /// <param name="port">Where they connect to: the near end of a tunnel that leads to <paramref name="server"/>.</param>
    /// <param name="server">Where they end.</param>
    /// <param name="down">Streams from the service.</param>
    /// <param name="up">Streams to the service.</param>
    public BulkStreams(int port, LoadServer server, int down, int up)
    {
        _server = server;
        _down = down;
        _up = up;
        _received = new long[down * Stride];
        _upStreams = new int[up];
        try
        {
            for (int i = 0; i < down + up; i++)
                _sockets.Add(Sockets.Connect(port));
        }
        catch
        {
            _sockets.ForEach(socket => socket.Dispose());
            throw;
        }

        for (int i = 0; i < down; i++)
        {
            int stream = i;
            _threads.Add(Sockets.StartThread("down", () => RunDown(stream)));
        }

        for (int i = 0; i < up; i++)
        {
            int stream = i;
            _upStreams[i] = server.NewStream();
            _threads.Add(Sockets.StartThread("up", () => RunUp(stream)));
        }

        _begin.Set();
    }

    /// <summary>What arrives during <paramref name="window"/>. <paramref name="atEdges"/> is called right before it begins (with false) and right after it ends.</summary>
    public async Task<Throughput> MeasureAsync(TimeSpan window, Action<bool>? atEdges = null, CancellationToken cancellation = default)
    {
        atEdges?.Invoke(false);
        long began = Stopwatch.GetTimestamp();
        long[] before = Counts();
        await Task.Delay(window, cancellation);
        long[] after = Counts();
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        atEdges?.Invoke(true);
        long bytes = after.Sum() - before.Sum();
        if (bytes == 0)
            throw new InvalidOperationException($"nothing arrived in {seconds:0.0} s");
        double[] rates = [.. after.Zip(before, (x, y) => (x - y) / seconds)];
        return new Throughput(bytes / seconds, rates[.._down], rates[_down..], bytes);
    }

    public void Dispose()
    {
        foreach (var socket in _sockets)
            socket.Stop();
        foreach (var thread in _threads)
            thread.Join(TimeSpan.FromSeconds(5));
        foreach (var socket in _sockets)
            socket.Dispose();
        _begin.Dispose();
    }

    private long[] Counts()
    {
        var counts = new long[_down + _up];
        for (int i = 0; i < _down; i++)
            counts[i] = Volatile.Read(ref _received[i * Stride]);
        for (int i = 0; i < _up; i++)
            counts[_down + i] = _server.Received(_upStreams[i]);
        return counts;
    }

    private void RunDown(int stream)
    {
        _begin.Wait();
        LoadServer.SendRequest(_sockets[stream], Work.Down);
        LoadServer.Discard(_sockets[stream], ref _received[stream * Stride]);
    }

    private void RunUp(int stream)
    {
        _begin.Wait();
        LoadServer.SendRequest(_sockets[_down + stream], Work.Up, _upStreams[stream]);
        LoadServer.SendPayload(_sockets[_down + stream], _server.Payload, long.MaxValue);
    }
}
