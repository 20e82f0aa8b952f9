using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>-R without a destination, between our client and our server.</summary>
public class ReverseDynamicTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // INVARIANTS 15: what a client sends along with its request, before any answer, arrives; and the answer comes before the first byte from the far end.
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task PipelinedPayloadArrivesAndTheAnswerComesFirst(int version)
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", Anything);
        int port = TargetPort(tunnel);
        byte[] request = version == 4
            ? [4, 1, (byte)(port >> 8), (byte)port, 0, 0, 0, 1, 0, .. "localhost"u8, 0]
            : [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(port >> 8), (byte)port];
        byte[] payload = RandomNumberGenerator.GetBytes(3_000_000); // more than a window
        var near = await ConnectAsync(socks);
        var sending = SendAllAsync(near, request.Concat(payload).ToArray()); // in one go
        var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        await far.SendAsync("welcome"u8.ToArray());
        byte[] got = new byte[payload.Length];
        await ReceiveExactlyAsync(far, got);
        await sending.WaitAsync(Deadline);
        Assert.True(payload.AsSpan().SequenceEqual(got));
        byte[] answer = version == 4 ? [0, 90, 0, 0, 0, 0, 0, 0] : [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, (byte)(port >> 8), (byte)port];
        byte[] expected = [.. answer, .. "welcome"u8];
        byte[] heard = new byte[expected.Length];
        await ReceiveExactlyAsync(near, heard);
        Assert.Equal(expected, heard);
        // INVARIANTS 19: half-close is kept here too.
        near.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await far.ReceiveAsync(got).WaitAsync(Deadline));
        await far.SendAsync("late"u8.ToArray());
        await ReceiveExactlyAsync(near, new byte[4]);
        far.Dispose();
        Assert.Equal(0, await near.ReceiveAsync(got).WaitAsync(Deadline));
    }

    // One that is done with sending before it was answered: request, payload and end in one.
    [Fact]
    public async Task AnEarlyHalfCloseIsPassedOn()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", Anything);
        var near = await ConnectAsync(socks);
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
    public async Task RequestsByteAtATimeAndByNameWork()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", Anything);
        int port = TargetPort(tunnel);
        var near = await ConnectAsync(socks);
        byte[] request = [5, 2, 2, 0, 5, 1, 0, 3, 9, .. "localhost"u8, (byte)(port >> 8), (byte)port];
        foreach (byte one in request)
            await near.SendAsync(new[] { one });
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        byte[] answer = new byte[12];
        await ReceiveExactlyAsync(near, answer);
        Assert.Equal([5, 0, 5, 0], answer[..4]);
        Assert.Null(socks.Destination);
        Assert.Equal(1, socks.Connections);
    }

    // A client hears the truth, and hears it even when it has sent more than was read.
    [Fact]
    public async Task AFailedConnectionIsToldWithItsReason()
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(client: client => client.LoggerFactory = new OneLogger(log));
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", Anything);
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound and not listening: refuses
        int port = ((IPEndPoint)closed.LocalEndPoint!).Port;
        byte[] to = [(byte)(port >> 8), (byte)port];
        byte[] payload = new byte[10_000];
        Assert.Equal([5, 0, 5, 5, 0, 1, 0, 0, 0, 0, .. to], await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, .. to, .. payload]));
        Assert.Equal([0, 91, 0, 0, 0, 0, 0, 0], await TalkAsync(socks, [4, 1, .. to, 127, 0, 0, 1, 0, .. payload]));
        Assert.Equal([5, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 80], await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 3, 12, .. "name.invalid"u8, 0, 80]));
        Assert.Equal([5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0], await TalkAsync(socks, [5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, .. to])); // BIND
        Assert.Equal([5, 0xff], await TalkAsync(socks, [5, 1, 2]));
        Assert.Empty(await TalkAsync(socks, "GET / HTTP/1.0\r\n\r\n"u8.ToArray()));
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
        Assert.Equal(refused, await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 3, 6, .. "secret"u8, .. to]));
        Assert.Equal("secret", Assert.Single(asked).Destination.Host); // and nobody looked the name up
        Assert.Null(asked[0].Resolved);
        Assert.Equal(refused, await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 3, 9, .. "localhost"u8, .. to]));
        Assert.Contains(asked, request => request is { Destination.Host: "localhost", Resolved: not null });
        Assert.Equal([0, 91, 0, 0, 0, 0, 0, 0], await TalkAsync(socks, [4, 1, .. to, 127, 0, 0, 1, 0]));
        Assert.Equal(3, log.Lines.Count(line => line.Level == LogLevel.Information && line.Text.StartsWith("refused remote dynamic forward: ", StringComparison.Ordinal)));
        Assert.False(tunnel.Target.Poll(0, SelectMode.SelectRead)); // nobody connected
    }

    [Fact]
    public async Task APolicyThatThrowsRefuses()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("0", (_, _) => throw new InvalidOperationException("a bug"));
        byte[] heard = await TalkAsync(socks, Request(TargetPort(tunnel)));
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

    // INVARIANTS 20: clients that go away or stop at any point of the conversation cost nothing, and the next one is served.
    [Fact]
    public async Task ClientsThatGoAwayAtAnyPointLeakNothing()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var socks = await tunnel.Client.ForwardRemoteDynamicAsync("127.0.0.1:0", Anything);
        byte[] request = [.. Request(TargetPort(tunnel)), 42];
        for (int length = 0; length <= request.Length; length++)
        {
            foreach (bool reset in new[] { true, false })
            {
                var near = await ConnectAsync(socks);
                await near.SendAsync(request[..length]);
                if (reset)
                    near.LingerState = new LingerOption(true, 0);
                near.Dispose();
            }
        }
        byte[] answer = new byte[12];
        var last = await ConnectAsync(socks);
        await last.SendAsync(request);
        await ReceiveExactlyAsync(last, answer);
        last.LingerState = new LingerOption(true, 0);
        last.Dispose();
        using var deadline = new CancellationTokenSource(Deadline);
        while (tunnel.Client.ActiveConnections > 0)
        {
            // Whoever waits at the target is let go, as a service would.
            if (tunnel.Target.Poll(10_000, SelectMode.SelectRead))
                (await tunnel.Target.AcceptAsync(deadline.Token)).Dispose();
            deadline.Token.ThrowIfCancellationRequested();
        }
    }

    private static ValueTask<ForwardingDecision> Anything(RemoteDynamicRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Allow);

    private static int TargetPort(TunnelPair tunnel) => ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port;

    private static byte[] Request(int port) => [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(port >> 8), (byte)port];

    private static async Task<Socket> ConnectAsync(RemoteForward socks)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, socks.Port);
        return socket;
    }

    /// <summary>Says something and returns all that is answered up to the end.</summary>
    private static async Task<byte[]> TalkAsync(RemoteForward socks, byte[] text)
    {
        using var socket = await ConnectAsync(socks);
        await socket.SendAsync(text);
        var all = new List<byte>();
        byte[] buffer = new byte[100];
        while (await socket.ReceiveAsync(buffer).WaitAsync(Deadline) is var count and > 0)
            all.AddRange(buffer[..count]);
        return [.. all];
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
            data = data[await socket.SendAsync(data)..];
    }

    private static async Task ReceiveExactlyAsync(Socket socket, byte[] buffer)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        for (int got = 0; got < buffer.Length;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(got), deadline.Token);
            Assert.NotEqual(0, count);
            got += count;
        }
    }

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
