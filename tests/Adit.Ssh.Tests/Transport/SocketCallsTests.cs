using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class SocketCallsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task AConnectedSocketCarriesBytesAndKnowsBothAddresses(string address)
    {
        using var listener = Listen(IPAddress.Parse(address));
        using var socket = new Socket(listener.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await SocketReadiness.ConnectAsync(socket, listener.LocalEndPoint!, CancellationToken.None).AsTask().WaitAsync(Deadline);
        using var accepted = await listener.AcceptAsync().WaitAsync(Deadline);

        Assert.Equal(listener.LocalEndPoint, SocketCalls.Remote(socket));
        Assert.Equal(accepted.RemoteEndPoint, SocketCalls.Local(socket));
        Assert.Equal(accepted.LocalEndPoint, SocketCalls.Remote(socket));
        socket.Send([42]);
        byte[] one = new byte[1];
        Assert.Equal(1, await accepted.ReceiveAsync(one).WaitAsync(Deadline));
        socket.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await accepted.ReceiveAsync(one).WaitAsync(Deadline));
    }

    // connect(2) itself refuses: the error is put into the same words as any other.
    [Fact]
    public async Task AnAttemptThatCannotEvenBeginSaysWhy()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var broadcast = new IPEndPoint(IPAddress.Broadcast, 9);
        var error = await Assert.ThrowsAsync<SocketException>(() => SocketReadiness.ConnectAsync(socket, broadcast, CancellationToken.None).AsTask().WaitAsync(Deadline));
        Assert.Contains(error.SocketErrorCode, new[] { SocketError.NetworkUnreachable, SocketError.AccessDenied, SocketError.AddressNotAvailable, SocketError.HostUnreachable });
    }

    [Fact]
    public void AUnixSocketHasNoAddressOfThisKind()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Assert.Null(SocketCalls.Remote(socket));
        Assert.Null(SocketCalls.Local(socket));
    }

    [Fact]
    public async Task EveryConnectionOfABurstIsAcceptedAndTheLoopEndsWhenAsked()
    {
        const int Count = 500;
        using var listener = Listen(IPAddress.Loopback, Count);
        using var stop = new CancellationTokenSource();
        int accepted = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = AcceptLoop.RunAsync(listener, socket =>
        {
            socket.Dispose();
            if (Interlocked.Increment(ref accepted) == Count)
                all.SetResult();
        }, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, stop.Token);
        var clients = Enumerable.Range(0, Count).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        try
        {
            foreach (var client in clients)
                await SocketReadiness.ConnectAsync(client, listener.LocalEndPoint!, CancellationToken.None).AsTask().WaitAsync(Deadline);
            await all.Task.WaitAsync(Deadline);
            Assert.False(loop.IsCompleted);
            await stop.CancelAsync();
            await loop.WaitAsync(Deadline);
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }

    // A review may close a listener between the answer that announces it and its first accept.
    [Fact]
    public async Task AListenerThatIsClosedBeforeItBeginsNeverBegins()
    {
        var forward = ForwardListener.Bind(
            await ListenTarget.ResolveAsync(ForwardAddress.Tcp("127.0.0.1", 0), new ListenOptions(), CancellationToken.None), new ListenOptions(),
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await forward.DisposeAsync().AsTask().WaitAsync(Deadline);
        forward.Start(_ => Assert.Fail("accepted"));

        using var listener = Listen(IPAddress.Loopback);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        listener.Dispose();
        await AcceptLoop.RunAsync(listener, _ => Assert.Fail("accepted"), Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, stop.Token).WaitAsync(Deadline);
    }

    // It accepts no more, for good: nobody may turn round as fast as possible for that.
    [Fact]
    public async Task AListenerThatIsBrokenIsAskedNowAndThen()
    {
        using var listener = Listen(IPAddress.Loopback);
        using var stop = new CancellationTokenSource();
        var log = new Authentication.ListLogger();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var loop = AcceptLoop.RunAsync(listener, _ => { }, log, stop.Token);
        listener.Shutdown(SocketShutdown.Both);
        using (var timer = new CancellationTokenSource(Deadline))
        {
            while (!log.Texts.Any(text => text.StartsWith("accept: 10 failures in a row", StringComparison.Ordinal)))
                await Task.Delay(10, timer.Token);
        }
        Assert.InRange(log.Lines.Count, 11, 11 * (2 + clock.Elapsed.TotalSeconds)); // eleven lines a second
        await stop.CancelAsync();
        await loop.WaitAsync(Deadline);
    }

    // connect(2) says EAGAIN there, which means that nothing is under way, and the socket looks as if it could be written to.
    [Fact]
    public async Task AUnixListenerWhoseQueueIsFullIsNotTakenForConnected()
    {
        string path = Path.Combine(Path.GetTempPath(), $"adit-{Guid.NewGuid():N}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var sockets = new List<Socket>();
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(1);
            var error = await Assert.ThrowsAsync<SocketException>(async () =>
            {
                for (int i = 0; i < 100; i++)
                {
                    sockets.Add(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified));
                    await SocketReadiness.ConnectAsync(sockets[^1], new UnixDomainSocketEndPoint(path), CancellationToken.None).AsTask().WaitAsync(Deadline);
                }
            });
            Assert.Equal(SocketError.WouldBlock, error.SocketErrorCode);
        }
        finally
        {
            sockets.ForEach(socket => socket.Dispose());
            File.Delete(path);
        }
    }

    private static Socket Listen(IPAddress address, int backlog = 16)
    {
        var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(address, 0));
        listener.Listen(backlog);
        return listener;
    }
}
