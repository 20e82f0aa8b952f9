using System.Globalization;
using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>sshuttle makes a whole network reachable over one session of ours: it starts its own other half in Python through ssh and speaks with it over our standard streams.</summary>
[Collection("heavy")]
public sealed class SshuttleTests
{
    private const string Near = "10.77.1.1", Far = "10.77.1.2", Inside = "10.77.9.9";

    [Theory]
    [InlineData("nft")]
    [InlineData("nat")]
    public Task A_network_behind_the_server_is_reached(string method) => Lab.RunAsync(async lab =>
    {
        Need.Tools("sshuttle", "ip", "nginx", "curl", "python3", method == "nft" ? "nft" : "iptables");
        Namespaces net = await Namespaces.CreateAsync(lab, "client", "server");
        await net.LinkAsync("client", Near + "/24", "server", Far + "/24");
        await net.AddAddressAsync("server", Inside + "/32");
        // Connecting leads somewhere before its packets are turned round; but not there, or the test shows nothing.
        Assert.Equal(0, (await net.RunAsync("client", "ip", "route", "add", "default", "via", "10.77.1.3")).ExitCode);
        ProcessResult kernel = await net.RunAsync("client", "nft", "add table inet probe; add chain inet probe out { type nat hook output priority -100; }; add rule inet probe out tcp dport 9 redirect to :10");
        Need.That(kernel.ExitCode == 0, "a kernel that rewrites addresses (nft nat)");
        await net.RunAsync("client", "nft", "delete", "table", "inet", "probe");

        Directory.CreateDirectory(lab.Folder["www"]);
        string content = string.Concat(Enumerable.Range(0, 400_000).Select(i => i.ToString("x8", CultureInfo.InvariantCulture))) + "\n";
        lab.Folder.Write("www/page", content);
        int nginx = await lab.StartNginxAsync(lab.Folder["www"], Inside, net.In("server"));
        Assert.NotEqual(0, (await net.RunAsync("client", "curl", "-sS", "--max-time", "1", $"http://{Inside}:{nginx}/page")).ExitCode);

        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { ListenAddress = Far, Prefix = net.In("server") }) with { Host = Far };
        string config = await Route.WriteAsync(lab, [there]);
        string[] command = [.. net.In("client"), Machine.Tool("sshuttle"), "-v", "--method", method, "-e", $"{Machine.Adit} ssh -F {config}", "-r", Route.Hop(there), "10.77.9.0/24"];
        ManagedProcess sshuttle = lab.Start("sshuttle", command[0], command[1..]);
        await sshuttle.WaitForLineAsync("Connected to server.", lab.Deadline);
        await sshuttle.WaitForLineAsync(method == "nft" ? "daddr 10.77.9.0/24 redirect" : "REDIRECT --dest 10.77.9.0/24", lab.Deadline); // told before it is done: curl tries again

        ProcessResult[] pages = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ =>
            net.RunAsync("client", "curl", "-sS", "--fail", "--retry", "10", "--retry-all-errors", "--retry-delay", "1", "--max-time", "60", "--connect-timeout", "3", $"http://{Inside}:{nginx}/page")));
        Assert.All(pages, page => Assert.True(page.Output == content, page.Errors));

        // It ends with itself what it started.
        sshuttle.Signal(ManagedProcess.SigTerm);
        await sshuttle.WaitForExitAsync(lab.Deadline);
        await there.Process.WaitForLineAsync("Disconnected from user", lab.Deadline);
    });

    /// <summary>Answers every question about a name with one address: 203.0.113.7.</summary>
    private const string NameServer = """
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53)); print("listens", flush=True)
        while True:
            q, who = s.recvfrom(512); end = q.index(0, 12) + 5
            s.sendto(q[:2] + bytes.fromhex("81800001000100000000") + q[12:end] + bytes.fromhex("c00c00010001000000050004cb007107"), who)
        """;

    /// <summary>Asks a name server for a name, until it answers.</summary>
    private const string Question = """
        import socket, sys, time
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
        for _ in range(20):
            try:
                s.sendto(bytes.fromhex("1234010000010000000000000561646974370474657374000001000100"[:-2]), (sys.argv[1], 53))
                print(".".join(map(str, s.recv(512)[-4:]))); break
            except OSError: time.sleep(0.5)
        """;

    [Theory]
    [InlineData("nft")]
    [InlineData("nat")]
    public Task Names_are_asked_for_behind_the_server(string method) => Lab.RunAsync(async lab =>
    {
        Need.Tools("sshuttle", "ip", "python3", method == "nft" ? "nft" : "iptables");
        const string Asked = "10.77.1.99"; // who is asked, and is not there
        Namespaces net = await Namespaces.CreateAsync(lab, "client", "server");
        await net.LinkAsync("client", Near + "/24", "server", Far + "/24");
        await net.AddAddressAsync("server", Inside + "/32");
        ProcessResult kernel = await net.RunAsync("client", "nft", "add table inet probe; add chain inet probe out { type nat hook output priority -100; }; add rule inet probe out udp dport 9 redirect to :10");
        Need.That(kernel.ExitCode == 0, "a kernel that rewrites addresses (nft nat)");
        await net.RunAsync("client", "nft", "delete", "table", "inet", "probe");

        string[] names = [.. net.In("server"), Machine.Tool("python3"), "-c", NameServer, Inside];
        ManagedProcess server = lab.Start("names", names[0], names[1..]);
        await server.WaitForLineAsync("listens", lab.Deadline);
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { ListenAddress = Far, Prefix = net.In("server") }) with { Host = Far };
        string config = await Route.WriteAsync(lab, [there]);
        string[] command = [.. net.In("client"), Machine.Tool("sshuttle"), "-v", "--method", method, "--dns", "--ns-hosts", Asked, "--to-ns", Inside,
            "-e", $"{Machine.Adit} ssh -F {config}", "-r", Route.Hop(there), "10.77.9.0/24"];
        ManagedProcess sshuttle = lab.Start("sshuttle", command[0], command[1..]);
        await sshuttle.WaitForLineAsync("Connected to server.", lab.Deadline);

        ProcessResult answer = await net.RunAsync("client", "python3", "-c", Question, Asked);
        Assert.Equal("203.0.113.7", answer.Output.Trim());
        sshuttle.Signal(ManagedProcess.SigTerm);
        await sshuttle.WaitForExitAsync(lab.Deadline);
    });
}
