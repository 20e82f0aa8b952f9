using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

public class LocalForwardTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task BytesPassBothWaysAtOnceAndHalfCloseIsKept()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        byte[] up = RandomNumberGenerator.GetBytes(20_000_000);
        byte[] down = RandomNumberGenerator.GetBytes(30_000_000);
        var upload = SendAllAsync(near, up);
        var download = SendAllAsync(far, down);
        var gotUp = ReadToEndAsync(far);
        var gotDown = ReadToEndAsync(near);
        await upload;
        near.Shutdown(SocketShutdown.Send);
        AssertSame(up, await gotUp.WaitAsync(Deadline)); // far saw our EOF while it was still sending
        await download;
        far.Shutdown(SocketShutdown.Send);
        AssertSame(down, await gotDown.WaitAsync(Deadline));
    }

    // INVARIANTS 15. Streams share threads, buffers and the send queue: each must get its own bytes.
    [Fact]
    public async Task ManyStreamsAtOnceGetTheirOwnBytes()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        using var turn = new SemaphoreSlim(1);
        await Task.WhenAll(Enumerable.Range(0, 48).Select(async stream =>
        {
            await Task.Yield();
            var (near, far) = await OpenInTurnAsync();
            byte[] up = RandomNumberGenerator.GetBytes(2_000_000 + (stream * 1000));
            byte[] down = RandomNumberGenerator.GetBytes(3_000_000 + (stream * 1000));
            var sending = Task.WhenAll(SendAllAsync(near, up), SendAllAsync(far, down)).ContinueWith(
                sent =>
                {
                    near.Shutdown(SocketShutdown.Send);
                    far.Shutdown(SocketShutdown.Send);
                    return sent;
                },
                TaskScheduler.Default).Unwrap();
            var gotUp = ReadToEndAsync(far);
            var gotDown = ReadToEndAsync(near);
            AssertSame(up, await gotUp.WaitAsync(Deadline));
            AssertSame(down, await gotDown.WaitAsync(Deadline));
            await sending;
        }));

        // One at a time, so that both ends belong together.
        async Task<(Socket Near, Socket Far)> OpenInTurnAsync()
        {
            await turn.WaitAsync();
            try
            {
                return await tunnel.OpenAsync();
            }
            finally
            {
                turn.Release();
            }
        }
    }

    // A policy may look something up the slow way, with its thread: the connections that are there do not notice.
    [Fact]
    public async Task APolicyThatBlocksItsThreadHoldsUpNoOtherConnection()
    {
        var policy = new SwitchedPolicy();
        await using var tunnel = await TunnelPair.ConnectAsync(policy);
        var (near, far) = await tunnel.OpenAsync();
        using var answer = new ManualResetEventSlim();
        using var asked = new CountdownEvent(10);
        policy.Decide = _ =>
        {
            asked.Signal();
            answer.Wait(Deadline);
            return new(ForwardingDecision.Deny("at last"));
        };
        var waiting = Enumerable.Range(0, 10).Select(_ => new TcpClient("127.0.0.1", tunnel.Entrance.Port)).ToList();
        try
        {
            Assert.True(await Task.Run(() => asked.Wait(Deadline)));
            byte[] one = new byte[1];
            for (int i = 0; i < 100; i++)
            {
                await near.SendAsync(new[] { (byte)i });
                Assert.Equal(1, await far.ReceiveAsync(one).WaitAsync(Deadline));
                Assert.Equal(i, one[0]);
            }
        }
        finally
        {
            answer.Set();
            waiting.ForEach(client => client.Dispose());
        }
    }

    // One that says that it never blocks is asked on a thread that watches sockets: right answers, also when it is waited for after all.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task APolicyThatNeverBlocksDecidesAsAnyOther(bool waits)
    {
        bool allows = true;
        var policy = new SwitchedPolicy { NeverBlocks = true };
        policy.Decide = async _ =>
        {
            if (waits)
                await Task.Yield();
            return allows ? ForwardingDecision.Allow : ForwardingDecision.Deny("not now");
        };
        await using var tunnel = await TunnelPair.ConnectAsync(policy);
        for (int i = 0; i < 50; i++)
        {
            var (near, far) = await tunnel.OpenAsync();
            await near.SendAsync("question"u8.ToArray());
            near.Shutdown(SocketShutdown.Send);
            Assert.Equal("question"u8.ToArray(), await ReadToEndAsync(far).WaitAsync(Deadline));
            await SendAllAsync(far, "answer"u8.ToArray());
            far.Dispose();
            Assert.Equal("answer"u8.ToArray(), await ReadToEndAsync(near).WaitAsync(Deadline));
        }
        allows = false;
        using var refused = new TcpClient("127.0.0.1", tunnel.Entrance.Port);
        Assert.Empty(await ReadToEndAsync(refused.Client).WaitAsync(Deadline));
    }

    // INVARIANTS 19: EOF one way, data the other way for as long as it likes.
    [Fact]
    public async Task AnAnswerMayComeAfterTheQuestionsEof()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        await near.SendAsync("question"u8.ToArray());
        near.Shutdown(SocketShutdown.Send);
        Assert.Equal("question"u8.ToArray(), await ReadToEndAsync(far).WaitAsync(Deadline));
        byte[] answer = RandomNumberGenerator.GetBytes(5_000_000);
        await SendAllAsync(far, answer);
        far.Dispose();
        AssertSame(answer, await ReadToEndAsync(near).WaitAsync(Deadline));
    }

    // INVARIANTS 19 and 20: a reset on one side ends the other side's connection, and nothing else.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AResetEndsTheOtherSide(bool nearResets)
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        var (bystander, bystanderFar) = await tunnel.OpenAsync();
        await near.SendAsync(new byte[100]);
        await ReceiveExactlyAsync(far, 100);
        var (dying, other) = nearResets ? (near, far) : (far, near);
        dying.LingerState = new LingerOption(true, 0);
        dying.Dispose();
        await EndsAsync(other);
        await bystander.SendAsync(new byte[10]);
        await ReceiveExactlyAsync(bystanderFar, 10);
    }

    // INVARIANTS 17: somebody who does not read holds up nobody else, in either direction.
    [Fact]
    public async Task AReaderThatStopsHoldsUpOnlyItself()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (lazy, flooder) = await tunnel.OpenAsync();
        byte[] flood = RandomNumberGenerator.GetBytes(64_000_000);
        var flooding = SendAllAsync(flooder, flood);
        var (near, far) = await tunnel.OpenAsync();
        byte[] data = RandomNumberGenerator.GetBytes(10_000_000);
        var sending = SendAllAsync(far, data);
        byte[] got = new byte[data.Length];
        await ReceiveExactlyAsync(near, got);
        await sending;
        Assert.True(data.AsSpan().SequenceEqual(got));
        Assert.False(flooding.IsCompleted);
        byte[] rest = new byte[flood.Length];
        await ReceiveExactlyAsync(lazy, rest);
        Assert.True(flood.AsSpan().SequenceEqual(rest));
        await flooding;
    }

    [Fact]
    public async Task ManyConnectionsAtOnceEachKeepTheirBytes()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var echo = EchoAsync(tunnel.Target);
        await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(tunnel.Entrance);
            byte[] data = new byte[20_000 + i];
            new Random(i).NextBytes(data);
            var back = ReadToEndAsync(socket);
            await SendAllAsync(socket, data);
            socket.Shutdown(SocketShutdown.Send);
            AssertSame(data, await back.WaitAsync(Deadline));
        }));
        Assert.Equal(300, tunnel.Forward.Connections);
        tunnel.Target.Dispose();
        await echo;
    }

    // INVARIANTS 20: connections that come and go at any moment leave nothing behind.
    [Fact]
    public async Task ConnectionsThatResetAtAnyMomentLeaveNothingBehind()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var random = new Random(42);
        var echo = EchoAsync(tunnel.Target);
        await Task.WhenAll(Enumerable.Range(0, 400).Select(async i =>
        {
            int wait;
            lock (random)
                wait = random.Next(4);
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(tunnel.Entrance);
            socket.LingerState = new LingerOption(true, 0);
            if (wait > 0)
                await socket.SendAsync(new byte[wait * 40_000]);
            if (wait > 2)
                await socket.ReceiveAsync(new byte[1000]);
            socket.Dispose();
        }));
        // The tunnel still works, and all that was carried has ended.
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(tunnel.Entrance);
        await near.SendAsync(new byte[10]);
        await ReceiveExactlyAsync(near, 10);
        near.Dispose();
        var end = DateTime.UtcNow + Deadline;
        while (tunnel.Client.ActiveConnections > 0 && DateTime.UtcNow < end)
            await Task.Yield();
        Assert.Equal(0, tunnel.Client.ActiveConnections);
        tunnel.Target.Dispose();
        await echo;
    }

    [Fact]
    public async Task WhenTheServerStopsConnectionsAreResetAndTheClientSaysWhy()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (near, _) = await tunnel.OpenAsync();
        await tunnel.Server.StopAsync(TimeSpan.Zero);
        var reason = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.Completion.WaitAsync(Deadline));
        Assert.Equal(SshError.Disconnected, reason.Error);
        await EndsAsync(near);
        await Assert.ThrowsAnyAsync<SocketException>(async () =>
        {
            using var late = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await late.ConnectAsync(tunnel.Entrance);
        });
    }

    // INVARIANTS 21: what was reported bound is what is bound, and it is free again at once.
    [Fact]
    public async Task DisposingAForwardFreesItsPortAndKeepsItsConnections()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        var entrance = tunnel.Entrance;
        await tunnel.Forward.DisposeAsync();
        using (var again = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
            again.Bind(entrance);
        await near.SendAsync(new byte[10]);
        await ReceiveExactlyAsync(far, 10);
    }

    [Fact]
    public async Task APortInUseIsSaidAsOpenSshSaysIt()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var error = await Assert.ThrowsAsync<SshException>(() =>
            tunnel.Client.ForwardLocalAsync(ForwardAddress.Tcp("127.0.0.1", tunnel.Entrance.Port), ForwardAddress.Tcp("127.0.0.1", 1)));
        Assert.Equal($"bind [127.0.0.1]:{tunnel.Entrance.Port}: Address already in use", error.Message);
        Assert.NotNull(error.Hint);
    }

    [Fact]
    public async Task ARefusedTargetAndADeniedOneSayWhy()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(new OnlyPort(1));
        var denied = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", 2));
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, denied.OpenFailureReason);
        Assert.EndsWith("open failed: administratively prohibited: open failed", denied.Message, StringComparison.Ordinal);
        var refused = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", 1));
        Assert.EndsWith("open failed: connect failed: Connection refused", refused.Message, StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("no-such-host.invalid", 1));
        Assert.Equal(OpenFailureReason.ConnectFailed, unknown.OpenFailureReason);
    }

    [Fact]
    public async Task WithoutAPolicyNothingIsForwarded()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(server: options => options.ForwardingPolicy = null);
        var denied = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", 2));
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, denied.OpenFailureReason);
    }

    private static void AssertSame(byte[] expected, byte[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.True(expected.AsSpan().SequenceEqual(actual), "the bytes differ");
    }

    private static async Task EndsAsync(Socket socket)
    {
        try
        {
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        }
        catch (SocketException)
        {
            // a reset is an end too
        }
    }

    private static async Task EchoAsync(Socket listener)
    {
        var work = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await listener.AcceptAsync();
                work.Add(Task.Run(async () =>
                {
                    using (socket)
                    {
                        byte[] buffer = new byte[64 * 1024];
                        try
                        {
                            while (await socket.ReceiveAsync(buffer) is > 0 and var count)
                                await SendAllAsync(socket, buffer.AsMemory(0, count));
                        }
                        catch (SocketException)
                        {
                            // its peer went away
                        }
                    }
                }));
            }
        }
        catch (SocketException)
        {
            await Task.WhenAll(work);
        }
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
            data = data[await socket.SendAsync(data)..];
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[256 * 1024];
        while (await socket.ReceiveAsync(buffer) is > 0 and var count)
            all.Write(buffer, 0, count);
        return all.ToArray();
    }

    private static Task ReceiveExactlyAsync(Socket socket, int count) => ReceiveExactlyAsync(socket, new byte[count]);

    private static async Task ReceiveExactlyAsync(Socket socket, Memory<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = await socket.ReceiveAsync(buffer).AsTask().WaitAsync(Deadline);
            Assert.True(count > 0, "the connection ended early");
            buffer = buffer[count..];
        }
    }

    private sealed class OnlyPort(int port) : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) =>
            new(request.Port == port || request.Host.Contains("invalid", StringComparison.Ordinal) ? ForwardingDecision.Allow : ForwardingDecision.Deny("test"));
    }
}
