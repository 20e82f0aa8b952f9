using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>From starting the client to the first echo through its new tunnel: on loopback, and over a link of 100 ms. The difference tells how many round trips it takes
/// (that of TCP's own handshake is not among them: the link does not delay it).</summary>
internal sealed class StartUpCase : BenchCase
{
    public const string Loopback = "loopback";
    public const string Long = "RTT 100 ms";
    public const string RoundTrips = "round trips";

    private static readonly TimeSpan RoundTrip = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan PollEvery = TimeSpan.FromMicroseconds(500);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public override string Name => "start-up";

    public override string Title => "start of the client to the first echo through its tunnel, defaults";

    public override async Task RunAsync(CaseRun run)
    {
        using var echo = LoadServer.Echo(threads: 8);
        var servers = new Dictionary<Route, (ChildProcess Process, int Port)>();
        var links = new Dictionary<Route, DelayedLink>();
        try
        {
            foreach (var route in (Route[])[Route.OpenSsh, Route.Adit, Route.AditToOpenSsh, Route.OpenSshToAdit])
                await run.GuardAsync(route, async step => servers[route] = await Peers.StartServerAsync(run.Lab, route.ServerIsAdit(), cipher: null, step));

            // The server has done this once before anybody measures it, and the client has been at either address before (it stands in known_hosts too).
            foreach (var (route, server) in servers)
            {
                var link = links[route] = new DelayedLink(server.Port, RoundTrip);
                await run.GuardAsync(route, async step =>
                {
                    await OnceAsync(run.Lab, route, server.Port, echo.Port, step);
                    await OnceAsync(run.Lab, route, link.Port, echo.Port, step);
                });
            }

            for (int round = 0; round < (run.Effort.Quick ? 2 : Math.Max(5, run.Effort.Rounds)); round++)
            {
                foreach (var (route, server) in servers)
                    await run.GuardAsync(route, step => MeasureAsync(run, route, server.Port, links[route].Port, echo.Port, round, step));
            }
        }
        finally
        {
            foreach (var link in links.Values)
                link.Dispose();
            foreach (var (process, _) in servers.Values)
                process.Dispose();
        }
    }

    private static async Task MeasureAsync(CaseRun run, Route route, int server, int link, int echo, int round, CancellationToken cancellation)
    {
        double near = await OnceAsync(run.Lab, route, server, echo, cancellation);
        run.Record(route, Loopback, near, "ms");
        if (round % 2 != 0)
            return;
        double far = await OnceAsync(run.Lab, route, link, echo, cancellation);
        run.Record(route, Long, far, "ms");
        run.Record(route, RoundTrips, (far - near) / RoundTrip.TotalMilliseconds, "round trips");
    }

    private static Task<double> OnceAsync(Lab lab, Route route, int server, int echo, CancellationToken cancellation) => Sockets.OnThread(() =>
    {
        int port = Ports.Free();
        string forward = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}:127.0.0.1:{echo}");
        long began = Stopwatch.GetTimestamp();
        using var client = Peers.StartClient(lab, route.ClientIsAdit(), server, [forward], new TunnelOptions { Targets = [echo] });
        while (true)
        {
            try
            {
                using var socket = Sockets.Connect(port);
                Span<byte> one = stackalloc byte[1];
                socket.SendAll(one);
                socket.ReceiveAll(one);
                return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                cancellation.ThrowIfCancellationRequested();
                if (client.HasExited || Stopwatch.GetElapsedTime(began) > Patience)
                    throw new InvalidOperationException($"{client.Name} does not listen: {client.Said}");
                Native.Sleep(PollEvery);
            }
        }
    });
}
