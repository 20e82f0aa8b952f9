using System.Globalization;
using System.Net.Sockets;
using Adit.Bench.Machine;

namespace Adit.Bench.Load;

/// <summary>The <see cref="IdleService"/> in its process.</summary>
internal sealed class IdleTarget : IDisposable
{
    private readonly ChildProcess _process;
    private readonly StreamWriter _input;
    private readonly StreamReader _output;

    private IdleTarget(ChildProcess process, StreamWriter input, StreamReader output, int port)
    {
        _process = process;
        _input = input;
        _output = output;
        Port = port;
    }

    public int Port { get; }

    public static async Task<IdleTarget> StartAsync(CancellationToken cancellation)
    {
        string self = Environment.ProcessPath!;
        string[] arguments = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [typeof(IdleTarget).Assembly.Location, IdleService.Command] : [IdleService.Command];
        var (process, input, output) = ChildProcess.StartDialogue("idle service", self, arguments);
        string? line = await output.ReadLineAsync(cancellation);
        return new IdleTarget(process, input, output, int.Parse(line ?? throw new InvalidOperationException($"the idle service did not start: {process.Said}"), CultureInfo.InvariantCulture));
    }

    /// <summary>Lets every connection send back one byte; returns of how many it did.</summary>
    public async Task<int> EchoOnceAsync(CancellationToken cancellation)
    {
        await _input.WriteLineAsync("echo".AsMemory(), cancellation);
        await _input.FlushAsync(cancellation);
        return int.Parse(await _output.ReadLineAsync(cancellation) ?? "0", CultureInfo.InvariantCulture);
    }

    public void Dispose() => _process.Dispose();
}

/// <summary>Connections that are open and say nothing.</summary>
internal sealed class IdleConnections : IDisposable
{
    /// <summary>How many are being opened at once.</summary>
    private const int Openers = 32;

    private readonly List<Socket> _open = [];

    public int Count => _open.Count;

    /// <summary>Opens more of them; each counts once its far end's greeting has come.</summary>
    public async Task OpenAsync(int port, int more, CancellationToken cancellation)
    {
        int wanted = _open.Count + more;
        int left = more;
        var openers = Enumerable.Range(0, Math.Min(Openers, more)).Select(_ => Sockets.OnThread(() =>
        {
            Span<byte> greeting = stackalloc byte[1];
            while (Interlocked.Decrement(ref left) >= 0 && !cancellation.IsCancellationRequested)
            {
                var socket = Sockets.Connect(port);
                lock (_open)
                    _open.Add(socket);
                socket.ReceiveAll(greeting);
            }

            return true;
        }));
        await Task.WhenAll(openers);
        cancellation.ThrowIfCancellationRequested();
        if (_open.Count != wanted)
            throw new InvalidOperationException($"{_open.Count} connections of {wanted} came to be");
    }

    /// <summary>Sends a byte through each and waits for its echo; returns how many came back right.</summary>
    public async Task<int> EchoOnceAsync(IdleTarget target, CancellationToken cancellation)
    {
        foreach (var socket in _open)
            socket.SendAll([(byte)'?']);
        var echoed = target.EchoOnceAsync(cancellation);
        int right = await Sockets.OnThread(() =>
        {
            int count = 0;
            Span<byte> one = stackalloc byte[1];
            foreach (var socket in _open)
            {
                socket.ReceiveAll(one);
                count += one[0] == (byte)'?' ? 1 : 0;
            }

            return count;
        });
        return Math.Min(right, await echoed);
    }

    public void Dispose()
    {
        foreach (var socket in _open)
            socket.Dispose();
    }
}
