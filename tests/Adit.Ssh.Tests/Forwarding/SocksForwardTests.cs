using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>What a SOCKS client sees, whichever side it is on: of -D, and of -R without a destination.</summary>
public abstract class SocksForwardTests
{
    protected static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // INVARIANTS 15: what a client sends along with its request, before any answer, arrives; and the answer comes before the first byte from the far end.
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task PipelinedPayloadArrivesAndTheAnswerComesFirst(int version)
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        int socks = await ForwardAsync(tunnel);
        int port = TargetPort(tunnel);
        byte[] request = version == 4
            ? [4, 1, (byte)(port >> 8), (byte)port, 0, 0, 0, 1, 0, .. "localhost"u8, 0]
            : Request(port);
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

    [Fact]
    public async Task RequestsByteAtATimeAndByNameWork()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        int socks = await ForwardAsync(tunnel);
        int port = TargetPort(tunnel);
        var near = await ConnectAsync(socks);
        byte[] request = [5, 2, 2, 0, 5, 1, 0, 3, 9, .. "localhost"u8, (byte)(port >> 8), (byte)port];
        foreach (byte one in request)
            await near.SendAsync(new[] { one });
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        byte[] answer = new byte[12];
        await ReceiveExactlyAsync(near, answer);
        Assert.Equal([5, 0, 5, 0], answer[..4]);
    }

    // A client hears the truth, and hears it even when it has sent more than was read.
    [Fact]
    public async Task AFailedConnectionIsToldWithItsReason()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        int socks = await ForwardAsync(tunnel);
        using var closed = Refusing(out byte[] to);
        byte[] payload = new byte[10_000];
        Assert.Equal([5, 0, 5, 5, 0, 1, 0, 0, 0, 0, .. to], await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, .. to, .. payload]));
        Assert.Equal([0, 91, 0, 0, 0, 0, 0, 0], await TalkAsync(socks, [4, 1, .. to, 127, 0, 0, 1, 0, .. payload]));
        Assert.Equal([5, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 80], await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 3, 12, .. "name.invalid"u8, 0, 80]));
        Assert.Equal([5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0], await TalkAsync(socks, [5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, .. to])); // BIND
        Assert.Equal([5, 0xff], await TalkAsync(socks, [5, 1, 2]));
        Assert.Empty(await TalkAsync(socks, "GET / HTTP/1.0\r\n\r\n"u8.ToArray()));
    }

    // INVARIANTS 20: clients that go away or stop at any point of the conversation cost nothing, and the next one is served.
    [Fact]
    public async Task ClientsThatGoAwayAtAnyPointLeakNothing()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        int socks = await ForwardAsync(tunnel);
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

    /// <summary>Has the client or the server listen, until the connection ends. Returns the port.</summary>
    private protected abstract Task<int> ForwardAsync(TunnelPair tunnel);

    private protected static int TargetPort(TunnelPair tunnel) => ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port;

    protected static byte[] Request(int port) => [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, (byte)(port >> 8), (byte)port];

    /// <summary>A socket that is bound and not listening: its port, as SOCKS writes it, refuses.</summary>
    protected static Socket Refusing(out byte[] port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int number = ((IPEndPoint)socket.LocalEndPoint!).Port;
        port = [(byte)(number >> 8), (byte)number];
        return socket;
    }

    protected static async Task<Socket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    /// <summary>Says something and returns all that is answered up to the end.</summary>
    protected static async Task<byte[]> TalkAsync(int port, byte[] text)
    {
        using var socket = await ConnectAsync(port);
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

    protected static async Task ReceiveExactlyAsync(Socket socket, byte[] buffer)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        for (int got = 0; got < buffer.Length;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(got), deadline.Token);
            Assert.NotEqual(0, count);
            got += count;
        }
    }
}
