using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>What open connections that carry nothing cost the one that is busy: its throughput, and the time of a one-byte request.</summary>
internal sealed class IdleCase : BenchCase
{
    public static readonly int[] Counts = [0, 500, 2000, 5000];

    private const int QuickMost = 500;
    private const int TimesEach = 2;

    public override string Name => "idle";

    public override string Title => "a busy stream (down, aes128-gcm), and then 1-byte requests, beside N idle connections";

    public static string Metric(int idle, string what) => string.Create(CultureInfo.InvariantCulture, $"{idle} idle, {what}");

    public override async Task RunAsync(CaseRun run)
    {
        using var bulk = LoadServer.Bulk(threads: 8);
        using var echo = LoadServer.Echo(threads: 4);
        for (int round = 0; round < Math.Min(run.Effort.Rounds, 2); round++)
        {
            foreach (var route in (Route[])[Route.OpenSsh, Route.Adit])
            {
                using var target = await IdleTarget.StartAsync(run.Cancellation);
                using var idle = new IdleConnections();
                var tunnels = await run.StartAsync([route], new TunnelOptions { Targets = [bulk.Port, echo.Port, target.Port], Cipher = AesGcm });
                await run.InterleaveAsync(tunnels, (tunnel, _) => Bulk.VerifyAsync(tunnel, Payload.Noise, 64L << 20), rounds: 1);
                foreach (int count in Counts.Where(count => !run.Effort.Quick || count <= QuickMost))
                    await run.InterleaveAsync(tunnels, (tunnel, step) => MeasureAsync(run, tunnel, bulk, idle, count, step), rounds: 1);
                run.Stop(tunnels);
            }
        }
    }

    private static async Task MeasureAsync(CaseRun run, Tunnel tunnel, LoadServer bulk, IdleConnections idle, int count, CancellationToken cancellation)
    {
        if (count > idle.Count)
            await idle.OpenAsync(tunnel.Ports[2], count - idle.Count, cancellation);
        for (int i = 0; i < TimesEach; i++)
        {
            await Bulk.MeasureAsync(run, tunnel, bulk, Metric(count, "down"), down: 1, up: 0, run.Effort.LeadIn, run.Effort.Window, cancellation);
            var latency = await Latency.MeasureAsync(tunnel.Ports[1], size: 1, run.Effort.Window, cancellation);
            run.Record(tunnel.Route, Metric(count, "1 byte p50"), latency.P50, "µs");
        }
    }
}
