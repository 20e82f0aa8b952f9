using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary>Machines in network namespaces, some of which only one of the others can reach.</summary>
[Collection("heavy")]
public sealed class BastionTests
{
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Reaches_what_only_the_server_can_reach(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("ip", "nginx", "curl");
        Namespaces net = await Namespaces.CreateAsync(lab, "client", "bastion", "target");
        await net.LinkAsync("client", "10.77.1.1/24", "bastion", "10.77.1.2/24");
        await net.LinkAsync("bastion", "10.77.2.1/24", "target", "10.77.2.2/24");
        int nginx = await StartPageAsync(lab, net, "target", "10.77.2.2");
        Assert.NotEqual(0, (await CurlAsync(net, "client", "10.77.2.2", nginx)).ExitCode); // otherwise the test shows nothing

        Server there = await lab.StartServerAsync(server, new ServerOptions { ListenAddress = "10.77.1.2", Prefix = net.In("bastion") }) with { Host = "10.77.1.2" };
        Client here = await lab.StartClientAsync(
            client, there, new ClientOptions { Prefix = net.In("client"), TargetHost = "10.77.2.2", Targets = [nginx] });
        Assert.Equal("a page behind it\n", (await CurlAsync(net, "client", "127.0.0.1", here.Port)).Output);
    });

    // The other way round, and farther: a visitor reaches, at the server, a machine that only the client knows, by a name that only the client can resolve.
    [Theory]
    [InlineData(Peer.Adit, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    public Task Shows_visitors_what_only_the_client_can_reach(Peer client, Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("ip", "nginx", "curl");
        Namespaces net = await Namespaces.CreateAsync(lab, "visitor", "server", "client", "inside");
        await net.LinkAsync("visitor", "10.77.1.1/24", "server", "10.77.1.2/24");
        await net.LinkAsync("server", "10.77.2.1/24", "client", "10.77.2.2/24");
        await net.LinkAsync("client", "10.77.3.1/24", "inside", "10.77.3.2/24");
        net.Name("client", "10.77.3.2 printer.test");
        net.Name("server");
        int nginx = await StartPageAsync(lab, net, "inside", "10.77.3.2");

        int port = Net.FreePort();
        var options = new ServerOptions { ListenAddress = "10.77.2.1", Prefix = net.In("server"), Lines = ["GatewayPorts clientspecified"] };
        Server there = await lab.StartServerAsync(server, options) with { Host = "10.77.2.1" };
        await lab.StartClientAsync(
            client, there, new ClientOptions { Prefix = net.In("client"), Arguments = ["-R", $"10.77.1.2:{port}:printer.test:{nginx}"] });
        await Net.WaitForListenerAsync(there.Process, port, lab.Deadline);
        Assert.Equal("a page behind it\n", (await CurlAsync(net, "visitor", "10.77.1.2", port)).Output);
        Assert.NotEqual(0, (await CurlAsync(net, "server", "127.0.0.1", port)).ExitCode); // that address and no other
    });

    private static async Task<int> StartPageAsync(Lab lab, Namespaces net, string machine, string address)
    {
        Directory.CreateDirectory(lab.Folder["www"]);
        lab.Folder.Write("www/page", "a page behind it\n");
        return await lab.StartNginxAsync(lab.Folder["www"], address, net.In(machine));
    }

    private static Task<ProcessResult> CurlAsync(Namespaces net, string machine, string host, int port) =>
        net.RunAsync(machine, "curl", "-sS", "--fail", "--max-time", "10", $"http://{host}:{port}/page");
}
