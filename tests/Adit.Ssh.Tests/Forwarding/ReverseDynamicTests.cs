using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>-R without a destination, between our client and our server.</summary>
public class ReverseDynamicTests : SocksForwardTests
{
    // One that is done with sending before it was answered: request, payload and end in one.
    [Fact]
    public async Task AnEarlyHalfCloseIsPassedOn()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", Anything);
        var near = await ConnectAsync(socks.Port);
        await near.SendAsync(Request(TargetPort(tunnel)).Concat("question"u8.ToArray()).ToArray());
        near.Shutdown(SocketShutdown.Send);
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        byte[] question = new byte[8];
        await ReceiveExactlyAsync(far, question);
        Assert.Equal("question"u8.ToArray(), question);
        Assert.Equal(0, await far.ReceiveAsync(question).WaitAsync(Deadline));
        await far.SendAsync("answer"u8.ToArray());
        far.Shutdown(SocketShutdown.Send);
        byte[] answer = new byte[12 + 6];
        await ReceiveExactlyAsync(near, answer);
        Assert.Equal("answer"u8.ToArray(), answer[12..]);
        Assert.Equal(0, await near.ReceiveAsync(question).WaitAsync(Deadline));
    }

    [Fact]
    public async Task TheServerGivesConnectionsNoDestinationOfItsOwn()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", Anything);
        var near = await ConnectAsync(socks.Port);
        await near.SendAsync(Request(TargetPort(tunnel)));
        await ReceiveExactlyAsync(near, new byte[12]);
        Assert.Null(socks.Destination);
        Assert.Equal(1, socks.Connections);
    }

    [Fact]
    public async Task AFailedConnectionIsLoggedHereToo()
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(client: client => client.LoggerFactory = new OneLogger(log));
        int socks = await ForwardAsync(tunnel);
        using var closed = Refusing(out byte[] to);
        await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, .. to]);
        int port = (to[0] << 8) | to[1];
        Assert.Contains($"connect_to 127.0.0.1 port {port}: failed.", log.Texts);
        Assert.Contains(log.Texts, text => text.EndsWith($"127.0.0.1:{port} cannot be reached from here: Connection refused", StringComparison.Ordinal));
    }

    // INVARIANTS 23 and 24: asked for each connection, before the name is looked up, and again with each address.
    [Fact]
    public async Task ThePolicyDecidesByNameAndByAddress()
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(client: client => client.LoggerFactory = new OneLogger(log));
        int port = TargetPort(tunnel);
        byte[] to = [(byte)(port >> 8), (byte)port];
        var asked = new List<RemoteDynamicRequest>();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", (request, _) =>
        {
            lock (asked)
                asked.Add(request);
            return new(request.Destination.Host == "secret" || request.Resolved is { } address && IPAddress.IsLoopback(address)
                ? ForwardingDecision.Deny("the \u001b[31mrule") : ForwardingDecision.Allow);
        });
        byte[] refused = [5, 0, 5, 2, 0, 1, 0, 0, 0, 0, .. to];
        Assert.Equal(refused, await TalkAsync(socks.Port, [5, 1, 0, 5, 1, 0, 3, 6, .. "secret"u8, .. to]));
        Assert.Equal("secret", Assert.Single(asked).Destination.Host); // and nobody looked the name up
        Assert.Null(asked[0].Resolved);
        Assert.Equal(refused, await TalkAsync(socks.Port, [5, 1, 0, 5, 1, 0, 3, 9, .. "localhost"u8, .. to]));
        Assert.Contains(asked, request => request is { Destination.Host: "localhost", Resolved: not null });
        Assert.Equal([0, 91, 0, 0, 0, 0, 0, 0], await TalkAsync(socks.Port, [4, 1, .. to, 127, 0, 0, 1, 0]));
        Assert.Equal(3, log.Lines.Count(line => line.Level == LogLevel.Information && line.Text.StartsWith("refused remote dynamic forward: ", StringComparison.Ordinal)));
        Assert.False(tunnel.Target.Poll(0, SelectMode.SelectRead)); // nobody connected
    }

    [Fact]
    public async Task APolicyThatThrowsRefuses()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", (_, _) => throw new InvalidOperationException("a bug"));
        byte[] heard = await TalkAsync(socks.Port, Request(TargetPort(tunnel)));
        Assert.Equal([5, 0, 5, 1], heard[..4]);
        Assert.False(tunnel.Target.Poll(0, SelectMode.SelectRead));
    }

    [Fact]
    public async Task TheServerMayRefuseToListen()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(server: options => options.ForwardingPolicy = null);
        var error = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", Anything));
        Assert.Equal(SshError.ForwardFailed, error.Error);
    }

    private protected override async Task<int> ForwardAsync(TunnelPair tunnel) => (await tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", Anything)).Port;

    private static ValueTask<ForwardingDecision> Anything(RemoteDynamicRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Allow);

    private sealed class OneLogger(ILogger logger) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => logger;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
