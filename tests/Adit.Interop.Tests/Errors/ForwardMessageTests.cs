using System.Net;
using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Errors;

/// <summary>What a client says about its forwards, beside OpenSSH's client: each of its lines comes from ours too, in that order; ours may say more behind them.</summary>
public sealed class ForwardMessageTests
{
    // Forwards that cannot be set up. PORT is taken, here and at the server, and FREE is not.
    [Theory]
    [InlineData("-L 127.0.0.1:PORT:127.0.0.1:9")]
    [InlineData("-L PORT:127.0.0.1:9")]
    [InlineData("-D PORT")]
    [InlineData("-D 192.0.2.1:FREE")]
    [InlineData("-L 192.0.2.1:FREE:127.0.0.1:9")]
    [InlineData("-L no-such-name.invalid:FREE:127.0.0.1:9")]
    [InlineData("-L FOLDER/file:127.0.0.1:9")]
    [InlineData("-L FOLDER/missing/socket:127.0.0.1:9")]
    [InlineData("-L FREE:127.0.0.1:9 -L PORT:127.0.0.1:9")]
    [InlineData("-R PORT:127.0.0.1:9")]
    [InlineData("-R PORT")]
    [InlineData("-R FOLDER/file:127.0.0.1:9")]
    [InlineData("-W 127.0.0.1:FREE")]
    [InlineData("-W no-such-name.invalid:80")]
    public Task A_forward_that_fails_ends_the_client_alike(string forwards) => Lab.RunAsync(async lab =>
    {
        await using Service taken = Service.Echo(lab.Deadline);
        using var takenToo = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
        takenToo.DualMode = false;
        takenToo.Bind(new IPEndPoint(IPAddress.IPv6Loopback, taken.Port)); // or one of the two loopback addresses would do
        takenToo.Listen();
        lab.Folder.Write("file", "");
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        var results = new List<ProcessResult>();
        foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
        {
            string[] arguments = forwards.Replace("PORT", Daemons.Text(taken.Port), StringComparison.Ordinal)
                .Replace("FREE", Daemons.Text(Net.FreePort()), StringComparison.Ordinal)
                .Replace("FOLDER", lab.Folder.FullPath, StringComparison.Ordinal).Split(' ');
            results.Add(await lab.RunSshAsync(client, there, new ClientOptions { Arguments = arguments }));
        }

        ContainsInOrder(results[0].ErrorLines, results[1].ErrorLines);
        Assert.Equal(results[0].ExitCode, results[1].ExitCode);
        Assert.Equal(255, results[1].ExitCode);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_connection_that_the_server_forbids_is_said_alike(Peer server) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["PermitOpen 127.0.0.1:1"] });
        foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
        {
            Client here = await lab.StartClientAsync(client, there, new ClientOptions { Targets = [9] });
            await ConnectAndEndAsync(lab, here.Port);
            string line = await here.Process.WaitForLineAsync("open failed", lab.Deadline);
            Assert.Equal("channel N: open failed: administratively prohibited: open failed", Compare.Normalise(line));
            if (client == Peer.Adit)
            {
                string rule = server == Peer.Adit ? "refused by PermitOpen 127.0.0.1:1" : "PermitOpen"; // OpenSSH's server does not say which
                Assert.Contains(rule, await here.Process.WaitForLineAsync("could not connect to 127.0.0.1:9", lab.Deadline), StringComparison.Ordinal);
                Assert.Equal(0, here.Process.CountLines("Remote: ")); // said once
            }
        }
    });

    // The name is resolved there: our server tells which addresses it tried.
    [Fact]
    public Task Our_server_tells_which_addresses_it_tried() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.Adit);
        int closed = Net.FreePort();
        Client ours = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { TargetHost = "localhost", Targets = [closed] });
        await ConnectAndEndAsync(lab, ours.Port);
        Assert.Contains("127.0.0.1", await ours.Process.WaitForLineAsync($"could not connect to localhost:{closed}: Connection refused (tried ", lab.Deadline), StringComparison.Ordinal);

        Client theirs = await lab.StartClientAsync(Peer.OpenSsh, there, new ClientOptions { Arguments = ["-v"], TargetHost = "localhost", Targets = [closed] });
        await ConnectAndEndAsync(lab, theirs.Port);
        await theirs.Process.WaitForLineAsync("debug1: Remote: channel ", lab.Deadline);
        Assert.Equal("channel N: open failed: connect failed: Connection refused", Compare.Normalise(await theirs.Process.WaitForLineAsync("open failed", lab.Deadline)));
    });

    // "a person sees it without -v": once, and not where nothing shall be said.
    [Theory]
    [InlineData("no", "narrowed to loopback by server GatewayPorts no")]
    [InlineData("yes", "overridden by server GatewayPorts")]
    public Task What_our_server_binds_instead_is_seen_without_v(string gatewayPorts, string said) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"GatewayPorts {gatewayPorts}"] });
        int port = Net.FreePort(), quiet = Net.FreePort();
        Client client = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-R", $"127.0.0.2:{port}:127.0.0.1:9"] });
        await client.Process.WaitForLineAsync(said, lab.Deadline);
        await Net.WaitForListenerAsync(there.Process, port, lab.Deadline);
        Client silent = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-q", "-R", $"127.0.0.2:{quiet}:127.0.0.1:9"] });
        await Net.WaitForListenerAsync(there.Process, quiet, lab.Deadline);
        silent.Process.Signal(ManagedProcess.SigTerm);
        Assert.Equal("", (await silent.Process.WaitForExitAsync(lab.Deadline)).Errors);
        Assert.Equal(1, client.Process.CountLines(said));
        Assert.Equal(0, client.Process.CountLines("may listen on its loopback"));
    });

    // OpenSSH's server says nothing; only where more than loopback was asked for is there something to say.
    [Fact]
    public Task That_OpenSsh_may_have_bound_loopback_only_is_seen_without_v() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        int port = Net.FreePort();
        Client client = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions
        {
            Arguments = ["-R", $"{Net.FreePort()}:127.0.0.1:9", "-R", $"localhost:{Net.FreePort()}:127.0.0.1:9", "-R", $"0.0.0.0:{port}:127.0.0.1:9"],
        });
        await client.Process.WaitForLineAsync($"GatewayPorts clientspecified", lab.Deadline);
        Assert.Equal(1, client.Process.CountLines("GatewayPorts"));
        Assert.Equal(1, client.Process.CountLines($"sport = :{port}"));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Failing_connections_are_not_told_with_q(Peer client) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.Adit);
        Client here = await lab.StartClientAsync(client, there, new ClientOptions { Arguments = ["-q"], Targets = [Net.FreePort()] });
        await ConnectAndEndAsync(lab, here.Port);
        here.Process.Signal(ManagedProcess.SigTerm);
        Assert.Equal("", (await here.Process.WaitForExitAsync(lab.Deadline)).Errors);
    });

    [Fact]
    public Task One_failure_again_and_again_does_not_fill_the_log() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.Adit);
        Client here = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { Targets = [Net.FreePort()] });
        for (int i = 0; i < 50; i++)
        {
            await ConnectAndEndAsync(lab, here.Port);
        }

        here.Process.Signal(ManagedProcess.SigTerm);
        ProcessResult result = await here.Process.WaitForExitAsync(lab.Deadline);
        Assert.InRange(result.ErrorLines.Count(line => line.Contains("open failed", StringComparison.Ordinal)), 5, 10); // 5 a minute, and a minute may have ended
        Assert.Contains("  (more of these within this minute are shown with -v)", result.ErrorLines);
    });

    private static async Task ConnectAndEndAsync(Lab lab, int port)
    {
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
    }

    private static void ContainsInOrder(IReadOnlyList<string> theirs, IReadOnlyList<string> ours)
    {
        Assert.NotEmpty(theirs); // or the test provokes something else than it thinks
        // Each run has its own free port.
        string[] wanted = [.. theirs.Select(Plain)], said = [.. ours.Select(Plain)];
        int next = 0;
        foreach (string line in said)
        {
            if (next < wanted.Length && line == wanted[next])
            {
                next++;
            }
        }

        Assert.True(next == wanted.Length, $"missing: {(next < wanted.Length ? wanted[next] : "")}\nssh:\n{string.Join('\n', wanted)}\nours:\n{string.Join('\n', said)}");
        Assert.Equal(wanted[0], said[0]);
    }

    private static string Plain(string line) => System.Text.RegularExpressions.Regex.Replace(Compare.Normalise(line), @"(?<=\]:|port: |port )\d+", "N");
}
