using Adit.Bench.Load;
using Adit.Bench.Machine;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;

namespace Adit.Bench.Cases;

/// <summary>Managed memory allocated per MiB that a running stream carries: both ends in this process, the load beside them allocates nothing.</summary>
internal sealed class AllocationCase : BenchCase
{
    public override string Name => "allocations";

    public override string Title => "allocations of both ends per MiB forwarded, one running stream, defaults";

    public override async Task RunAsync(CaseRun run)
    {
        await run.GuardAsync(Route.Adit, async step =>
        {
            using var load = LoadServer.Bulk(threads: 8);
            using var hostKey = PrivateKey.Generate("ssh-ed25519");
            using var userKey = PrivateKey.Generate("ssh-ed25519");
            await using SshServer server = await LibraryEnds.StartServerAsync(hostKey, userKey.PublicKey);
            await using SshClient client = await LibraryEnds.ConnectAsync(server.BoundEndpoints[0].Port, userKey, hostKey.PublicKey, step);
            await using Forward forward = await client.ForwardLocalAsync(ForwardAddress.Tcp("127.0.0.1", 0), ForwardAddress.Tcp("127.0.0.1", load.Port), step);
            int port = forward.Bound[0].Port;
            for (int round = 0; round < run.Effort.Rounds; round++)
            {
                await MeasureAsync(run, Route.Adit, port, load, "down", step);
                await MeasureAsync(run, Route.Adit, port, load, "up", step);
            }

            // What the load itself and the measuring add.
            await MeasureAsync(run, Route.NoTunnel, load.Port, load, "down", step);
            await MeasureAsync(run, Route.NoTunnel, load.Port, load, "up", step);
        });
    }

    private static async Task MeasureAsync(CaseRun run, Route route, int port, LoadServer load, string direction, CancellationToken cancellation)
    {
        int down = direction == "down" ? 1 : 0;
        using var stream = new BulkStreams(port, load, down, 1 - down);
        await Task.Delay(TimeSpan.FromSeconds(1), cancellation); // windows, pools and buffers have grown by then
        long before = 0, after = 0;
        var rate = await stream.MeasureAsync(run.Effort.Window * 2, ended => (ended ? ref after : ref before) = GC.GetTotalAllocatedBytes(precise: true), cancellation);
        run.Record(route, direction, (after - before) / (rate.Bytes / (double)(1 << 20)), "bytes/MiB");
    }
}
