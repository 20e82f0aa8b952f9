using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Reverse dynamic forwarding against a server and a dialer that the test plays.</summary>
public class ReverseDynamicPeerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly byte[] Request = [5, 1, 0, 5, 1, 0, 3, 4, .. "host"u8, 0, 80];

    // What OpenSSH's client does not do: its yes comes before it has tried.
    [Fact]
    public async Task TheAnswerWaitsForTheConnection()
    {
        var dialer = new Dialer();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        await AttachAsync(pair, dialer);
        await using var channel = await OpenAsync(pair);
        await channel.WriteAsync(Request);
        Assert.Equal([5, 0], await ReadAsync(channel, 2));
        var (host, port, _) = await dialer.Asked.Task.WaitAsync(Deadline);
        Assert.Equal(("host", 80), (host, port));
        var answer = ReadAsync(channel, 10);
        await channel.WriteAsync("early"u8.ToArray());
        await RoundTripAsync(pair);
        Assert.False(answer.IsCompleted);
        using var listener = Listen();
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(listener.LocalEndPoint!);
        using var far = await listener.AcceptAsync();
        dialer.Answer.SetResult(near);
        Assert.Equal([5, 0, 0, 1, 0, 0, 0, 0, 0, 80], await answer.WaitAsync(Deadline));
        byte[] early = new byte[5];
        Assert.Equal(5, await far.ReceiveAsync(early).WaitAsync(Deadline));
        Assert.Equal("early"u8.ToArray(), early);
    }

    [Fact]
    public async Task AClientThatDoesNotAskIsLetGoWhenItsTimeIsUp()
    {
        var tasks = new TaskTracker();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        await AttachAsync(pair, new Dialer(), new FakeTime(), tasks); // the time is over at once
        await using var channel = await OpenAsync(pair);
        Assert.Equal(0, await channel.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
        await tasks.WhenIdleAsync().WaitAsync(Deadline);
    }

    [Fact]
    public async Task AClientThatGoesStopsTheConnecting()
    {
        var dialer = new Dialer();
        var tasks = new TaskTracker();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        await AttachAsync(pair, dialer, tasks: tasks);
        var channel = await OpenAsync(pair);
        await channel.WriteAsync(Request);
        var (_, _, token) = await dialer.Asked.Task.WaitAsync(Deadline);
        var cancelled = new TaskCompletionSource();
        using var registration = token.Register(cancelled.SetResult);
        channel.Abort();
        await cancelled.Task.WaitAsync(Deadline);
        await tasks.WhenIdleAsync().WaitAsync(Deadline);
    }

    // INVARIANTS 20: the connection's end is the conversations' end, wherever they are.
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(14)]
    public async Task TheConnectionsEndEndsThemAll(int sent)
    {
        var tasks = new TaskTracker();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        await AttachAsync(pair, new Dialer(), tasks: tasks);
        for (int i = 0; i < 10; i++)
            await (await OpenAsync(pair)).WriteAsync(Request.AsMemory(0, sent));
        pair.ServerTransport.End(new SshException(SshError.ConnectionLost, "pulled out"));
        await pair.ClientTransport.Completion.WaitAsync(Deadline);
        await tasks.WhenIdleAsync().WaitAsync(Deadline);
    }

    [Fact]
    public async Task SoManyMayWaitAndNoMore()
    {
        var tasks = new TaskTracker();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        await AttachAsync(pair, new Dialer(), tasks: tasks);
        var waiting = new List<SshStream>();
        for (int i = 0; i < ReverseSocks.MaxAsking; i++)
            waiting.Add(await OpenAsync(pair));
        var refused = await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair));
        Assert.Equal(OpenFailureReason.ResourceShortage, refused.OpenFailureReason);
        await waiting[0].WriteAsync(new byte[] { 0 }); // no SOCKS: it is hung up on
        Assert.Equal(0, await waiting[0].ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
        await using var next = await OpenAsync(pair);
        foreach (var one in waiting)
            one.Abort();
        next.Abort();
        await tasks.WhenIdleAsync().WaitAsync(Deadline);
    }

    private static async Task AttachAsync(ConnectionPair pair, IForwardDialer dialer, TimeProvider? time = null, TaskTracker? tasks = null)
    {
        var logger = new ListLogger();
        var forwards = new RemoteForwards(pair.Client, dialer, tasks ?? new TaskTracker(), "peer", new ForwardFailures("peer", TimeProvider.System, logger), logger, time ?? TimeProvider.System);
        pair.Client.Handle(RemoteForwards.TcpChannel, forwards);
        await forwards.RequestDynamicAsync("1080", (_, _) => new(ForwardingDecision.Allow), default).WaitAsync(Deadline);
    }

    private static async Task<SshStream> OpenAsync(ConnectionPair pair)
    {
        var writer = new SshWriter(64);
        new TcpipChannelData("localhost", 1080, "192.0.2.1", 9).Write(ref writer);
        var stream = new ChannelStream();
        await pair.Server.OpenAsync("forwarded-tcpip", writer.ToArray(), stream, default).WaitAsync(Deadline);
        return stream;
    }

    /// <summary>All that was sent before has been handled at the other end.</summary>
    private static async Task RoundTripAsync(ConnectionPair pair) => await pair.Server.Requests.RequestAsync("keepalive@openssh.com", []).WaitAsync(Deadline);

    private static async Task<byte[]> ReadAsync(SshStream stream, int count)
    {
        byte[] buffer = new byte[count];
        await stream.ReadExactlyAsync(buffer);
        return buffer;
    }

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(1);
        return socket;
    }

    private sealed class Dialer : IForwardDialer
    {
        public TaskCompletionSource<(string Host, int Port, CancellationToken Token)> Asked { get; } = new();

        public TaskCompletionSource<Socket> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async ValueTask<Socket> ConnectAsync(
            string host, int port, Func<IPAddress, CancellationToken, ValueTask<bool>> mayConnect, CancellationToken cancellationToken)
        {
            Asked.TrySetResult((host, port, cancellationToken));
            return await Answer.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Listens, or so it says.</summary>
    private sealed class Peer : IGlobalRequestHandler
    {
        public void SetUp(SshConnection connection) => connection.Requests.Handle(TcpipForwardData.Listen, this);

        public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken) => new([]);
    }
}
