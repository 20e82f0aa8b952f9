using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary>What people really reach through a tunnel, by the programs that they really use.</summary>
[Collection("heavy")]
public sealed class ServiceTests
{
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task PostgreSQL(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("psql", "pgbench");
        int database = await lab.StartPostgresAsync();
        Client here = await TunnelAsync(lab, client, server, database);
        string[] where = ["-h", "127.0.0.1", "-p", Daemons.Text(here.Port), "-U", "postgres"];

        string answer = await lab.MustAsync(Machine.Tool("psql"), [.. where, "-d", "postgres", "-Atc", "select sum(n) from generate_series(1, 200000) n"]);
        Assert.Equal("20000100000", answer.Trim());

        // A result of some MiB, complete to its last row.
        string rows = await lab.MustAsync(Machine.Tool("psql"), [.. where, "-d", "postgres", "-Atc", "select n, repeat('x', 100) from generate_series(1, 50000) n"]);
        Assert.Equal(50_000, rows.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.StartsWith("50000|xxx", rows.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], StringComparison.Ordinal);

        await lab.MustAsync(Machine.Tool("pgbench"), [.. where, "-i", "-q", "-s", "1", "postgres"]);
        string bench = await lab.MustAsync(Machine.Tool("pgbench"), [.. where, "-c", "8", "-j", "2", "-T", "3", "postgres"]);
        Assert.Contains("number of failed transactions: 0 ", bench, StringComparison.Ordinal);
        Assert.DoesNotContain("number of transactions actually processed: 0", bench, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Redis(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        int redis = await lab.StartRedisAsync();
        Client here = await TunnelAsync(lab, client, server, redis);
        string said = await lab.MustAsync(
            Machine.Tool("redis-benchmark"),
            "-h", "127.0.0.1", "-p", Daemons.Text(here.Port), "-n", "5000", "-c", "50", "-P", "4", "-d", "1000", "-t", "ping,set,get,lpush,lrange_100", "--csv");
        string[] tests = ["PING_INLINE", "PING_MBULK", "SET", "GET", "LPUSH", "LRANGE_100"];
        Assert.All(tests, test => Assert.Contains($"\"{test}", said, StringComparison.Ordinal));
    });

    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Nginx_with_a_file_of_one_GiB(Peer client, Peer server) => Lab.RunAsync(
        async lab =>
        {
            string folder = lab.Folder["www"];
            Directory.CreateDirectory(folder);
            byte[] expected = await WriteBigFileAsync(Path.Combine(folder, "big"), lab.Deadline);
            Need.That(new DriveInfo(folder).AvailableFreeSpace > 64 * Payload.MiB, "room for a file of 1 GiB");
            int nginx = await lab.StartNginxAsync(folder);
            Client here = await TunnelAsync(lab, client, server, nginx);

            string curl = Machine.Tool("curl");
            ProcessResult result = await lab.RunAsync(
                "curl", "/bin/sh", ["-c", $"'{curl}' -sS --fail http://127.0.0.1:{here.Port}/big | sha256sum"]);
            Assert.Equal(0, result.ExitCode);
            Assert.Equal(Convert.ToHexStringLower(expected), result.Output.Split(' ')[0]);

            // Several at once, each a part of the file.
            ProcessResult[] parts = await Task.WhenAll(Enumerable.Range(0, 4).Select(part => lab.RunAsync(
                "curl", curl, ["-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}", "-r", $"{part * 1000}-{(part * 1000) + (32 * Payload.MiB) - 1}", $"http://127.0.0.1:{here.Port}/big"])));
            Assert.All(parts, part => Assert.Equal($"{32 * Payload.MiB}", part.Output.Trim()));
        },
        seconds: 240);

    // A connection that the far end resets must end here too, not hang.
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Service_that_resets(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service resets = Service.Start(
            async (socket, stop) =>
            {
                await Net.ReceiveExactlyAsync(socket, new byte[10], stop);
                socket.LingerState = new LingerOption(true, 0); // close by RST
            },
            lab.Deadline);
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [resets.Port, echo.Port] });
        for (int i = 0; i < 20; i++)
        {
            using Socket socket = await Net.ConnectAsync(here.Ports[0], lab.Deadline);
            await Net.SendAllAsync(socket, Payload.Take(10), lab.Deadline);
            try
            {
                Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
            }
            catch (SocketException problem)
            {
                Assert.Equal(SocketError.ConnectionReset, problem.SocketErrorCode);
            }
        }

        await Traffic.EchoAsync(here.Ports[1], 1000, lab.Deadline);
    });

    [Fact]
    public Task The_demo() => Lab.RunAsync(async lab =>
    {
        ProcessResult result = await lab.RunAsync("adit demo", Machine.Adit, ["demo", "--once"]);
        Assert.Equal(0, result.ExitCode);
    });

    // A link named ssh behaves as ssh, from any folder: what the script at the root promises.
    [Fact]
    public Task A_link_named_ssh_is_ssh() => Lab.RunAsync(async lab =>
    {
        foreach (string name in new[] { "ssh", "sshd" })
        {
            File.CreateSymbolicLink(lab.Folder[name], Path.Combine(Machine.Root, "adit"));
            ProcessResult result = await lab.RunAsync(name, lab.Folder[name], ["-j"]);
            Assert.Equal(name == "ssh" ? 255 : 1, result.ExitCode);
            Assert.Matches($"(?m)^usage: (adit )?{name} ", result.Errors);
        }

        ProcessResult query = await lab.RunAsync("ssh -Q", lab.Folder["ssh"], ["-Q", "cipher"]);
        Assert.Contains("aes128-gcm@openssh.com", query.Output, StringComparison.Ordinal);
    });

    private static async Task<Client> TunnelAsync(Lab lab, Peer client, Peer server, int target)
    {
        Server there = await lab.StartServerAsync(server);
        return await lab.StartClientAsync(client, there, new ClientOptions { Targets = [target] });
    }

    // Mostly a hole in the file system, with something else in every MiB so that a block lost or moved shows.
    private static async Task<byte[]> WriteBigFileAsync(string path, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using FileStream file = File.Create(path);
        byte[] block = new byte[Payload.MiB];
        for (int i = 0; i < 1024; i++)
        {
            int mark = Payload.MiB - 64 - (i * 13);
            RandomNumberGenerator.Fill(block.AsSpan(mark, 64));
            hash.AppendData(block);
            file.Position = ((long)i * Payload.MiB) + mark;
            await file.WriteAsync(block.AsMemory(mark, 64), cancellation);
            block.AsSpan(mark, 64).Clear();
        }

        file.SetLength(1024L * Payload.MiB);
        return hash.GetHashAndReset();
    }
}
