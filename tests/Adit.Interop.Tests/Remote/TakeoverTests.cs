using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Remote;

/// <summary>A client that comes back gets its port from its own dead session, whichever client it is; a living session and anybody else's keep theirs.
/// INVARIANTS 21 and 22.</summary>
public sealed class TakeoverTests
{
    /// <summary>Two seconds for the old session to answer; the rest is for starting a client.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private static int s_next;

    public static TheoryData<Peer, Peer> Pairs => PeerPairs.All;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task From_a_session_whose_client_stands_still(Peer holder, Peer newcomer) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(Peer.Adit);
        Client old = await StartAsync(lab, holder, there, port, $"127.0.0.1:{echo.Port}");
        old.Process.Signal(ManagedProcess.SigStop);
        var clock = Stopwatch.StartNew();
        Client young = await StartAsync(lab, newcomer, there, port, $"127.0.0.1:{echo.Port}");
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(2), Soon);
        await Traffic.EchoAsync(port, 10_000, lab.Deadline);
        await there.Process.WaitForLineAsync($"Timeout, client not responding from user {there.User} 127.0.0.1 port ", lab.Deadline);
        Assert.Equal(1, there.Process.CountLines("Taking over "));

        // What comes back to life finds that it is over, and takes nothing with it.
        old.Process.Signal(ManagedProcess.SigCont);
        Assert.Equal(255, (await old.Process.WaitForExitAsync(lab.Deadline).WaitAsync(Soon)).ExitCode);
        await Traffic.EchoAsync(port, 10_000, lab.Deadline);
        Assert.False(young.Process.HasExited);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task From_a_session_whose_link_was_cut(Peer holder, Peer newcomer) => Lab.RunAsync(async lab =>
    {
        Need.Root();
        Need.Tools("ip", "curl");
        await using var net = await Link.CreateAsync(lab);
        string path = lab.Folder["web"];
        using Socket web = Answer(path, "hello from the new one\n", lab.Deadline);
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { ListenAddress = "0.0.0.0", Prefix = net.Server });
        Client old = await StartAsync(lab, holder, there with { Host = "10.78.1.1" }, port, "/nowhere", net.Home);
        await net.CutAsync(lab);
        var clock = Stopwatch.StartNew();
        await StartAsync(lab, newcomer, there, port, path, net.Server);
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(2), Soon);
        Assert.Equal("hello from the new one\n", await lab.MustAsync(net.Server[0], [.. net.Server.Skip(1), Machine.Tool("curl"), "-sS", "--max-time", "10", $"http://127.0.0.1:{port}/"]));
        await there.Process.WaitForLineAsync("Taking over ", lab.Deadline);
        Assert.Equal(1, there.Process.CountLines("Taking over "));
        Assert.False(old.Process.HasExited); // it has not noticed yet: nothing can reach it
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Not_from_a_living_session(Peer holder, Peer newcomer) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(Peer.Adit);
        Client old = await StartAsync(lab, holder, there, port, $"127.0.0.1:{echo.Port}");
        ProcessResult refused = await lab.RunSshAsync(newcomer, there, new ClientOptions { Arguments = ["-v", "-R", $"{port}:127.0.0.1:9"] });
        Assert.Equal(255, refused.ExitCode);
        Assert.Contains($"Error: remote port forwarding failed for listen port {port}", refused.ErrorLines);
        Assert.Contains("held by another session of yours from 127.0.0.1 since ", refused.Errors, StringComparison.Ordinal);
        await Traffic.EchoAsync(port, 10_000, lab.Deadline);
        Assert.False(old.Process.HasExited);
        Assert.Equal(0, there.Process.CountLines("Taking over "));
    });

    // Another key of the same account is somebody else.
    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task Not_by_another_key(Peer newcomer) => Lab.RunAsync(async lab =>
    {
        int port = Net.FreePort();
        KeyPair mine = await Keys.UserAsync(), other = await Keys.MakeAsync(lab.Folder["other"]);
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { AuthorizedKeys = [mine.PublicLine, other.PublicLine] });
        Client old = await StartAsync(lab, Peer.OpenSsh, there, port, "127.0.0.1:9");
        old.Process.Signal(ManagedProcess.SigStop);
        ProcessResult refused = await lab.RunSshAsync(newcomer, there, new ClientOptions { Identity = other.Path, Arguments = ["-v", "-o", "IdentitiesOnly=yes", "-R", $"{port}:127.0.0.1:9"] });
        old.Process.Signal(ManagedProcess.SigCont);
        Assert.Equal(255, refused.ExitCode);
        Assert.DoesNotContain("held by", refused.Errors, StringComparison.Ordinal);
        Assert.True(Net.IsListening(port));
        Assert.False(old.Process.HasExited);
    });

    [Fact]
    public Task Not_where_it_is_turned_off() => Lab.RunAsync(async lab =>
    {
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["RemoteForwardTakeoverTimeout 0"] });
        Client old = await StartAsync(lab, Peer.OpenSsh, there, port, "127.0.0.1:9");
        old.Process.Signal(ManagedProcess.SigStop);
        ProcessResult refused = await lab.RunSshAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-R", $"{port}:127.0.0.1:9"] });
        old.Process.Signal(ManagedProcess.SigCont);
        Assert.Equal(255, refused.ExitCode);
        Assert.False(old.Process.HasExited);
    });

    // Nobody asks for the port: the server's keepalives free it, Interval × (CountMax + 1) after the last sign of life and a second or two for the clock.
    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task Keepalives_free_the_port_of_a_cut_link(Peer holder) => Lab.RunAsync(async lab =>
    {
        Need.Root();
        Need.Tools("ip");
        await using var net = await Link.CreateAsync(lab);
        int port = Net.FreePort();
        Server there = await lab.StartServerAsync(Peer.Adit, new ServerOptions
        {
            ListenAddress = "0.0.0.0",
            Prefix = net.Server,
            Lines = ["ClientAliveInterval 1", "ClientAliveCountMax 2"],
        });
        Client old = await StartAsync(lab, holder, there with { Host = "10.78.1.1" }, port, "127.0.0.1:9", net.Home, "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2");
        var clock = Stopwatch.StartNew(); // the last sign of life is at the most a second older
        await net.CutAsync(lab);
        await Net.WaitUntilAsync(() => !Net.IsListening(port, there.Process.Id), "the port is free", Soon);
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1.9), Soon); // 3 s, and what a busy machine adds

        // The client notices as well.
        ProcessResult result = await old.Process.WaitForExitAsync(lab.Deadline).WaitAsync(Soon);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Timeout, server 10.78.1.1 not responding.", result.ErrorLines);
    });

    /// <summary>Starts a client and waits until the server has granted its -R.</summary>
    private static async Task<Client> StartAsync(Lab lab, Peer kind, Server server, int port, string destination, IReadOnlyList<string>? prefix = null, params string[] more)
    {
        Client client = await lab.StartClientAsync(kind, server, new ClientOptions { Prefix = prefix ?? [], Arguments = [.. more, "-v", "-R", $"{port}:{destination}"] });
        await client.Process.WaitForLineAsync("remote forward success for: listen", lab.Deadline);
        return client;
    }

    /// <summary>A web page behind a Unix socket: those are the same in every network namespace.</summary>
    private static Socket Answer(string path, string page, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen();
        _ = Task.Run(
            async () =>
            {
                using Socket caller = await socket.AcceptAsync(cancellation);
                await caller.ReceiveAsync(new byte[4096], cancellation);
                await Net.SendAllAsync(caller, Encoding.ASCII.GetBytes($"HTTP/1.0 200 OK\r\nContent-Length: {page.Length}\r\n\r\n{page}"), cancellation);
            },
            cancellation);
        return socket;
    }

    /// <summary>Two machines, the server's and a client's at home, and the link between them.</summary>
    private sealed class Link : IAsyncDisposable
    {
        private readonly string _suffix = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Interlocked.Increment(ref s_next)}");
        private readonly string _ip = Machine.Tool("ip");

        public IReadOnlyList<string> Server => [_ip, "netns", "exec", Name("server")];

        public IReadOnlyList<string> Home => [_ip, "netns", "exec", Name("home")];

        public static async Task<Link> CreateAsync(Lab lab)
        {
            var link = new Link();
            ProcessResult allowed = await lab.RunAsync("ip", link._ip, ["netns", "add", link.Name("server")]);
            Need.That(allowed.ExitCode == 0, "network namespaces");
            await lab.MustAsync(link._ip, "netns", "add", link.Name("home"));
            await lab.MustAsync(link._ip, "-n", link.Name("server"), "link", "add", "home", "type", "veth", "peer", "name", "server", "netns", link.Name("home"));
            foreach ((string name, string peer, string address) in new[] { ("server", "home", "10.78.1.1/24"), ("home", "server", "10.78.1.2/24") })
            {
                await lab.MustAsync(link._ip, "-n", link.Name(name), "address", "add", address, "dev", peer);
                await lab.MustAsync(link._ip, "-n", link.Name(name), "link", "set", peer, "up");
                await lab.MustAsync(link._ip, "-n", link.Name(name), "link", "set", "lo", "up");
            }

            return link;
        }

        public Task CutAsync(Lab lab) => lab.MustAsync(_ip, "-n", Name("home"), "link", "set", "server", "down");

        public async ValueTask DisposeAsync()
        {
            foreach (string name in new[] { "server", "home" })
            {
                await ManagedProcess.RunAsync("ip", _ip, ["netns", "delete", Name(name)], TimeSpan.FromSeconds(10));
            }
        }

        private string Name(string name) => $"adit-takeover-{name}-{_suffix}";
    }
}
