using System.Net.Sockets;
using System.Text;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary>Connections that stay for long and say little, through -R.</summary>
public sealed class LongLivedTests
{
    public static TheoryData<Peer, Peer> Pairs => PeerPairs.WithOurs;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Redis_subscribers_hear_everything_in_order(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("redis-server", "redis-cli");
        const int Messages = 2000;
        int redis = await lab.StartRedisAsync();
        (_, int[] ports) = await ForwardAsync(lab, client, server, [redis]);
        string cli = Machine.Tool("redis-cli");
        ManagedProcess[] subscribers = [.. Enumerable.Range(0, 3).Select(i => lab.Start($"subscriber {i}", cli, ["-p", Daemons.Text(ports[0]), "subscribe", "news"]))];
        foreach (ManagedProcess subscriber in subscribers)
        {
            await subscriber.WaitForLineAsync("subscribe", lab.Deadline);
            await subscriber.WaitForLineAsync("news", lab.Deadline);
        }

        // By a connection of the tunnel's own, and twice: what was silent for a while still listens.
        for (int round = 0; round < 2; round++)
        {
            string commands = string.Concat(Enumerable.Range(0, Messages).Select(i => $"publish news message-{round}-{i}\n"));
            ProcessResult published = await lab.RunAsync("publisher", cli, ["-p", Daemons.Text(ports[0])], input: commands);
            Assert.Equal(Messages, published.Output.Split('\n').Count(line => line == "3"));
            foreach (ManagedProcess subscriber in subscribers)
            {
                await subscriber.WaitForLineAsync($"message-{round}-{Messages - 1}", lab.Deadline);
            }
        }

        string[] expected = [.. Enumerable.Range(0, 2).SelectMany(round => Enumerable.Range(0, Messages).Select(i => $"message-{round}-{i}"))];
        foreach (ManagedProcess subscriber in subscribers)
        {
            Assert.Equal(expected, subscriber.Output.Split('\n').Where(line => line.StartsWith("message-", StringComparison.Ordinal)));
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Http_keeps_its_connections_and_pipelines(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("nginx", "curl");
        const int Requests = 200;
        string www = lab.Folder["www"];
        Directory.CreateDirectory(www);
        for (int i = 0; i < Requests; i++)
        {
            lab.Folder.Write($"www/{i}", $"body {i} {new string((char)('a' + (i % 26)), i * 7)}\n");
        }

        int nginx = await lab.StartNginxAsync(www);
        (_, int[] ports) = await ForwardAsync(lab, client, server, [nginx]);

        // One connection for all of curl's requests.
        string said = await lab.MustAsync(
            Machine.Tool("curl"), "-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "-w", "%{num_connects} %{size_download}\n", $"http://127.0.0.1:{ports[0]}/[0-{Requests - 1}]");
        string[][] lines = [.. said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))];
        Assert.Equal(Requests, lines.Length);
        Assert.Equal(1, lines.Sum(line => int.Parse(line[0])));
        Assert.All(lines.Index(), line => Assert.Equal(new FileInfo(Path.Combine(www, Daemons.Text(line.Index))).Length, long.Parse(line.Item[1])));

        // All requests before the first answer is read; the last asks for the end.
        string asked = string.Concat(Enumerable.Range(0, Requests).Select(i =>
            $"GET /{i} HTTP/1.1\r\nHost: x\r\n{(i == Requests - 1 ? "Connection: close\r\n" : "")}\r\n"));
        using Socket socket = await Net.ConnectAsync(ports[0], lab.Deadline);
        await Net.SendAllAsync(socket, Encoding.ASCII.GetBytes(asked), lab.Deadline);
        string answered = Encoding.ASCII.GetString(await Net.ReceiveToEndAsync(socket, lab.Deadline));
        string[] bodies = [.. answered.Split("HTTP/1.1 200 OK\r\n").Skip(1).Select(answer => answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..])];
        Assert.Equal(Enumerable.Range(0, Requests).Select(i => File.ReadAllText(Path.Combine(www, Daemons.Text(i)))), bodies);
    });

    // As a WebSocket does: one side pushes now and then, the other is silent. In between keys are changed again and again, by others' traffic.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_half_idle_connection_survives_rekeys_and_keepalives(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        const long Length = 4 * Payload.MiB;
        using var push = new SemaphoreSlim(0);
        await using Service pushes = Service.Start(
            async (socket, stop) =>
            {
                for (int i = 0; i < 3; i++)
                {
                    await push.WaitAsync(stop);
                    await Net.SendAllAsync(socket, Traffic.Greeting, stop);
                }

                Assert.Equal("bye"u8.ToArray(), await Net.ReceiveToEndAsync(socket, stop));
            },
            lab.Deadline);
        await using Service exchange = Service.Exchange(Length, lab.Deadline);
        (Client here, int[] ports) = await ForwardAsync(
            lab, client, server, [pushes.Port, exchange.Port], "-v", "-o", "RekeyLimit=1M", "-o", "ServerAliveInterval=1", "-o", "KexAlgorithms=curve25519-sha256");
        using Socket idle = await Net.ConnectAsync(ports[0], lab.Deadline);
        for (int i = 0; i < 3; i++)
        {
            await Traffic.ExchangeAsync(ports[1], Length, lab.Deadline);
            push.Release();
            byte[] heard = new byte[Traffic.Greeting.Length];
            await Net.ReceiveExactlyAsync(idle, heard, lab.Deadline);
            Assert.Equal(Traffic.Greeting.ToArray(), heard);
        }

        await Net.SendAllAsync(idle, "bye"u8.ToArray(), lab.Deadline);
        idle.Shutdown(SocketShutdown.Send);
        Assert.Empty(await Net.ReceiveToEndAsync(idle, lab.Deadline));
        await pushes.CompleteAsync(lab.Deadline);
        int exchanges = here.Process.CountLines("SSH2_MSG_NEWKEYS sent");
        Assert.True(exchanges > 4, $"{exchanges} key exchanges");
    });

    /// <summary>Has the server listen for each of <paramref name="targets"/>.</summary>
    private static async Task<(Client Client, int[] Ports)> ForwardAsync(Lab lab, Peer client, Peer server, int[] targets, params string[] arguments)
    {
        int[] ports = [.. targets.Select(_ => Net.FreePort())];
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions
        {
            Arguments = [.. arguments, .. ports.Zip(targets, (port, target) => $"127.0.0.1:{port}:127.0.0.1:{target}").SelectMany(forward => new[] { "-R", forward })],
        });
        foreach (int port in ports)
        {
            await Net.WaitForListenerAsync(there.Process, port, lab.Deadline);
        }

        return (here, ports);
    }
}
