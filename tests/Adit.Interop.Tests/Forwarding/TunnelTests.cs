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
            AuthorizedKeysFile {lab.Folder["keys"]}
            PermitRootLogin yes
            StrictModes no
            PermitTunnel {permitted}
            PidFile none

            """);
        string[] program = server == "sshd" ? [Machine.Tool("sshd")] : [Machine.Adit, "sshd"];
        string[] command = [.. net.In("server"), .. program, "-D", "-e", "-f", lab.Folder["sshd_config"]];
        await lab.Start(server, command[0], command[1..]).WaitForLineAsync("Server listening", lab.Deadline);
        return (net, ["-F", "none", "-i", user.Path, "-p", "2222", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=INFO"]);
    }
}
