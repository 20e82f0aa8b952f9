using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>-R without a destination: real SOCKS clients at the server, OpenSSH's and ours, whose connections start at our client.</summary>
public sealed partial class ReverseSocksTests
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
        (_, int socks) = await StartAsync(lab, await lab.StartServerAsync(server), "0");
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

    // curl 97: the proxy said no, which it can only when the proxy waits for the connection before it answers.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Curl_is_told_why_it_failed(Peer server) => Lab.RunAsync(async lab =>
    {
        Need.Tools("curl");
        (ManagedProcess client, int socks) = await StartAsync(lab, await lab.StartServerAsync(server), "127.0.0.1:0", "-o", "PermitRemoteOpen=127.0.0.1:* name.invalid:80");
        int closed = Net.FreePort();
        async Task FailsAsync(string option, string host, int port, string words)
        {
            ProcessResult result = await lab.RunAsync(
                "curl", Machine.Tool("curl"), ["-sS", "--max-time", "60", option, $"127.0.0.1:{socks}", $"http://{host}:{port}/"]);
            Assert.Equal(97, result.ExitCode);
            Assert.Contains(words, result.Errors, StringComparison.Ordinal);
        }

        await FailsAsync("--socks5", "127.0.0.1", closed, "(5)");
        await FailsAsync("--socks5-hostname", "name.invalid", 80, "(4)");
        await FailsAsync("--socks5-hostname", "localhost", closed, "(2)"); // the name is not the one that is permitted
        await FailsAsync("--socks4", "127.0.0.1", closed, "(91)");
        Assert.Equal(2, client.CountLines($"connect_to 127.0.0.1 port {closed}: failed."));
        Assert.Equal(1, client.CountLines("connect_to name.invalid: unknown host ("));
        Assert.Equal(1, client.CountLines($"asks for localhost:{closed}: PermitRemoteOpen 127.0.0.1:* name.invalid:80 forbids it"));
        Assert.False(client.HasExited);
    });

    [Theory]
    [InlineData("none", 2)]
    [InlineData("any", 0)]
    [InlineData("127.0.0.1:PORT", 0)]
    [InlineData("*:PORT", 0)]
    [InlineData("127.0.0.1:*", 0)]
    [InlineData("127.0.0.1:1 127.0.0.2:PORT", 2)]
    [InlineData("localhost:PORT", 2)] // names are compared as they are written
    public Task PermitRemoteOpen_is_exact(string permitted, int reply) => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        (_, int socks) = await StartAsync(lab, await lab.StartServerAsync(Peer.OpenSsh), "0", "-o",
            $"PermitRemoteOpen {permitted.Replace("PORT", Daemons.Text(echo.Port), StringComparison.Ordinal)}");
        using Socket socket = await Net.ConnectAsync(socks, lab.Deadline);
        // A byte at a time, greeting and request without waiting for an answer.
        foreach (byte one in new byte[] { 5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(echo.Port >> 8), (byte)echo.Port })
        {
            await Net.SendAllAsync(socket, new[] { one }, lab.Deadline);
        }

        byte[] answer = new byte[12];
        await Net.ReceiveExactlyAsync(socket, answer, lab.Deadline);
        Assert.Equal(reply, answer[3]);
        if (reply == 0)
        {
            await Traffic.EchoAsync(socket, 100_000, lab.Deadline);
        }
        else
        {
            Assert.Empty(await Net.ReceiveToEndAsync(socket, lab.Deadline));
        }
    });

    [Fact]
    public Task The_configuration_asks_for_it_too() => Lab.RunAsync(async lab =>
    {
        await using Service echo = Service.Echo(lab.Deadline);
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        int port = Net.FreePort();
        string config = await Route.WriteAsync(lab, [server], $"RemoteForward 127.0.0.1:{port}\nRemoteForward 0\nPermitRemoteOpen 127.0.0.1:{echo.Port}\n");
        ManagedProcess client = lab.Start("client", Machine.Adit, Route.Arguments(config, server, "-N", "-v"));
        await client.WaitForLineAsync("for remote forward to socks:0", lab.Deadline);
        await Net.WaitForListenerAsync(client, port, lab.Deadline);
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        await Net.SendAllAsync(socket, new byte[] { 4, 1, (byte)(echo.Port >> 8), (byte)echo.Port, 127, 0, 0, 1, 0 }, lab.Deadline);
        byte[] answer = new byte[8];
        await Net.ReceiveExactlyAsync(socket, answer, lab.Deadline);
        Assert.Equal(90, answer[1]);
        await Traffic.EchoAsync(socket, 1000, lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_server_that_refuses_to_listen_ends_it_where_that_is_asked_for(Peer server) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(server, new ServerOptions { Lines = ["AllowTcpForwarding local"] });
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(await Route.WriteAsync(lab, [there]), there, "-N", "-R", "1080"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Error: remote port forwarding failed for listen port 1080", result.ErrorLines);
    });

    /// <summary>Starts our client and returns the port that the server gave its proxy.</summary>
    private static async Task<(ManagedProcess Client, int Port)> StartAsync(Lab lab, Server server, string listen, params string[] more)
    {
        ManagedProcess process = lab.Start("client", Machine.Adit, Route.Arguments(await Route.WriteAsync(lab, [server]), server, ["-N", "-R", listen, .. more]));
        Match allocated = AllocatedPort().Match(await process.WaitForLineAsync("Allocated port", lab.Deadline));
        Assert.True(allocated.Success);
        return (process, int.Parse(allocated.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("^Allocated port ([0-9]+) for remote forward to socks:0$")]
    private static partial Regex AllocatedPort();
}
