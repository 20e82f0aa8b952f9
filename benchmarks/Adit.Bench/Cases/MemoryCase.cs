using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;

namespace Adit.Bench.Cases;

/// <summary>Memory that each open, idle forwarded connection takes at either end: the slope between a few of them and many. At the end every one still has to carry a byte both ways.</summary>
internal sealed class MemoryCase : BenchCase
{
    /// <summary>Idle means idle: what a burst of connections leaves behind is given back after a quiet second or two.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(4);

    public override string Name => "memory";

    public override string Title => "memory per idle forwarded connection";

    public override async Task RunAsync(CaseRun run)
    {
        // OpenSSH's time to open them grows with the square of their number; its memory does not need so many to be seen.
        (Route Route, int Few, int Many)[] plan = run.Effort.Quick
            ? [(Route.OpenSsh, 200, 700), (Route.Adit, 500, 2000)]
            : [(Route.OpenSsh, 500, 2500), (Route.Adit, 1000, 10_000)];
        foreach (var (route, few, many) in plan)
        {
            using var target = await IdleTarget.StartAsync(run.Cancellation);
            using var idle = new IdleConnections();
            var tunnels = await run.StartAsync([route], new TunnelOptions { Targets = [target.Port] });
            await run.InterleaveAsync(tunnels, async (tunnel, step) =>
            {
                await idle.OpenAsync(tunnel.Port, few, step);
                await MustEchoAsync(idle, target, step);
                await Task.Delay(Settle, step);
                var clientBefore = ProcessTree.Memory(tunnel.Client!.Id);
                var serverBefore = ProcessTree.Memory(tunnel.Server!.Id);
                await idle.OpenAsync(tunnel.Port, many - few, step);
                await MustEchoAsync(idle, target, step);
                await Task.Delay(Settle, step);
                Record("client", clientBefore, ProcessTree.Memory(tunnel.Client.Id));
                Record("server", serverBefore, ProcessTree.Memory(tunnel.Server.Id));
                run.Record(tunnel.Route, "open and echoing", idle.Count, "connections", higherIsBetter: true);
            }, rounds: 1);
            run.Stop(tunnels);

            void Record(string end, Memory before, Memory after)
            {
                run.Record(route, end + " rss", (after.Rss - before.Rss) / 1024.0 / (many - few), "KiB/connection");
                run.Record(route, end + " pss", (after.Pss - before.Pss) / 1024.0 / (many - few), "KiB/connection");
            }
        }
    }

    private static async Task MustEchoAsync(IdleConnections idle, IdleTarget target, CancellationToken cancellation)
    {
        int right = await idle.EchoOnceAsync(target, cancellation);
        if (right != idle.Count)
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"of {idle.Count} connections {right} echo"));
    }
}
