using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-w between two network namespaces: each of our ends with OpenSSH's other, and both together. Alone: devices and namespaces are the machine's.</summary>
[Collection(Alone.Name)]
public class TunnelTests
{
    private const string Receive = """
        import socket,hashlib,sys
        s=socket.create_server((sys.argv[1],7000),family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
        print('listens',flush=True)
        c,_=s.accept();h=hashlib.sha256()
        while (d:=c.recv(65536)): h.update(d)
        c.sendall(h.hexdigest().encode())
        """;

    private const string Send = """
        import socket,hashlib,sys
        s=socket.create_connection((sys.argv[1],7000),20);d=bytes(range(256))*16384
        s.sendall(d);s.shutdown(1)
        print(s.recv(64).decode()==hashlib.sha256(d).hexdigest())
        """;

    [Theory]
    [InlineData("adit", "sshd", "point-to-point", "10.99.0.2")]
    [InlineData("ssh", "adit", "point-to-point", "10.99.0.2")]
    [InlineData("adit", "adit", "point-to-point", "fd99::2")]
    [InlineData("adit", "sshd", "ethernet", "10.99.0.2")]
    [InlineData("ssh", "adit", "ethernet", "fd99::2")]
    public Task Packets_cross_and_arrive_whole(string client, string server, string mode, string address) => Lab.RunAsync(async lab =>
    {
        var (net, login) = await StartAsync(lab, server, "yes");
        string device = mode == "ethernet" ? "tap5" : "tun5";
        string[] command = [.. net.In("client"), .. Program(client), .. login, "-o", "Tunnel=" + mode, "-w", "5:5", "-N", "root@10.77.0.2"];
        lab.Start("client", command[0], command[1..]);
        foreach (string end in new[] { "client", "server" })
        {
            while ((await net.RunAsync(end, "ip", "link", "show", device)).ExitCode != 0)
            {
                lab.Deadline.ThrowIfCancellationRequested();
            }

            string unit = end == "client" ? "1" : "2";
            Assert.Equal(0, (await net.RunAsync(end, "ip", "addr", "add", $"10.99.0.{unit}/24", "dev", device)).ExitCode);
            Assert.Equal(0, (await net.RunAsync(end, "ip", "addr", "add", $"fd99::{unit}/64", "dev", device, "nodad")).ExitCode);
            Assert.Equal(0, (await net.RunAsync(end, "ip", "link", "set", device, "up")).ExitCode);
        }

        string[] receiver = [.. net.In("server"), Machine.Tool("python3"), "-c", Receive, address];
        await lab.Start("receiver", receiver[0], receiver[1..]).WaitForLineAsync("listens", lab.Deadline);
        Assert.Equal("True\n", (await net.RunAsync("client", "python3", "-c", Send, address)).Output);
    });

    [Theory]
    [InlineData("adit", "no", "")]
    [InlineData("sshd", "no", "")]
    [InlineData("adit", "ethernet", "")]
    [InlineData("adit", "yes", "tunnel=\"3\" ")]
    [InlineData("sshd", "yes", "tunnel=\"3\" ")]
    [InlineData("adit", "yes", "restrict,command=\"true\" ")]
    public Task Refusals_have_the_real_words_and_codes(string server, string permitted, string keyOptions) => Lab.RunAsync(async lab =>
    {
        var (net, login) = await StartAsync(lab, server, permitted, keyOptions);
        foreach (string client in new[] { "ssh", "adit" })
        {
            string[] words = [.. Program(client), .. login, "-o", "ExitOnForwardFailure=yes", "-w", "5:4", "root@10.77.0.2", "true"];
            string[] command = [.. net.In("client"), .. words];
            ProcessResult result = await lab.RunAsync(client, command[0], command[1..]);
            Assert.Equal(255, result.ExitCode);
            Assert.Matches(@"channel \d+: open failed: connect failed: open failed\r?\nTunnel forwarding failed\r?\n", result.Errors);
        }
    });

    // ssh(1) shows "ssh -f -w 0:1 host true": the session's end does not end the tunnel, and the tunnel's end does end the run.
    [Theory]
    [InlineData("adit", "sshd")]
    [InlineData("ssh", "adit")]
    [InlineData("adit", "adit")]
    public Task A_session_knows_the_interface_and_its_run_lasts_as_long_as_that(string client, string server) => Lab.RunAsync(async lab =>
    {
        var (net, login) = await StartAsync(lab, server, "yes");
        string[] command = [.. net.In("client"), .. Program(client), .. login, "-w", "5:6", "root@10.77.0.2", "echo interface: $SSH_TUNNEL"];
        var run = lab.Start("client", command[0], command[1..]);
        await run.WaitForLineAsync("interface: tun6", lab.Deadline);
        foreach ((string end, string device) in new[] { ("client", "tun5"), ("server", "tun6") })
        {
            Assert.Equal(0, (await net.RunAsync(end, "ip", "link", "show", device)).ExitCode);
        }

        Assert.False(run.HasExited);
        Assert.Equal(0, (await net.RunAsync("server", "ip", "link", "delete", "tun6")).ExitCode);
        Assert.Equal(0, (await run.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    [Theory]
    [InlineData("sshd")]
    [InlineData("adit")]
    public Task Another_user_than_root_gets_the_device_that_root_made_for_them_and_no_other(string server) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        var (net, login) = await StartAsync(lab, server, "yes");
        Assert.Equal(0, (await net.RunAsync("server", "ip", "tuntap", "add", "dev", "tun7", "mode", "tun", "user", user.Name)).ExitCode);
        Assert.Equal(0, (await net.RunAsync("server", "ip", "tuntap", "add", "dev", "tun8", "mode", "tun", "user", "daemon")).ExitCode);
        foreach (string client in new[] { "ssh", "adit" })
        {
            foreach (string unit in new[] { "8", "9", "any" })
            {
                string[] words = [.. net.In("client"), .. Program(client), .. login, "-o", "ExitOnForwardFailure=yes", "-w", "5:" + unit, $"{user.Name}@10.77.0.2", "true"];
                ProcessResult refused = await lab.RunAsync(client, words[0], words[1..]);
                Assert.Equal(255, refused.ExitCode);
                Assert.Contains("Tunnel forwarding failed", refused.Errors, StringComparison.Ordinal);
            }

            string[] command = [.. net.In("client"), .. Program(client), .. login, "-o", "ExitOnForwardFailure=yes", "-w", "5:7", $"{user.Name}@10.77.0.2", "echo interface: $SSH_TUNNEL"];
            var run = lab.Start(client, command[0], command[1..]);
            await run.WaitForLineAsync("interface: tun7", lab.Deadline);
            Assert.False(run.HasExited);
            run.Signal(ManagedProcess.SigTerm);
            await run.WaitForExitAsync(lab.Deadline);
            while ((await net.RunAsync("client", "ip", "link", "show", "tun5")).ExitCode == 0)
            {
                lab.Deadline.ThrowIfCancellationRequested();
            }
        }
    });

    [Theory]
    [InlineData("yes", 255)]
    [InlineData("no", 0)]
    public Task A_device_that_cannot_be_had_here_is_told_in_the_real_words(string exits, int code) => Lab.RunAsync(async lab =>
    {
        var (net, login) = await StartAsync(lab, "sshd", "yes");
        Assert.Equal(0, (await net.RunAsync("client", "ip", "tuntap", "add", "dev", "tun5", "mode", "tap")).ExitCode); // of the other kind
        foreach (string client in new[] { "ssh", "adit" })
        {
            string[] command = [.. net.In("client"), .. Program(client), .. login, "-o", "ExitOnForwardFailure=" + exits, "-w", "5:4", "root@10.77.0.2", "echo ran"];
            ProcessResult result = await lab.RunAsync(client, command[0], command[1..]);
            Assert.Equal((code, code == 0 ? "ran\n" : ""), (result.ExitCode, result.Output));
            string[] lines = [.. result.Errors.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0 && !line.StartsWith("adit: ", StringComparison.Ordinal) && !line.StartsWith("Warning: ", StringComparison.Ordinal))];
            Assert.Equal(["Tunnel device open failed.", "Could not request tunnel forwarding."], lines);
        }
    });

    // A plain passenger leaves the flag out without a word; one that carries its packets itself has devices of its own.
    [Theory]
    [InlineData("ssh", "adit")]
    [InlineData("adit", "ssh")]
    public Task A_passenger_has_a_device_with_O_proxy_only(string client, string master) => Lab.RunAsync(async lab =>
    {
        var (net, login) = await StartAsync(lab, "sshd", "yes");
        string socket = lab.Folder["ctl"];
        string[] first = [.. net.In("client"), .. Program(master), .. login, "-M", "-S", socket, "-N", "root@10.77.0.2"];
        lab.Start("master", first[0], first[1..]);
        while (!File.Exists(socket))
        {
            lab.Deadline.ThrowIfCancellationRequested();
            await Task.Delay(10, lab.Deadline);
        }

        string[] passenger = [.. net.In("client"), .. Program(client), .. login, "-S", socket, "-w", "5:6", "root@10.77.0.2"];
        ProcessResult plain = await lab.RunAsync(client, passenger[0], [.. passenger[1..], "echo interface:$SSH_TUNNEL"]);
        Assert.Equal((0, "interface:\n"), (plain.ExitCode, plain.Output));
        string[] command = [.. passenger[..^1], "-O", "proxy", passenger[^1], "echo interface:$SSH_TUNNEL"];
        var run = lab.Start(client, command[0], command[1..]);
        await run.WaitForLineAsync("interface:tun6", lab.Deadline);
        Assert.False(run.HasExited);
    });

    private static string[] Program(string client) => client == "ssh" ? [Machine.Tool("ssh")] : [Machine.Adit, "ssh"];

    private static async Task<(Namespaces Net, string[] Login)> StartAsync(Lab lab, string server, string permitted, string keyOptions = "")
    {
        Need.Root();
        Need.Tools("ip", "python3", "ssh", "sshd");
        Need.That(File.Exists("/dev/net/tun"), "/dev/net/tun");
        Namespaces net = await Namespaces.CreateAsync(lab, "client", "server");
        await net.LinkAsync("client", "10.77.0.1/24", "server", "10.77.0.2/24");
        KeyPair user = await Keys.UserAsync(), host = await Keys.HostAsync();
        Directory.CreateDirectory("/run/sshd");
        lab.Folder.Write("keys", keyOptions + await File.ReadAllTextAsync(user.Path + ".pub"));
        lab.Folder.Write("sshd_config", $"""
            Port 2222
            ListenAddress 10.77.0.2
            HostKey {host.Path}
            AuthorizedKeysFile {lab.Folder["keys"]} .ssh/authorized_keys
            PermitRootLogin yes
            StrictModes no
            PermitTunnel {permitted}
            PidFile none

            """);
        string[] program = server == "sshd" ? [Machine.Tool("sshd")] : [Machine.Adit, "sshd"];
        // Some containers have /dev/net/tun for root alone, where systems have it for everybody: in this server's own view of /dev it is so.
        string[] view = [Machine.Tool("sh"), "-c", $"mknod -m 666 {lab.Folder["tun"]} c 10 200 && mount --bind {lab.Folder["tun"]} /dev/net/tun; exec \"$@\"", "sh"];
        string[] command = [.. net.In("server"), .. view, .. program, "-D", "-e", "-f", lab.Folder["sshd_config"]];
        await lab.Start(server, command[0], command[1..]).WaitForLineAsync("Server listening", lab.Deadline);
        return (net, ["-F", "none", "-i", user.Path, "-p", "2222", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=INFO"]);
    }
}
