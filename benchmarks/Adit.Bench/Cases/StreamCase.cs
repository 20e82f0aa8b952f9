using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>One stream through -L, first down, then up. Every tunnel is warmed up with data of which every byte is compared.</summary>
internal sealed class StreamCase : BenchCase
{
    private const string NewKeys = "SSH2_MSG_NEWKEYS sent";

    private readonly Route[] _routes;
    private readonly string? _cipher;
    private readonly bool _rekeys;

    private StreamCase(string name, string title, Route[] routes, string? cipher, bool rekeys = false)
    {
        Name = name;
        Title = title;
        _routes = routes;
        _cipher = cipher;
        _rekeys = rekeys;
    }

    public static StreamCase Aes { get; } =
        new("stream-aes", "one stream, aes128-gcm at both ends", [Route.NoTunnel, Route.Relay, Route.OpenSsh, Route.Adit], AesGcm);

    public static StreamCase ChaCha20 { get; } = new("stream-chacha", "one stream, chacha20-poly1305 at both ends", [Route.NoTunnel, Route.OpenSsh, Route.Adit], ChaCha);

    public static StreamCase Defaults { get; } = new("stream-defaults", "one stream, each program's defaults", [Route.NoTunnel, Route.OpenSsh, Route.Adit], cipher: null);

    public static StreamCase Mixed { get; } =
        new("mixed", "one stream, aes128-gcm, our programs with OpenSSH's", [Route.NoTunnel, Route.OpenSsh, Route.AditToOpenSsh, Route.OpenSshToAdit], AesGcm);

    public static StreamCase Rekey { get; } = new("rekey", "one stream, aes128-gcm, new keys every 64 MiB", [Route.NoTunnel, Route.OpenSsh, Route.Adit], AesGcm, rekeys: true);

    public override string Name { get; }

    public override string Title { get; }

    public override async Task RunAsync(CaseRun run)
    {
        using var server = LoadServer.Bulk(threads: 8);
        var options = new TunnelOptions
        {
            Targets = [server.Port],
            Cipher = _cipher,
            ClientArguments = _rekeys ? ["-o", "RekeyLimit=64M"] : [],
        };
        long verified = run.Effort.Quick ? 64L << 20 : 256L << 20;
        var tunnels = await run.StartAsync(_routes, options);
        await run.InterleaveAsync(tunnels, (tunnel, _) => Bulk.VerifyAsync(tunnel, Payload.Noise, verified), rounds: 1);
        await run.InterleaveAsync(tunnels, async (tunnel, step) =>
        {
            await Bulk.MeasureAsync(run, tunnel, server, "down", down: 1, up: 0, run.Effort.LeadIn, run.Effort.Window, step);
            await Bulk.MeasureAsync(run, tunnel, server, "up", down: 0, up: 1, run.Effort.LeadIn, run.Effort.Window, step);
        });
        if (_rekeys)
        {
            run.Stop(tunnels);
            await CountRekeysAsync(run, options with { Counted = NewKeys });
        }
    }

    /// <summary>That keys do change is looked up in what the client logs, in a tunnel of its own.</summary>
    private async Task CountRekeysAsync(CaseRun run, TunnelOptions options)
    {
        const long Length = 512L << 20;
        var tunnels = await run.StartAsync(_routes.Where(Routes.HasTunnel), options);
        await run.InterleaveAsync(tunnels, async (tunnel, _) =>
        {
            await VerifiedTransfer.DownAsync(tunnel.Port, Length, Payload.Noise);
            run.Record(tunnel.Route, "rekeys per GiB", (tunnel.Client!.CountedLines - 1) / (Length / (double)(1 << 30)), "rekeys", higherIsBetter: true);
        }, rounds: 1);
    }
}
