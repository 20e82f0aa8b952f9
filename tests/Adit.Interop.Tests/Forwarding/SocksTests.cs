using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-D: real SOCKS clients through our proxy, to OpenSSH's server and ours.</summary>
public sealed class SocksTests
{
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Curl_fetches_by_every_kind_of_SOCKS(Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("curl", "nginx");
        string www = lab.Folder["www"];
        Directory.CreateDirectory(www);
        await Route.ShellAsync(lab, $"head -c 104857600 /dev/urandom > {www}/big; head -c 1000003 {www}/big > {www}/small");
        int nginx = await lab.StartNginxAsync(www);
        int socks = await StartAsync(lab, await lab.StartServerAsync(server));
        async Task SameAsync(string option, string host, string file)
        {
            string fetched = await Route.ShellAsync(lab, $"curl -sS --fail --max-time 100 {option} 127.0.0.1:{socks} http://{host}:{nginx}/{file} | sha256sum");
            Assert.Equal(await Route.ShellAsync(lab, $"sha256sum < {www}/{file}"), fetched);
        }

        await SameAsync("--socks5-hostname", "localhost", "big");
        await SameAsync("--socks5-hostname", "localhost", "small");
        await SameAsync("--socks5", "127.0.0.1", "small");
        await SameAsync("--socks4a", "localhost", "small");
        await SameAsync("--socks4", "127.0.0.1", "small");
    });

    [Fact]
    public Task Git_clones_through_it() => Lab.RunAsync(async lab =>
    {
        Need.Tools("git", "nginx");
        string www = lab.Folder["www"], copy = lab.Folder["copy"];
        Directory.CreateDirectory(www);
        await Route.ShellAsync(lab, $"""
            cd {www} && git init -q work && cd work && seq 100000 > numbers && git add . &&
            git -c user.name=t -c user.email=t@t commit -qm one && git clone -q --bare . ../repo.git && cd ../repo.git && git update-server-info
            """);
        int nginx = await lab.StartNginxAsync(www);
        int socks = await StartAsync(lab, await lab.StartServerAsync(Peer.OpenSsh));
        await Route.ShellAsync(lab, $"git -c http.proxy=socks5h://127.0.0.1:{socks} clone -q http://localhost:{nginx}/repo.git {copy} && cmp {copy}/numbers {www}/work/numbers");
    });

    // OpenSSH's client says yes to everybody and then hangs up; ours says what became of it.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_failed_connection_is_told_with_its_reason(Peer server) => Lab.RunAsync(async lab =>
    {
        int socks = await StartAsync(lab, await lab.StartServerAsync(server));
        int closed = Net.FreePort();
        byte[] to = [(byte)(closed >> 8), (byte)closed];
        Assert.Equal(5, await AskAsync(lab, socks, [1, 127, 0, 0, 1, .. to]));
        Assert.Equal(4, await AskAsync(lab, socks, [3, 12, .. "name.invalid"u8, .. to]));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task What_the_server_forbids_is_not_allowed(Peer server) => Lab.RunAsync(async lab =>
    {
        int socks = await StartAsync(lab, await lab.StartServerAsync(server, new ServerOptions { Lines = ["AllowTcpForwarding no"] }));
        Assert.Equal(2, await AskAsync(lab, socks, [1, 127, 0, 0, 1, 0, 80]));
    });

    private static async Task<int> StartAsync(Lab lab, Server server)
    {
        int port = Net.FreePort();
        ManagedProcess process = lab.Start(
            "client", Machine.Adit, Route.Arguments(await Route.WriteAsync(lab, [server]), server, "-N", "-D", $"127.0.0.1:{port}"));
        await Net.WaitForListenerAsync(process, port, lab.Deadline);
        return port;
    }

    /// <summary>Asks by SOCKS5 and returns the code of the reply, after which the connection has to end.</summary>
    private static async Task<int> AskAsync(Lab lab, int socks, byte[] destination)
    {
        using Socket socket = await Net.ConnectAsync(socks, lab.Deadline);
        await Net.SendAllAsync(socket, new byte[] { 5, 1, 0, 5, 1, 0 }.Concat(destination).ToArray(), lab.Deadline);
        byte[] reply = await Net.ReceiveToEndAsync(socket, lab.Deadline);
        Assert.Equal(12, reply.Length);
        return reply[3];
    }
}
