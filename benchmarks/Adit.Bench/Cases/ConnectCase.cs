using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>Short connections: connect, one byte there and back, close; by one worker, and by 32 at once.</summary>
internal sealed class ConnectCase : BenchCase
{
    public override string Name => "connect";

    public override string Title => "connect, 1 byte there and back, close";

    public static string Metric(int workers) => string.Create(CultureInfo.InvariantCulture, $"{workers} worker{(workers == 1 ? "" : "s")}");

    public override async Task RunAsync(CaseRun run)
    {
        using var echo = LoadServer.Echo(threads: 128);
        var tunnels = await run.StartAsync([Route.NoTunnel, Route.OpenSsh, Route.Adit], new TunnelOptions { Targets = [echo.Port] });
        await run.InterleaveAsync(tunnels, (tunnel, step) => ConnectLoad.MeasureAsync(tunnel.Port, workers: 4, run.Effort.LeadIn, step), rounds: 1); // warms it up
        await run.InterleaveAsync(tunnels, async (tunnel, step) =>
        {
            foreach (int workers in (int[])[1, 32])
                run.Record(tunnel.Route, Metric(workers), await ConnectLoad.MeasureAsync(tunnel.Port, workers, run.Effort.Window, step), "/s", higherIsBetter: true);
        });
    }
}
