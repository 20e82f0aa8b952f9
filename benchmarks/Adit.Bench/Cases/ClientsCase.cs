using System.Globalization;
using Adit.Bench.Load;
using Adit.Bench.Machine;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Keys;

namespace Adit.Bench.Cases;

/// <summary>What each further client costs a server: in memory, the slope from 100 to 400 clients, each logged in and with one idle forwarded connection; in CPU time,
/// from coming to going (a child process's time is counted in whole clock ticks while it lives, exactly once it has ended), after 100 others have warmed the server up.
/// The clients are our library's, in this process, for both servers: hundreds of client processes would be what is measured.</summary>
internal sealed class ClientsCase : BenchCase
{
    private const int AtOnce = 4;
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(4);

    public override string Name => "clients";

    public override string Title => "many clients on one server: what each further one costs it, defaults";

    public override async Task RunAsync(CaseRun run)
    {
        (int few, int many) = run.Effort.Quick ? (20, 80) : (100, 400);
        using var service = new IdleService();
        using PrivateKey userKey = KeyFile.ReadPrivateKey(run.Lab.UserKey);
        var hostKey = PublicKey.ParseText(run.Lab.HostKeyLine, out _);
        foreach (var route in (Route[])[Route.OpenSsh, Route.Adit])
        {
            await run.GuardAsync(route, async step =>
            {
                var (process, port) = await Peers.StartServerAsync(run.Lab, route.ServerIsAdit(), cipher: null, step);
                using var _ = process;
                var clients = new List<SshClient>();
                try
                {
                    await ConnectAsync(clients, few, port, service.Port, userKey, hostKey, step);
                    await DisconnectAsync(clients, step);
                    double cpuBefore = ProcessTree.CpuSeconds(process.Id);

                    await ConnectAsync(clients, few, port, service.Port, userKey, hostKey, step);
                    await Task.Delay(Settle, step);
                    var before = ProcessTree.Memory(process.Id);
                    await ConnectAsync(clients, many, port, service.Port, userKey, hostKey, step);
                    await Task.Delay(Settle, step);
                    var after = ProcessTree.Memory(process.Id);
                    run.Record(route, "server rss", (after.Rss - before.Rss) / 1024.0 / (many - few), "KiB/client");
                    run.Record(route, "server pss", (after.Pss - before.Pss) / 1024.0 / (many - few), "KiB/client");
                    run.Record(route, "server processes", after.Processes, "processes");

                    await DisconnectAsync(clients, step);
                    double cpuAfter = ProcessTree.CpuSeconds(process.Id);
                    run.Record(route, "server cpu", (cpuAfter - cpuBefore) * 1000 / many, "ms/client");
                }
                finally
                {
                    await DisconnectAsync(clients, CancellationToken.None);
                }
            });
        }

        run.Note(string.Create(CultureInfo.InvariantCulture, $"From {few} to {many} clients."));
    }

    private static async Task DisconnectAsync(List<SshClient> clients, CancellationToken cancellation)
    {
        await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        clients.Clear();
        await Task.Delay(Settle, cancellation); // the server notices
    }

    private static async Task ConnectAsync(List<SshClient> clients, int wanted, int port, int service, PrivateKey userKey, PublicKey hostKey, CancellationToken cancellation)
    {
        await Parallel.ForAsync(clients.Count, wanted, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation }, async (_, step) =>
        {
            var client = await LibraryEnds.ConnectAsync(port, userKey, hostKey, step);
            lock (clients)
                clients.Add(client);
            SshStream stream = await client.OpenTcpAsync("127.0.0.1", service, step);
            await stream.ReadExactlyAsync(new byte[1], step); // its greeting; it stays open as long as the client
        });
    }
}
