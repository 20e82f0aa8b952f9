using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-J, ProxyJump and ProxyCommand, through OpenSSH's server and ours in turn.</summary>
public sealed class JumpTests
{
    [Theory]
    [InlineData(1, 8)]
    [InlineData(3, 8)]
    [InlineData(10, 2)]
    public Task Bytes_pass_through_a_row_of_machines(int hops, int megabytes) => Lab.RunAsync(async lab =>
    {
        Server[] servers = [await lab.StartServerAsync(Peer.OpenSsh), await lab.StartServerAsync(Peer.Adit)];
        string config = await Route.WriteAsync(lab, servers);
        long length = megabytes * (long)Payload.MiB;
        await using Service service = Service.Exchange(length, lab.Deadline);
        int port = Net.FreePort();
        string jumps = string.Join(',', Enumerable.Range(0, hops).Select(i => Route.Hop(servers[i % 2])));
        ManagedProcess client = lab.Start(
            "client", Machine.Adit, Route.Arguments(config, servers[hops % 2], "-N", "-J", jumps, "-L", $"127.0.0.1:{port}:127.0.0.1:{service.Port}"));
        await Net.WaitForListenerAsync(client, port, lab.Deadline);
        Assert.Equal([client.Id], client.Family().Select(member => member.Id)); // all of it in one process
        await Traffic.ExchangeAsync(port, length, lab.Deadline);
        await service.CompleteAsync(lab.Deadline);
        client.Signal(ManagedProcess.SigTerm);
        Assert.Equal(0, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    [Fact]
    public Task Every_kind_of_forward_goes_that_way() => Lab.RunAsync(async lab =>
    {
        Server[] servers = [await lab.StartServerAsync(Peer.OpenSsh), await lab.StartServerAsync(Peer.Adit)];
        string config = await Route.WriteAsync(lab, servers);
        await using Service service = Service.Echo(lab.Deadline);
        int local = Net.FreePort(), remote = Net.FreePort(), socks = Net.FreePort();
        string jumps = string.Join(',', new[] { 0, 1, 0 }.Select(i => Route.Hop(servers[i])));
        ManagedProcess client = lab.Start(
            "client", Machine.Adit, Route.Arguments(
                config, servers[1], "-N", "-J", jumps,
                "-L", $"127.0.0.1:{local}:127.0.0.1:{service.Port}", "-R", $"127.0.0.1:{remote}:127.0.0.1:{service.Port}", "-D", $"127.0.0.1:{socks}"));
        foreach ((ManagedProcess listener, int port) in new[] { (client, local), (client, socks), (servers[1].Process, remote) })
        {
            await Net.WaitForListenerAsync(listener, port, lab.Deadline);
        }

        using Socket asking = await Net.ConnectAsync(socks, lab.Deadline);
        byte[] answer = new byte[12];
        await Net.SendAllAsync(asking, new byte[] { 5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(service.Port >> 8), (byte)service.Port }, lab.Deadline);
        await Net.ReceiveExactlyAsync(asking, answer, lab.Deadline);
        Assert.Equal(0, answer[3]);
        await Task.WhenAll(
            Traffic.EchoAsync(local, Payload.MiB, lab.Deadline), Traffic.EchoAsync(remote, Payload.MiB, lab.Deadline), Traffic.EchoAsync(asking, Payload.MiB, lab.Deadline));
    });

    [Fact]
    public Task The_configuration_names_the_way_by_ProxyJump_and_by_ProxyCommand() => Lab.RunAsync(async lab =>
    {
        Server one = await lab.StartServerAsync(Peer.Adit), two = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [one, two], $"""
            Host inner outer by-command
                HostName 127.0.0.1
                User {one.User}
            Host outer
                Port {one.Port}
            Host inner
                Port {two.Port}
                ProxyJump outer
            Host by-command
                Port {two.Port}
                ProxyCommand {Machine.Tool("ssh")} -F {lab.Folder["ssh_config.route"]} -W %h:%p outer
            """);
        await using Service service = Service.Echo(lab.Deadline);
        foreach (string name in new[] { "inner", "by-command" })
        {
            int port = Net.FreePort();
            ManagedProcess client = lab.Start("client", Machine.Adit, ["ssh", "-F", config, "-N", "-L", $"127.0.0.1:{port}:127.0.0.1:{service.Port}", name]);
            await Net.WaitForListenerAsync(client, port, lab.Deadline);
            await Traffic.EchoAsync(port, 100_000, lab.Deadline);
        }
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_machine_that_forbids_forwarding_is_named(Peer kind) => Lab.RunAsync(async lab =>
    {
        Server one = await lab.StartServerAsync(Peer.OpenSsh), two = await lab.StartServerAsync(kind, new ServerOptions { Lines = ["AllowTcpForwarding no"] });
        string config = await Route.WriteAsync(lab, [one, two]);
        ProcessResult result = await lab.RunAsync(
            "client", Machine.Adit, Route.Arguments(config, one, "-N", "-J", $"{Route.Hop(one)},{Route.Hop(two)}"));
        Assert.Equal(255, result.ExitCode);
        Assert.Equal("channel 0: open failed: administratively prohibited: open failed", result.FirstErrorLine);
        Assert.Equal("stdio forwarding failed", result.ErrorLines[1]);
        Assert.Contains($"adit: {two.User}@127.0.0.1 could not connect to 127.0.0.1:{one.Port}", result.Errors, StringComparison.Ordinal);
    });

    [Fact]
    public Task Every_machines_host_key_is_checked_under_its_own_name() => Lab.RunAsync(async lab =>
    {
        Server one = await lab.StartServerAsync(Peer.OpenSsh), two = await lab.StartServerAsync(Peer.Adit);
        string config = await Route.WriteAsync(lab, [one]);
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, one, "-N", "-J", $"{Route.Hop(one)},{Route.Hop(two)}"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Host key verification failed.", result.ErrorLines);
        Assert.Contains($"adit: This was jump host 2 of 2: {two.User}@127.0.0.1, port {two.Port}.", result.ErrorLines);
    });

    // As with OpenSSH: keys and options of the command line are the destination's.
    [Fact]
    public Task A_jump_host_gets_nothing_of_the_command_line() => Lab.RunAsync(async lab =>
    {
        Server one = await lab.StartServerAsync(Peer.OpenSsh);
        string config = lab.Folder.Write("ssh_config", $"Host *\n  UserKnownHostsFile {lab.Folder.Write("known_hosts", one.KnownHosts())}\n  BatchMode yes\n  IdentityFile none\n");
        string[] key = ["-i", (await Keys.UserAsync()).Path, "-N"];
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, one with { Host = "localhost" }, [.. key, "-J", Route.Hop(one)]));
        Assert.Equal(255, result.ExitCode);
        Assert.StartsWith($"{one.User}@127.0.0.1: Permission denied (", result.FirstErrorLine, StringComparison.Ordinal);
    });

    [Fact]
    public Task A_machine_that_is_to_be_reached_through_itself_is_refused() => Lab.RunAsync(async lab =>
    {
        string config = lab.Folder.Write("ssh_config", "Host *\n  ProxyJump bastion\n");
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, ["ssh", "-F", config, "-N", "target"]);
        Assert.Equal(255, result.ExitCode);
        Assert.Equal("jumphost loop via bastion", result.FirstErrorLine);
    });

    [Fact]
    public Task A_jump_host_that_dies_is_named() => Lab.RunAsync(async lab =>
    {
        Server one = await lab.StartServerAsync(Peer.Adit), two = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [one, two]);
        int port = Net.FreePort();
        ManagedProcess client = lab.Start("client", Machine.Adit, Route.Arguments(config, two, "-N", "-J", Route.Hop(one), "-L", $"127.0.0.1:{port}:127.0.0.1:1"));
        await Net.WaitForListenerAsync(client, port, lab.Deadline);
        one.Process.Signal(ManagedProcess.SigKill);
        ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains($"The jump host {one.User}@127.0.0.1 is gone: ", result.Errors, StringComparison.Ordinal);
    });
}
