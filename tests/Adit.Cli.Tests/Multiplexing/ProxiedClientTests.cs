using System.Net;
using System.Net.Sockets;
using Adit.Cli.Tests.Client;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Transport;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>A connection of this process, used by another client in proxy mode; and the messages that mean nothing on it.</summary>
public sealed class ProxiedClientTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Another_client_opens_its_own_connections_and_its_end_is_nobody_elses()
    {
        await using var server = await TestServer.StartAsync();
        await using var master = await ConnectAsync(server);
        await using var own = await master.OpenTcpAsync("127.0.0.1", server.EchoPort).WaitAsync(Patience);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var near = new TcpClient();
        await near.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using var far = await listener.AcceptTcpClientAsync();
        var carrying = master.CarryProxyAsync(far.GetStream());
        await using (var passenger = SshClient.OverProxy(near.GetStream(), new SshClientOptions { Host = "127.0.0.1", UserName = "alice" }))
        {
            Assert.True(passenger.IsProxied);
            Assert.False(passenger.KnowsPing);
            passenger.RequestRekey(); // nothing to agree on
            await using var one = await passenger.OpenTcpAsync("127.0.0.1", server.EchoPort).WaitAsync(Patience);
            await using var two = await passenger.OpenTcpAsync("127.0.0.1", server.EchoPort).WaitAsync(Patience);
            await EchoAsync(one);
            await EchoAsync(two);
            await EchoAsync(own);
            var refused = await Assert.ThrowsAsync<SshException>(() => passenger.OpenTcpAsync("127.0.0.1", 1)).WaitAsync(Patience);
            Assert.Equal(SshError.ChannelOpenFailed, refused.Error);
        }

        far.Dispose();
        await carrying.WaitAsync(Patience);
        await EchoAsync(own);
    }

    [Fact]
    public async Task Our_server_takes_messages_that_mean_nothing()
    {
        await using var server = await TestServer.StartAsync();
        await using var client = await ConnectAsync(server);
        Assert.True(client.KnowsPing);
        await using var stream = await client.OpenTcpAsync("127.0.0.1", server.EchoPort).WaitAsync(Patience);
        for (var i = 0; i < 200; i++)
        {
            client.SendPing();
        }

        await EchoAsync(stream);
    }

    private static Task<SshClient> ConnectAsync(TestServer server) => SshClient.ConnectAsync(new SshClientOptions
    {
        Host = "127.0.0.1",
        Port = server.Port,
        UserName = "alice",
        HostKeyVerifier = new Trusting(),
        Credentials = { Credential.Password((_, _) => ValueTask.FromResult<string?>(TestServer.Password)) },
    }).WaitAsync(Patience);

    private static async Task EchoAsync(Stream stream)
    {
        byte[] received = new byte[4];
        await stream.WriteAsync(new byte[] { 1, 2, 3, 4 }).AsTask().WaitAsync(Patience);
        await stream.ReadExactlyAsync(received).AsTask().WaitAsync(Patience);
        Assert.Equal([1, 2, 3, 4], received);
    }

    private sealed class Trusting : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
