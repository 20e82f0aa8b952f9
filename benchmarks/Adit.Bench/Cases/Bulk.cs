using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>Measures bulk streams through one tunnel.</summary>
internal static class Bulk
{
    /// <summary>Time for what an earlier stream left in buffers to drain.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Records throughput ("down"), CPU time per GB of both ends ("down cpu") and, for many streams, fairness ("down fairness").</summary>
    public static async Task MeasureAsync(CaseRun run, Tunnel tunnel, LoadServer server, string name, int down, int up, TimeSpan leadIn, TimeSpan window, CancellationToken cancellation)
    {
        double cpuBefore = 0, cpuAfter = 0;
        Throughput rate;
        using (var streams = new BulkStreams(tunnel.Port, server, down, up))
        {
            await Task.Delay(leadIn, cancellation);
            rate = await streams.MeasureAsync(window, after => (after ? ref cpuAfter : ref cpuBefore) = tunnel.CpuSeconds(), cancellation);
        }

        run.Record(tunnel.Route, name, rate.BytesPerSecond / 1e6, "MB/s", higherIsBetter: true);
        if (tunnel.Route.HasTunnel())
        {
            run.Record(tunnel.Route, name + " cpu", (cpuAfter - cpuBefore) / (rate.Bytes / 1e9), "CPU-s/GB");
            if (down + up > 1)
                run.Record(tunnel.Route, name + " fairness", rate.Fairness, "slowest/fastest", higherIsBetter: true);
        }

        await Task.Delay(Pause, cancellation);
    }

    /// <summary>Moves verified data both ways, which also warms the tunnel up.</summary>
    public static async Task VerifyAsync(Tunnel tunnel, Payload payload, long length)
    {
        await VerifiedTransfer.DownAsync(tunnel.Port, length, payload);
        await VerifiedTransfer.UpAsync(tunnel.Port, length, payload);
    }
}
