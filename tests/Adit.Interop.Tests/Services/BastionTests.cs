using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary>Three machines in network namespaces: client, bastion, and a target that only the bastion can reach.</summary>
[Collection("heavy")]
public sealed class BastionTests
{
    private static int s_next;

    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Reaches_what_only_the_server_can_reach(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Root();
        Need.Tools("ip", "nginx", "curl");
        await using Namespaces net = await Namespaces.CreateAsync(lab);

        Directory.CreateDirectory(lab.Folder["www"]);
        lab.Folder.Write("www/page", "behind the bastion\n");
        int nginx = await lab.StartNginxAsync(lab.Folder["www"], "10.77.2.2", net.In("target"));

        ProcessResult direct = await CurlAsync(lab, net, "http://10.77.2.2:" + nginx);
        Assert.NotEqual(0, direct.ExitCode); // otherwise the test shows nothing

        Server there = await lab.StartServerAsync(server, new ServerOptions { ListenAddress = "10.77.1.2", Prefix = net.In("bastion") }) with { Host = "10.77.1.2" };
        Client here = await lab.StartClientAsync(
            client, there, new ClientOptions { Prefix = net.In("client"), TargetHost = "10.77.2.2", Targets = [nginx] });
        ProcessResult through = await CurlAsync(lab, net, "http://127.0.0.1:" + here.Port);
        Assert.Equal(0, through.ExitCode);
        Assert.Equal("behind the bastion\n", through.Output);
    });

    private static Task<ProcessResult> CurlAsync(Lab lab, Namespaces net, string address)
    {
        string[] command = [.. net.In("client"), Machine.Tool("curl"), "-sS", "--fail", "--max-time", "10", address + "/page"];
        return lab.RunAsync("curl", command[0], command[1..]);
    }

    private sealed class Namespaces : IAsyncDisposable
    {
        private readonly string _suffix = string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}-{Interlocked.Increment(ref s_next)}");
        private readonly string _ip = Machine.Tool("ip");

        public static async Task<Namespaces> CreateAsync(Lab lab)
        {
            var net = new Namespaces();
            ProcessResult allowed = await lab.RunAsync("ip", net._ip, ["netns", "add", net.Name("client")]);
            Need.That(allowed.ExitCode == 0, "network namespaces");
            await net.RunAsync(lab, "netns", "add", net.Name("bastion"));
            await net.RunAsync(lab, "netns", "add", net.Name("target"));
            await net.LinkAsync(lab, "client", "10.77.1.1/24", "bastion", "10.77.1.2/24");
            await net.LinkAsync(lab, "bastion", "10.77.2.1/24", "target", "10.77.2.2/24");
            foreach (string name in new[] { "client", "bastion", "target" })
            {
                await net.RunAsync(lab, "-n", net.Name(name), "link", "set", "lo", "up");
            }

            return net;
        }

        public IReadOnlyList<string> In(string name) => [_ip, "netns", "exec", Name(name)];

        public async ValueTask DisposeAsync()
        {
            foreach (string name in new[] { "client", "bastion", "target" })
            {
                await ManagedProcess.RunAsync("ip", _ip, ["netns", "delete", Name(name)], TimeSpan.FromSeconds(10));
            }
        }

        private string Name(string name) => $"adit-{name}-{_suffix}";

        private async Task LinkAsync(Lab lab, string one, string oneAddress, string two, string twoAddress)
        {
            // Both ends are born inside their namespaces, under names that nothing outside can collide with.
            await RunAsync(lab, "-n", Name(one), "link", "add", "to-" + two, "type", "veth", "peer", "name", "to-" + one, "netns", Name(two));
            foreach ((string name, string peer, string address) in new[] { (one, two, oneAddress), (two, one, twoAddress) })
            {
                await RunAsync(lab, "-n", Name(name), "address", "add", address, "dev", "to-" + peer);
                await RunAsync(lab, "-n", Name(name), "link", "set", "to-" + peer, "up");
            }
        }

        private Task RunAsync(Lab lab, params string[] arguments) => lab.MustAsync(_ip, arguments);
    }
}
