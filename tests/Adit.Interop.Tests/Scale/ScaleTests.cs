using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Scale;

/// <summary>Many at once. INVARIANTS 15, 17, 18.</summary>
[Collection("heavy")]
public sealed class ScaleTests
{
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task A_thousand_connections_through_one_tunnel(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        const int Count = 1000;
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [echo.Port] });

        var sockets = new List<Socket>();
        try
        {
            for (int i = 0; i < Count; i++)
            {
                sockets.Add(await Net.ConnectAsync(here.Port, lab.Deadline));
            }

            // All of them are open at the far end at the same time …
            await Task.WhenAll(sockets.Select((socket, i) => Traffic.EchoAsync(socket, 1 + (i * 37 % 5000), lab.Deadline)));
            Assert.Equal(Count, echo.Open);

            // … and all talk again, in more than one go each.
            for (int round = 0; round < 3; round++)
            {
                await Task.WhenAll(sockets.Select((socket, i) => Traffic.EchoAsync(socket, 20_000 + (i % 7), lab.Deadline)));
            }

            await Task.WhenAll(sockets.Select(async socket =>
            {
                socket.Shutdown(SocketShutdown.Send);
                Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
            }));
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
        }

        await echo.CompleteAsync(lab.Deadline);
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
        AssertFewDescriptors(here.Process);
        AssertFewDescriptors(there.Process);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Fifty_clients_on_one_server(Peer client) => Lab.RunAsync(
        async lab =>
        {
            const int Count = 50;
            await using Service exchange = Service.Exchange(2 * Payload.MiB, lab.Deadline);
            Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["MaxStartups 200"] });
            Client[] clients = await Task.WhenAll(Enumerable.Range(0, Count).Select(_ =>
                lab.StartClientAsync(client, there, new ClientOptions { Targets = [exchange.Port] })));
            await Task.WhenAll(clients.Select(here => Traffic.ExchangeAsync(here.Port, 2 * Payload.MiB, lab.Deadline)));
            await exchange.CompleteAsync(lab.Deadline);
            Assert.Equal(Count, exchange.Accepted);
            Assert.All(clients, here => Assert.False(here.Process.HasExited));
        },
        seconds: 240);

    // INVARIANTS 17: one that nobody reads from must not hold up the others.
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task A_stalled_connection_delays_nobody(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service flood = Service.Start((socket, stop) => Payload.SendAsync(socket, 1L << 30, up: false, stop), lab.Deadline);
        await using Service deaf = Service.Start((_, stop) => Task.Delay(Timeout.Infinite, stop), lab.Deadline);
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [flood.Port, deaf.Port, echo.Port] });

        using Socket unread = await Net.ConnectAsync(here.Ports[0], lab.Deadline);
        await unread.ReceiveAsync(new byte[1], lab.Deadline); // it flows; from here on nobody reads
        using Socket unheard = await Net.ConnectAsync(here.Ports[1], lab.Deadline);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(lab.Deadline);
        Task sending = Payload.SendAsync(unheard, 1L << 30, up: true, stop.Token);
        for (int i = 0; i < 50; i++)
        {
            await Traffic.EchoAsync(here.Ports[2], 60_000, lab.Deadline).WaitAsync(TimeSpan.FromSeconds(10));
        }

        Assert.False(sending.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Thousands_of_connections_one_after_another(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [echo.Port] });
        await Parallel.ForAsync(0, 3000, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = lab.Deadline }, async (i, _) =>
        {
            using Socket socket = await Net.ConnectAsync(here.Port, lab.Deadline);
            if (i % 5 == 0)
            {
                socket.LingerState = new LingerOption(true, 0); // some vanish by RST, before a word is said or after
            }

            if (i % 10 != 0)
            {
                await Traffic.EchoAsync(socket, 100, lab.Deadline);
            }
        });
        await Traffic.EchoAsync(here.Port, 1000, lab.Deadline);
        AssertFewDescriptors(here.Process);
        AssertFewDescriptors(there.Process);
    });

    // What was opened has been closed: a process at rest has a few dozen descriptors, one that leaks has a thousand.
    private static void AssertFewDescriptors(ManagedProcess process) => Net.WaitUntilAsync(
        () => process.Family().Sum(member => Count($"/proc/{member.Id}/fd")) < 250, $"the {process.Name} has closed its descriptors", TimeSpan.FromSeconds(20)).GetAwaiter().GetResult();

    private static int Count(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder).Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
