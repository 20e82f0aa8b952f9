using System.Diagnostics;
using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>How long it takes to open thousands of connections through one tunnel, 32 at a time, all of which stay open. One is open when the service's first byte arrived.</summary>
internal sealed class OpenCase : BenchCase
{
    public override string Name => "open";

    public override string Title => "time to open 5,000 connections (--quick: 1,000) through one tunnel";

    public override async Task RunAsync(CaseRun run)
    {
        int count = run.Effort.Quick ? 1000 : 5000;
        for (int round = 0; round < Math.Min(run.Effort.Rounds, 2); round++)
        {
            foreach (var route in (Route[])[.. round == 0 ? [Route.NoTunnel] : Array.Empty<Route>(), Route.OpenSsh, Route.Adit])
            {
                using var target = await IdleTarget.StartAsync(run.Cancellation);
                using var idle = new IdleConnections();
                var tunnels = await run.StartAsync([route], new TunnelOptions { Targets = [target.Port] });
                await run.InterleaveAsync(tunnels, async (tunnel, step) =>
                {
                    long began = Stopwatch.GetTimestamp();
                    await idle.OpenAsync(tunnel.Port, count, step);
                    run.Record(tunnel.Route, Metric, Stopwatch.GetElapsedTime(began).TotalSeconds * 1000 / count, "ms per connection");
                }, rounds: 1);
                run.Stop(tunnels);
            }
        }

        run.Note(string.Create(CultureInfo.InvariantCulture, $"Opened {count:N0} in each run; times {count:N0} gives the whole."));
    }

    public const string Metric = "open";
}
