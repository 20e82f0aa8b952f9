using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>One request and its answer at a time, of 1 byte and of 1 KiB: alone, and while a bulk stream fills the tunnel in one direction; and what the requests cost that stream.</summary>
internal sealed class EchoCase : BenchCase
{
    private static readonly (int Size, string Name)[] Sizes = [(1, "1 byte"), (1024, "1 KiB")];

    public override string Name => "echo";

    public override string Title => "request and answer, alone and beside a bulk stream (aes128-gcm)";

    public override async Task RunAsync(CaseRun run)
    {
        using var bulk = LoadServer.Bulk(threads: 8);
        using var echo = LoadServer.Echo(threads: 4);
        var tunnels = await run.StartAsync([Route.NoTunnel, Route.Relay, Route.OpenSsh, Route.Adit], new TunnelOptions { Targets = [bulk.Port, echo.Port], Cipher = AesGcm });
        await run.InterleaveAsync(tunnels, (tunnel, _) => Bulk.VerifyAsync(tunnel, Payload.Noise, 64L << 20), rounds: 1);
        string[] directions = run.Effort.Quick ? ["down"] : ["down", "up"];
        await run.InterleaveAsync(tunnels, async (tunnel, step) =>
        {
            foreach (var (size, name) in Sizes)
            {
                var latency = await Latency.MeasureAsync(tunnel.Ports[1], size, run.Effort.Window, step);
                run.Record(tunnel.Route, name + " p50", latency.P50, "µs");
                run.Record(tunnel.Route, name + " p99", latency.P99, "µs");
            }

            foreach (string direction in directions)
                await BesideBulkAsync(run, tunnel, bulk, direction, step);
        });
    }

    private static async Task BesideBulkAsync(CaseRun run, Tunnel tunnel, LoadServer bulk, string direction, CancellationToken cancellation)
    {
        int down = direction == "down" ? 1 : 0;
        using (var stream = new BulkStreams(tunnel.Port, bulk, down, 1 - down))
        {
            await Task.Delay(run.Effort.LeadIn, cancellation);
            var alone = await stream.MeasureAsync(run.Effort.Window, cancellation: cancellation);
            double beside = 0;
            foreach (var (size, name) in Sizes)
            {
                var requests = Latency.MeasureAsync(tunnel.Ports[1], size, run.Effort.Window, cancellation);
                beside += (await stream.MeasureAsync(run.Effort.Window, cancellation: cancellation)).BytesPerSecond / Sizes.Length;
                var latency = await requests;
                run.Record(tunnel.Route, $"{name} beside {direction} p50", latency.P50, "µs");
                run.Record(tunnel.Route, $"{name} beside {direction} p99", latency.P99, "µs");
            }

            run.Record(tunnel.Route, $"bulk {direction} alone", alone.BytesPerSecond / 1e6, "MB/s", higherIsBetter: true);
            run.Record(tunnel.Route, $"bulk {direction} beside requests", beside / 1e6, "MB/s", higherIsBetter: true);
            run.Record(tunnel.Route, $"bulk {direction} loss", 100 * (1 - (beside / alone.BytesPerSecond)), "%");
        }

        await Task.Delay(100, cancellation); // what the stream left in buffers drains
    }
}
