using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Connection;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>How a forwarded connection ends when the other side, or the connection under it, ends first.</summary>
public class ForwardEndTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    // INVARIANTS 17 and 18: a peer that sends and closes, again and again, to somebody who does not read makes us hold no more than its windows.
    [Fact]
    public async Task AChannelCountsUntilWhatItBroughtIsDelivered()
    {
        var budget = new WindowBudget(1L << 30);
        var sockets = new List<(Socket Ours, Socket Theirs)>();
        var running = new List<Task>();
        await using (var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new Carry(sockets, running)), budget: budget))
        {
            byte[] data = new byte[2_000_000]; // within the first window, more than the kernel takes
            new Random(17).NextBytes(data);
            for (int i = 0; i < 3; i++)
            {
                var near = new ChannelStream();
                await pair.Client.OpenAsync("test", default, near, default).WaitAsync(Deadline);
                await near.WriteAsync(data).AsTask().WaitAsync(Deadline);
                near.Abort(); // CLOSE without EOF
            }
            await using (var last = new ChannelStream())
                await pair.Client.OpenAsync("test", default, last, default).WaitAsync(Deadline); // the server has seen the three CLOSEs when it answers this
            Assert.InRange(pair.Server.ChannelCount, 3, 4);
            Assert.True(budget.Reserved >= 3 * data.Length);

            foreach (var (_, theirs) in sockets.Take(2))
                Assert.Equal(data, await ReadToEndAsync(theirs).WaitAsync(Deadline));
            await Task.WhenAll(running.Take(2)).WaitAsync(Deadline);
            await WaitUntilAsync(() => pair.Server.ChannelCount == 1);
        }
        // INVARIANTS 19: the third one's bytes are lost with the connection, and its reader must be able to tell.
        await Task.WhenAll(running).WaitAsync(Deadline);
        var reset = await Assert.ThrowsAsync<SocketException>(() => ReadToEndAsync(sockets[2].Theirs).WaitAsync(Deadline));
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
        Assert.Equal(0, budget.Reserved);
        foreach (var (_, theirs) in sockets)
            theirs.Dispose();
    }

    // The same through the facades: neither end's shutdown waits for somebody who does not read.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AReaderThatNeverReadsDoesNotHoldUpTheShutdown(bool nearIsLazy)
    {
        var tunnel = await TunnelPair.ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        var (lazy, writer) = nearIsLazy ? (near, far) : (far, near);
        var sending = writer.SendAsync(new byte[40_000_000]); // more than the windows and the kernel's buffers on the way
        await Task.WhenAny(sending, Task.Delay(500));
        writer.LingerState = new LingerOption(true, 0);
        writer.Dispose();
        await WaitUntilAsync(() => sending.IsCompleted);
        await tunnel.DisposeAsync().AsTask().WaitAsync(Deadline);
        await Assert.ThrowsAsync<SocketException>(() => ReadToEndAsync(lazy).WaitAsync(Deadline));
        lazy.Dispose();
    }

    // INVARIANTS 19: a connection that is lost must not look like an orderly end, whatever its two directions were doing.
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task ALostConnectionResetsItsSockets(bool localEof, bool backlog)
    {
        for (int round = 0; round < 40; round++)
        {
            var sockets = new List<(Socket Ours, Socket Theirs)>();
            var running = new List<Task>();
            await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new Carry(sockets, running)));
            var near = new ChannelStream();
            await pair.Client.OpenAsync("test", default, near, default).WaitAsync(Deadline);
            var theirs = sockets[0].Theirs;
            await near.WriteAsync("hello"u8.ToArray());
            await ReceiveAsync(theirs, 5);
            if (localEof)
            {
                theirs.Shutdown(SocketShutdown.Send);
                Assert.Equal(0, await near.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
            }
            if (backlog)
                await near.WriteAsync(new byte[2_000_000]).AsTask().WaitAsync(Deadline);
            pair.ClientTransport.End(new SshException(SshError.ConnectionLost, "pulled out"));
            await pair.ServerTransport.Completion.WaitAsync(Deadline);
            await Task.WhenAll(running).WaitAsync(Deadline);
            var reset = await Assert.ThrowsAsync<SocketException>(() => ReadToEndAsync(theirs).WaitAsync(Deadline));
            Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
            theirs.Dispose();
        }
    }

    // INVARIANTS 21: a session's death frees its listeners, also one that was being made meanwhile.
    [Fact]
    public async Task AForwardAskedForAfterTheEndIsNotMade()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await tunnel.Server.StopAsync(TimeSpan.Zero).WaitAsync(Deadline);
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.Completion.WaitAsync(Deadline));
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        probe.Dispose();
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardLocalAsync(ForwardAddress.Tcp("127.0.0.1", port), ForwardAddress.Tcp("127.0.0.1", 9)));
        using var again = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        again.Bind(new IPEndPoint(IPAddress.Loopback, port)); // nobody listens there
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[100_000];
        while (await socket.ReceiveAsync(buffer) is > 0 and var count)
            all.Write(buffer, 0, count);
        return all.ToArray();
    }

    private static async Task ReceiveAsync(Socket socket, int length)
    {
        byte[] buffer = new byte[length];
        for (int got = 0; got < length;)
            got += await socket.ReceiveAsync(buffer.AsMemory(got)).AsTask().WaitAsync(Deadline);
    }

    private static async Task WaitUntilAsync(Func<bool> condition)
    {
        var end = DateTime.UtcNow + Deadline;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < end, "the condition did not come true in time");
            await Task.Yield();
        }
    }

    /// <summary>Accepts each channel onto one end of a fresh pair of sockets and keeps the other.</summary>
    private sealed class Carry(List<(Socket Ours, Socket Theirs)> sockets, List<Task> running) : IChannelHandler
    {
        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 8192 };
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(1);
            var ours = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { SendBufferSize = 8192 };
            await ours.ConnectAsync(listener.LocalEndPoint!, cancellationToken);
            var theirs = await listener.AcceptAsync(cancellationToken);
            var connection = new ForwardConnection(ours);
            lock (sockets)
                sockets.Add((ours, theirs));
            Assert.NotNull(request.Accept(connection));
            lock (sockets)
                running.Add(connection.RunAsync());
        }
    }
}
