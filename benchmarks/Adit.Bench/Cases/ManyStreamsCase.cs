using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>64 streams through one tunnel: down, up, and 32 each way. How much in all, and how much the slowest of them gets beside the fastest.</summary>
internal sealed class ManyStreamsCase : BenchCase
{
    private const int Streams = 64;

    public override string Name => "streams-64";

    public override string Title => "64 streams at once, aes128-gcm at both ends (both: 32 each way)";

    public override async Task RunAsync(CaseRun run)
    {
        using var server = LoadServer.Bulk(threads: 3 * Streams);
        var tunnels = await run.StartAsync([Route.NoTunnel, Route.Relay, Route.OpenSsh, Route.Adit], new TunnelOptions { Targets = [server.Port], Cipher = AesGcm });
        await run.InterleaveAsync(tunnels, (tunnel, _) => Bulk.VerifyAsync(tunnel, Payload.Noise, 64L << 20), rounds: 1);
        var window = run.Effort.Quick ? run.Effort.Window : run.Effort.Window * 2; // fairness needs some time to tell
        var leadIn = run.Effort.LeadIn * 2;
        await run.InterleaveAsync(tunnels, async (tunnel, step) =>
        {
            await Bulk.MeasureAsync(run, tunnel, server, "down", down: Streams, up: 0, leadIn, window, step);
            await Bulk.MeasureAsync(run, tunnel, server, "up", down: 0, up: Streams, leadIn, window, step);
            await Bulk.MeasureAsync(run, tunnel, server, "both", down: Streams / 2, up: Streams / 2, leadIn, window, step);
        });
    }
}
