using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-D, to OpenSSH's server and ours, byte by byte; by the programs that people use: <see cref="ProxyTests"/>.</summary>
public sealed class SocksTests
{
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_big_file_comes_through(Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("curl", "nginx");
        string www = lab.Folder["www"];
        Directory.CreateDirectory(www);
        await Route.ShellAsync(lab, $"head -c 104857600 /dev/urandom > {www}/big");
        int nginx = await lab.StartNginxAsync(www);
        int socks = await StartAsync(lab, await lab.StartServerAsync(server));
        string fetched = await Route.ShellAsync(
            lab, $"curl -sS --fail --max-time 100 --socks5-hostname 127.0.0.1:{socks} http://localhost:{nginx}/big | sha256sum");
        Assert.Equal(await Route.ShellAsync(lab, $"sha256sum < {www}/big"), fetched);
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
