using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>One stream over a long link without loss. The link lies in this program (see <see cref="DelayedLink"/>); the same load through the link alone has to reach 1 GB/s.</summary>
internal sealed class LongLinkCase : BenchCase
{
    private const double LinkMustCarry = 1000; // MB/s

    public override string Name => "long-link";

    public override string Title => "one stream over a long link, aes128-gcm";

    public static string Metric(int milliseconds, string direction) => string.Create(CultureInfo.InvariantCulture, $"RTT {milliseconds} ms {direction}");

    public override async Task RunAsync(CaseRun run)
    {
        using var server = LoadServer.Bulk(threads: 16);
        foreach (int milliseconds in run.Effort.Quick ? (int[])[100] : [50, 100, 200])
        {
            var roundTrip = TimeSpan.FromMilliseconds(milliseconds);
            var leadIn = (roundTrip * 12) + run.Effort.LeadIn; // windows have grown by then
            var tunnels = await run.StartAsync(
                [Route.NoTunnel, Route.OpenSsh, Route.Adit, Route.AditToOpenSsh, .. run.Effort.Quick ? [] : (Route[])[Route.OpenSshToAdit]],
                new TunnelOptions { Targets = [server.Port], Cipher = AesGcm, RoundTrip = roundTrip });
            await run.InterleaveAsync(tunnels, async (tunnel, step) =>
            {
                await Bulk.MeasureAsync(run, tunnel, server, Metric(milliseconds, "down"), down: 1, up: 0, leadIn, run.Effort.Window * 2, step);
                await Task.Delay(roundTrip, step); // what is still on its way arrives
                if (run.Effort.Quick && tunnel.Route == Route.AditToOpenSsh)
                    return;
                await Bulk.MeasureAsync(run, tunnel, server, Metric(milliseconds, "up"), down: 0, up: 1, leadIn, run.Effort.Window * 2, step);
                await Task.Delay(roundTrip, step);
            }, rounds: Math.Min(run.Effort.Rounds, 2));
            run.Stop(tunnels);
            CheckLink(run, Metric(milliseconds, "down"));
            CheckLink(run, Metric(milliseconds, "up"));
        }
    }

    private static void CheckLink(CaseRun run, string metric)
    {
        if (run.Median(Route.NoTunnel, metric) is { } rate && rate < LinkMustCarry)
            run.Warn(string.Create(CultureInfo.InvariantCulture, $"the link alone carried {rate:0} MB/s ({metric}), less than 1 GB/s"));
    }
}
