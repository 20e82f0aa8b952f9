using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Remote;

/// <summary>-R between OpenSSH and us, both ways round. Where both ends are OpenSSH's the rows show that they are true.</summary>
public sealed partial class RemoteForwardTests
{
    public static TheoryData<Peer, Peer> Pairs => PeerPairs.All;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Carries_data_both_ways_and_half_closes(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        const long Length = 20L * Payload.MiB + 1;
        await using Service exchange = Service.Exchange(Length, lab.Deadline);
        await using Service answers = Service.AnswerAfterEof(lab.Deadline);
        await using Service greets = Service.GreetThenListen(lab.Deadline);
        Service[] services = [exchange, answers, greets];
        int[] ports = [.. services.Select(_ => Net.FreePort())];
        Server there = await lab.StartServerAsync(server);
        await StartAsync(lab, client, there, [.. services.Zip(ports, (service, port) => $"{port}:127.0.0.1:{service.Port}")]);
        await Traffic.ExchangeAsync(ports[0], Length, lab.Deadline);
        await Traffic.AskAfterEofAsync(ports[1], lab.Deadline);
        await Traffic.TalkAfterTheirEofAsync(ports[2], lab.Deadline);
        foreach (Service service in services)
        {
            await service.CompleteAsync(lab.Deadline);
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Port_0_is_allocated_and_told(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(server);
        Client here = await StartAsync(lab, client, there, [$"0:127.0.0.1:{echo.Port}", $"0:localhost:{echo.Port}"]);
        foreach (string host in new[] { "127.0.0.1", "localhost" })
        {
            string line = await here.Process.WaitForLineAsync($"for remote forward to {host}:{echo.Port}", lab.Deadline);
            Match allocated = AllocatedPort().Match(line);
            Assert.True(allocated.Success, line);
            await Traffic.EchoAsync(int.Parse(allocated.Groups[1].Value, CultureInfo.InvariantCulture), 10_000, lab.Deadline);
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_Unix_socket_can_be_the_destination(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        string path = lab.Folder["socket"];
        using var target = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        target.Bind(new UnixDomainSocketEndPoint(path));
        target.Listen();
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(server);
        await StartAsync(lab, client, there, [$"{port}:{path}"]);
        using Socket near = await Net.ConnectAsync(port, lab.Deadline);
        using Socket far = await target.AcceptAsync(lab.Deadline);
        await Net.SendAllAsync(near, Payload.Take(100_000), lab.Deadline);
        near.Shutdown(SocketShutdown.Send);
        byte[] arrived = await Net.ReceiveToEndAsync(far, lab.Deadline);
        Assert.True(Payload.Take(100_000).Span.SequenceEqual(arrived));
    });

    [Fact]
    public Task A_Unix_socket_can_be_listened_on_at_OpenSsh() => Lab.RunAsync(async lab =>
    {
        string path = lab.Folder["listen"];
        await using Service echo = Service.Echo(lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        Client here = await StartAsync(lab, Peer.Adit, there, [$"{path}:127.0.0.1:{echo.Port}"], "-v");
        Assert.False(here.Process.HasExited);
        using var near = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await near.ConnectAsync(new UnixDomainSocketEndPoint(path), lab.Deadline);
        await Traffic.EchoAsync(near, 100_000, lab.Deadline);
    });

    // INVARIANTS 24: what each directive does to -R, on OpenSSH's server and on ours.
    [Theory]
    [InlineData("AllowTcpForwarding yes", true)]
    [InlineData("AllowTcpForwarding all", true)]
    [InlineData("AllowTcpForwarding remote", true)]
    [InlineData("AllowTcpForwarding local", false)]
    [InlineData("AllowTcpForwarding no", false)]
    [InlineData("DisableForwarding yes", false)]
    [InlineData("DisableForwarding yes|AllowTcpForwarding yes|GatewayPorts yes", false)]
    [InlineData("PermitListen none", false)]
    [InlineData("PermitListen any", true)]
    [InlineData("PermitListen PORT", true)]
    [InlineData("PermitListen localhost:PORT", true)] // what a client sends where no bind address is given
    [InlineData("PermitListen local*:*", true)]
    [InlineData("PermitListen 127.0.0.1:PORT", false)]
    [InlineData("PermitListen *:1", false)]
    [InlineData("PermitListen none|Match User nobody-here|PermitListen any", false)]
    [InlineData("PermitListen any|Match All|PermitListen none", false)]
    [InlineData("PermitOpen none", true)] // is about -L
    public Task Directives_permit_and_deny(string directives, bool allowed) => Lab.RunAsync(async lab =>
    {
        foreach (Peer server in new[] { Peer.OpenSsh, Peer.Adit })
        {
            int port = Net.FreePort();
            // Match blocks last to the end of the file, so those go there.
            string[] lines = directives.Replace("PORT", $"{port}", StringComparison.Ordinal).Split('|');
            int match = Array.FindIndex(lines, line => line.StartsWith("Match", StringComparison.Ordinal));
            Server there = await lab.StartServerAsync(server, new ServerOptions
            {
                Lines = match < 0 ? lines : lines[..match],
                LastLines = match < 0 ? [] : lines[match..],
            });
            if (allowed)
            {
                await StartAsync(lab, Peer.Adit, there, [$"{port}:127.0.0.1:9"]);
                Assert.True(Net.IsListening(port));
                continue;
            }

            foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
            {
                ProcessResult result = await lab.RunSshAsync(client, there, new ClientOptions { Arguments = ["-R", $"{port}:127.0.0.1:9"] });
                Assert.Equal(255, result.ExitCode);
                Assert.Contains($"Error: remote port forwarding failed for listen port {port}", result.ErrorLines);
                Assert.False(Net.IsListening(port));
            }
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_port_in_use_there_is_a_warning_or_the_end(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int taken = Net.FreePort(), free = Net.FreePort();
        Server there = await lab.StartServerAsync(server);
        Client first = await StartAsync(lab, client, there, [$"{taken}:127.0.0.1:{echo.Port}"]);

        ProcessResult ended = await lab.RunSshAsync(client, there, new ClientOptions { Arguments = ["-R", $"{taken}:127.0.0.1:9"] });
        Assert.Equal(255, ended.ExitCode);
        Assert.Contains($"Error: remote port forwarding failed for listen port {taken}", ended.ErrorLines);

        Client second = await lab.StartClientAsync(client, there, new ClientOptions
        {
            Arguments = ["-o", "ExitOnForwardFailure=no", "-R", $"{taken}:127.0.0.1:9", "-R", $"{free}:127.0.0.1:{echo.Port}"],
        });
        await second.Process.WaitForLineAsync($"Warning: remote port forwarding failed for listen port {taken}", lab.Deadline);
        await Net.WaitForListenerAsync(there.Process, free, lab.Deadline);
        await Traffic.EchoAsync(free, 1000, lab.Deadline);
        await Traffic.EchoAsync(taken, 1000, lab.Deadline); // still the first one's
        Assert.False(first.Process.HasExited);
    });

    // INVARIANTS 21: the session's death, by a signal that nothing can be said after, frees its ports.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Ports_die_with_the_client(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(server);
        Client here = await StartAsync(lab, client, there, [$"{port}:127.0.0.1:9"]);
        here.Process.Signal(ManagedProcess.SigKill);
        await Net.WaitUntilAsync(() => !Net.IsListening(port), "the port is free", TimeSpan.FromSeconds(20));
        await StartAsync(lab, client, there, [$"{port}:127.0.0.1:9"]);
        Assert.True(Net.IsListening(port));
    });

    // INVARIANTS 21: OpenSSH's own way to cancel, through its control socket.
    [Fact]
    public Task A_cancelled_port_is_free_at_once() => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        string control = lab.Folder["control"];
        Server there = await lab.StartServerAsync(Peer.Adit);
        await StartAsync(lab, Peer.OpenSsh, there, [$"{port}:127.0.0.1:{echo.Port}"], "-M", "-S", control);
        using Socket open = await Net.ConnectAsync(port, lab.Deadline);
        await Traffic.EchoAsync(open, 1000, lab.Deadline);
        await lab.MustAsync(Machine.Tool("ssh"), "-F", "none", "-S", control, "-O", "cancel", "-R", $"{port}:127.0.0.1:{echo.Port}", "x");
        await Net.WaitUntilAsync(() => !Net.IsListening(port), "the port is free", TimeSpan.FromSeconds(10)); // the request wants no answer
        await Traffic.EchoAsync(open, 1000, lab.Deadline);
        string allocated = await lab.MustAsync(Machine.Tool("ssh"), "-F", "none", "-S", control, "-O", "forward", "-R", $"0:127.0.0.1:{echo.Port}", "x");
        await Traffic.EchoAsync(int.Parse(allocated.Trim(), CultureInfo.InvariantCulture), 1000, lab.Deadline);
    });

    /// <summary>Starts a client and waits until the server has granted all its -R.</summary>
    private static async Task<Client> StartAsync(Lab lab, Peer kind, Server server, IReadOnlyList<string> forwards, params string[] more)
    {
        Client client = await lab.StartClientAsync(kind, server, new ClientOptions
        {
            Arguments = [.. more, .. more.Contains("-v") ? [] : new[] { "-v" }, .. forwards.SelectMany(forward => new[] { "-R", forward })],
        });
        await Net.WaitUntilAsync(
            () => client.Process.HasExited || client.Process.CountLines("remote forward success for: listen") == forwards.Count,
            $"{forwards.Count} remote forwards are up", TimeSpan.FromSeconds(45));
        Assert.False(client.Process.HasExited, "the client ended");
        return client;
    }

    [GeneratedRegex("^Allocated port ([0-9]+) for remote forward to ")]
    private static partial Regex AllocatedPort();
}
