using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Connection;

/// <summary>A silent peer is asked, and given up when it stays silent (INVARIANTS 16: none of it waits for the peer).</summary>
public class KeepAliveTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public void BothRolesAskWhoWasSilentForFifteenSeconds()
    {
        Assert.Equal((Interval, 3), (new SshClientOptions().KeepAliveInterval, new SshClientOptions().KeepAliveCountMax));
        Assert.Equal((Interval, 3), (new SshServerOptions().KeepAliveInterval, new SshServerOptions().KeepAliveCountMax));
    }

    [Fact]
    public async Task WhileSomethingArrivesNothingIsAsked()
    {
        var run = await Run.StartAsync();
        await using var pair = run.Pair;
        for (int second = 0; second < 300; second++)
        {
            if (second % 14 == 0)
                await run.HearAsync();
            run.Beat();
        }
        Assert.Equal(0, run.Asked);
        Assert.Null(pair.ServerTransport.Reason);
    }

    [Fact]
    public async Task AnAnswerIsASignOfLife()
    {
        var run = await Run.StartAsync();
        await using var pair = run.Pair;
        for (int silence = 1; silence <= 5; silence++)
        {
            long heard = pair.ServerTransport.ReceiveCount;
            for (int second = 0; second < 16; second++)
                run.Beat();
            await run.HearAsync(heard);
            Assert.Equal(silence, run.Asked);
            run.Beat();
        }
        Assert.Null(pair.ServerTransport.Reason);
    }

    [Fact]
    public async Task AfterThreeWithoutAnAnswerItIsOver()
    {
        var run = await Run.StartAsync(silent: true);
        await using var pair = run.Pair;
        int seconds = 0;
        for (; pair.ServerTransport.Reason is null && seconds < 100; seconds++)
            run.Beat();
        Assert.Equal(61, seconds); // 15 × (3 + 1), and the second in which it was heard last
        var reason = pair.ServerTransport.Reason!;
        Assert.Equal(SshError.KeepAliveTimeout, reason.Error);
        Assert.Equal("Timeout, client not responding from UNKNOWN port 65535", reason.Message);
        Assert.Equal("nothing came for 60 s and 3 keepalives went unanswered", reason.Hint);
        await pair.ServerTransport.Completion.WaitAsync(Deadline);
    }

    [Fact]
    public async Task AServerThatCountsToZeroNeverGivesUp()
    {
        var run = await Run.StartAsync(silent: true, countMax: 0);
        await using var pair = run.Pair;
        for (int second = 0; second < 1000; second++)
            run.Beat();
        Assert.Null(pair.ServerTransport.Reason);
    }

    // A proxied connection has no address of its own: what the user called the server is what it is called.
    [Fact]
    public async Task AClientNamesTheServerAsItsUserDid()
    {
        await using var pair = await ConnectionPair.ConnectAsync();
        await SettleAsync(pair.Server);
        var time = new ManualTime();
        var keepAlive = new KeepAlive(pair.ClientTransport, pair.Client.Requests, new ConnectionOptions { KeepAliveInterval = Interval, KeepAliveCountMax = 0, PeerName = "bastion", TimeProvider = time });
        for (int second = 0; second < 17 && pair.ClientTransport.Reason is null; second++)
        {
            keepAlive.OnHeartbeat();
            time.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal("Timeout, server bastion not responding.", pair.ClientTransport.Reason?.Message);
    }

    /// <summary>An answered request: what <paramref name="peer"/> sent since the handshake has been heard on the other side, and no longer counts as a sign of life later.</summary>
    private static async Task SettleAsync(SshConnection peer)
        => await peer.Requests.RequestAsync("settle", []).WaitAsync(Deadline);

    /// <summary>A server's keepalive on a clock that the test moves, and a client that answers or has stopped reading.</summary>
    private sealed class Run
    {
        private readonly ManualTime _time = new();
        private readonly Counter _counter = new();
        private readonly KeepAlive _keepAlive;

        private Run(ConnectionPair pair, int countMax)
        {
            Pair = pair;
            pair.Client.Requests.Handle(KeepAlive.RequestName, _counter);
            _keepAlive = new KeepAlive(pair.ServerTransport, pair.Server.Requests, new ConnectionOptions { KeepAliveInterval = Interval, KeepAliveCountMax = countMax, TimeProvider = _time });
        }

        public ConnectionPair Pair { get; }

        public int Asked => Volatile.Read(ref _counter.Count);

        public static async Task<Run> StartAsync(bool silent = false, int countMax = 3)
        {
            var (a, b) = MemoryDuplex.Pair();
            var client = new GatedTransport(a);
            var pair = await ConnectionPair.ConnectAsync(client, new StreamTransport(b));
            await SettleAsync(pair.Client);
            if (silent)
                client.StopReading();
            return new Run(pair, countMax);
        }

        public void Beat()
        {
            _keepAlive.OnHeartbeat();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        /// <summary>Waits until the server has heard something since <paramref name="since"/>; without it, something is sent first.</summary>
        public async Task HearAsync(long? since = null)
        {
            long before = since ?? Pair.ServerTransport.ReceiveCount;
            if (since is null)
                Pair.Client.Requests.Notify("anything", []);
            using var patience = new CancellationTokenSource(Deadline);
            while (Pair.ServerTransport.ReceiveCount == before)
                await Task.Delay(1, patience.Token);
        }

        private sealed class Counter : IGlobalRequestHandler
        {
            public int Count;

            public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
            {
                Interlocked.Increment(ref Count);
                return new((byte[]?)null);
            }
        }
    }
}
