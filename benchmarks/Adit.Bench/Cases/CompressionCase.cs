using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>One stream of text with -C, down and up; how small it becomes is counted on the wire, in a tunnel of its own.</summary>
internal sealed class CompressionCase : BenchCase
{
    public override string Name => "compression";

    public override string Title => "one stream of text, compressed (-C), aes128-gcm";

    public override async Task RunAsync(CaseRun run)
    {
        using var server = LoadServer.Bulk(threads: 8, Payload.Text);
        var options = new TunnelOptions { Targets = [server.Port], Cipher = AesGcm, ClientArguments = ["-C"] };
        long verified = run.Effort.Quick ? 8L << 20 : 32L << 20;
        Route[] routes = [Route.OpenSsh, Route.Adit];

        var counting = await run.StartAsync(routes, options with { RoundTrip = TimeSpan.Zero });
        await run.InterleaveAsync(counting, async (tunnel, _) =>
        {
            long before = tunnel.Link!.BytesDown;
            await VerifiedTransfer.DownAsync(tunnel.Port, verified, Payload.Text);
            run.Record(tunnel.Route, "ratio down", verified / (double)(tunnel.Link.BytesDown - before), "text/wire", higherIsBetter: true);
            before = tunnel.Link.BytesUp;
            await VerifiedTransfer.UpAsync(tunnel.Port, verified, Payload.Text);
            run.Record(tunnel.Route, "ratio up", verified / (double)(tunnel.Link.BytesUp - before), "text/wire", higherIsBetter: true);
        }, rounds: 1);
        run.Stop(counting);

        var tunnels = await run.StartAsync([Route.NoTunnel, .. routes], options);
        await run.InterleaveAsync(tunnels, async (tunnel, step) =>
        {
            await Bulk.MeasureAsync(run, tunnel, server, "down", down: 1, up: 0, run.Effort.LeadIn, run.Effort.Window, step);
            await Bulk.MeasureAsync(run, tunnel, server, "up", down: 0, up: 1, run.Effort.LeadIn, run.Effort.Window, step);
        });
    }
}
