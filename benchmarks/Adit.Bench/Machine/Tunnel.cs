using System.Globalization;
using Adit.Bench.Load;

namespace Adit.Bench.Machine;

/// <summary>How to set up a tunnel.</summary>
internal sealed record TunnelOptions
{
    /// <summary>Services behind it, one -L each.</summary>
    public required IReadOnlyList<int> Targets { get; init; }

    /// <summary>The cipher of both ends; null leaves each its defaults.</summary>
    public string? Cipher { get; init; }

    public IReadOnlyList<string> ClientArguments { get; init; } = [];

    /// <summary>A link of that round trip time between client and server; zero counts bytes without delaying them.</summary>
    public TimeSpan? RoundTrip { get; init; }

    /// <summary>A text whose lines in what the client says are to be counted.</summary>
    public string? Counted { get; init; }
}

/// <summary>A server, and a client connected to it whose forwards listen. Or, for routes without a tunnel, what stands in its place.</summary>
internal sealed class Tunnel : IDisposable
{
    private readonly List<IDisposable> _parts = [];

    private Tunnel(Route route) => Route = route;

    public Route Route { get; }

    /// <summary>Where loads connect to, in the order of the targets.</summary>
    public IReadOnlyList<int> Ports { get; private set; } = [];

    public int Port => Ports[0];

    public ChildProcess? Client { get; private set; }

    public ChildProcess? Server { get; private set; }

    /// <summary>The link between client and server, where there is one.</summary>
    public DelayedLink? Link { get; private set; }

    public static async Task<Tunnel> StartAsync(Lab lab, Route route, TunnelOptions options, CancellationToken cancellation)
    {
        var tunnel = new Tunnel(route);
        try
        {
            if (route.HasTunnel())
                await tunnel.StartProcessesAsync(lab, options, cancellation);
            else
                tunnel.Ports = [.. options.Targets.Select(target => tunnel.StandIn(target, options))];
            return tunnel;
        }
        catch
        {
            tunnel.Dispose();
            throw;
        }
    }

    /// <summary>CPU time of both ends so far.</summary>
    public double CpuSeconds() => (Client is null ? 0 : ProcessTree.CpuSeconds(Client.Id)) + (Server is null ? 0 : ProcessTree.CpuSeconds(Server.Id));

    public void Dispose()
    {
        Client?.Dispose();
        Server?.Dispose();
        _parts.ForEach(part => part.Dispose());
    }

    private async Task StartProcessesAsync(Lab lab, TunnelOptions options, CancellationToken cancellation)
    {
        var server = await Peers.StartServerAsync(lab, Route.ServerIsAdit(), options.Cipher, cancellation);
        Server = server.Process;
        int port = server.Port;
        if (options.RoundTrip is { } roundTrip)
        {
            Link = new DelayedLink(port, roundTrip);
            _parts.Add(Link);
            port = Link.Port;
        }

        int[] ports = [.. options.Targets.Select(_ => Machine.Ports.Free())];
        Ports = ports;
        var forwards = ports.Zip(options.Targets, (near, far) => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{near}:127.0.0.1:{far}"));
        Client = Peers.StartClient(lab, Route.ClientIsAdit(), port, forwards, options);
        foreach (int near in ports)
            await Machine.Ports.WaitForListenerAsync(Client, near, cancellation);
    }

    private int StandIn(int target, TunnelOptions options)
    {
        if (options.RoundTrip is { } roundTrip)
        {
            var link = new DelayedLink(target, roundTrip);
            _parts.Add(link);
            target = link.Port;
        }

        if (Route == Route.NoTunnel)
            return target;
        var relay = new Relay(target);
        _parts.Add(relay);
        return relay.Port;
    }

}
