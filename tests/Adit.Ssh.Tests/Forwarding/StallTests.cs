using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Connection;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>INVARIANTS 17: somebody who does not read holds up nobody else, and what waits for him stays under its cap.</summary>
[Collection(Alone.Name)]
public class StallTests
{
    private const int Window = 2 << 20;

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AStalledConnectionDelaysNoOther(bool nearIsLazy)
    {
        long rented = PacketPool.Shared.Rented;
        var tunnel = await TunnelPair.ConnectAsync();
        await using (tunnel)
        {
            var (near, far) = await tunnel.OpenAsync();
            var (lazy, writer) = nearIsLazy ? (near, far) : (far, near);
            byte[] data = new byte[64 << 20];
            new Random(17).NextBytes(data);
            int sent = Fill(writer, data);
            Assert.InRange(sent, Window, data.Length - 1); // a window's worth and the kernel's buffers, then no more

            var (otherNear, otherFar) = await tunnel.OpenAsync();
            await Task.WhenAll(TransferAsync(otherNear, otherFar, data.AsMemory(0, 16 << 20)), TransferAsync(otherFar, otherNear, data.AsMemory(0, 16 << 20))).WaitAsync(Deadline);

            // The other direction of the stalled one goes on too.
            await TransferAsync(lazy, writer, data.AsMemory(0, 1 << 20)).WaitAsync(Deadline);

            // And once he reads again, not a byte is missing.
            writer.Blocking = true;
            await TransferAsync(writer, lazy, data.AsMemory(sent), data.AsMemory()).WaitAsync(Deadline);
            foreach (var socket in (Socket[])[near, far, otherNear, otherFar])
                socket.Dispose();
        }
        Assert.Equal(rented, PacketPool.Shared.Rented);
    }

    [Fact]
    public async Task WhatAThousandStalledChannelsHoldStaysUnderItsCap()
    {
        const int Channels = 1000;
        const long Limit = 64 << 20;
        var budget = new WindowBudget(Limit);
        long rented = PacketPool.Shared.Rented;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var pile = new Pile();
        var liveThere = new ChannelStream();
        await using (var pair = await ConnectionPair.ConnectAsync(server =>
        {
            server.Handle("stall", new AcceptAll(_ => pile.NewSink()));
            server.Handle("live", new AcceptAll(_ => liveThere));
        }, budget: budget))
        {
            var streams = new List<ChannelStream>();
            for (int i = 0; i < Channels; i++)
            {
                streams.Add(new ChannelStream());
                await pair.Client.OpenAsync("stall", default, streams[^1], default).WaitAsync(Deadline);
            }
            pile.ExpectFull();
            byte[] flood = new byte[4 << 20]; // more than any window
            var writing = streams.Select(stream => stream.WriteAsync(flood).AsTask()).ToArray();
            await pile.Full.WaitAsync(Deadline); // every window is used up
            Assert.Equal(pile.Granted, pile.Held);

            // Both ends' windows count. The smallest window is always granted, and counted; everything beyond stops at three quarters.
            Assert.InRange(budget.Reserved, 2 * Channels * WindowBudget.Minimum, (Limit * 3 / 4) + (2 * Channels * WindowBudget.Minimum));
            Assert.True(pile.Held <= budget.Reserved);
            long held = GC.GetTotalMemory(forceFullCollection: true) - before;
            // What the sender has queued, one packet for each channel, and the channels themselves.
            long queued = SendLimits.AllLanesBytes + (Channels * (long)PacketPool.MediumPayload);
            Assert.True(held < pile.Held + (pile.Held / 4) + queued + (16 << 20), $"{held} bytes of memory for {pile.Held} bytes that wait");

            // One more channel works as if they were not there.
            var live = new ChannelStream();
            await pair.Client.OpenAsync("live", default, live, default).WaitAsync(Deadline);
            await live.WriteAsync(new byte[WindowBudget.Minimum]).AsTask().WaitAsync(Deadline);
            await liveThere.ReadExactlyAsync(new byte[WindowBudget.Minimum]).AsTask().WaitAsync(Deadline);

            foreach (var stream in streams)
                stream.Abort();
            foreach (var write in writing)
                await Assert.ThrowsAnyAsync<Exception>(() => write.WaitAsync(Deadline));
            live.Abort();
            pile.Clear();
        }
        pile.Clear();
        Assert.Equal(0, budget.Reserved);
        Assert.Equal(rented, PacketPool.Shared.Rented);
    }

    // INVARIANTS 17: whoever is forwarded to may send byte by byte, and the peer need not read. Each byte came into a buffer for a full packet.
    [Theory]
    [InlineData(1)]
    [InlineData(400)]
    [InlineData(3000)]
    public async Task SmallPiecesThatWaitTakeNoMoreMemoryThanLargeOnes(int piece)
    {
        var (a, b) = MemoryDuplex.Pair(capacity: 4);
        var client = new GatedTransport(a);
        var sink = new SilentSink();
        await using var pair = await ConnectionPair.ConnectAsync(client, new StreamTransport(b), server => server.Handle("test", new AcceptAll(_ => sink)));
        await pair.Client.OpenAsync("test", default, new ChannelStream(), default).WaitAsync(Deadline);
        var channel = await sink.Opened.Task.WaitAsync(Deadline);
        client.StopReading();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        int pieces = 0;
        for (; channel.SendAllowance >= piece && pieces < 5000; pieces++)
            Assert.True(channel.SendData(channel.Rent(channel.MaxData), piece, flush: true));
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.Equal(0, channel.SendAllowance);
        Assert.InRange(held, long.MinValue, 4 * SendLimits.LaneBytes); // full buffers would be more than a hundred times that
        Assert.InRange(pieces * (long)Math.Max(piece, PacketPool.TinyPayload), SendLimits.LaneBytes / 5, SendLimits.LaneBytes); // and they are no fewer than need be
    }

    // The budget is used up many times over: windows are small then, and that is all.
    [Fact]
    public async Task AUsedUpBudgetStallsNobody()
    {
        const int Channels = 50;
        long rented = PacketPool.Shared.Rented;
        var budget = new WindowBudget(1);
        await using (var pair = await ConnectionPair.ConnectAsync(server => server.Handle("hash", new HashHandler()), budget: budget))
        {
            byte[] data = new byte[3_000_000];
            new Random(18).NextBytes(data);
            byte[] expected = SHA256.HashData(data);
            await Task.WhenAll(Enumerable.Range(0, Channels).Select(async _ =>
            {
                await using var stream = new ChannelStream();
                await pair.Client.OpenAsync("hash", default, stream, default);
                await stream.WriteAsync(data);
                await stream.CompleteWritesAsync();
                byte[] hash = new byte[SHA256.HashSizeInBytes];
                await stream.ReadExactlyAsync(hash);
                Assert.Equal(expected, hash);
            })).WaitAsync(Deadline);
            Assert.InRange(budget.Reserved, 0, 2 * Channels * WindowBudget.Minimum);
        }
        Assert.Equal(0, budget.Reserved);
        Assert.Equal(rented, PacketPool.Shared.Rented);
    }

    /// <summary>Sends until nothing more goes for a while.</summary>
    private static int Fill(Socket socket, byte[] data)
    {
        socket.Blocking = false;
        int sent = 0;
        while (sent < data.Length && socket.Poll(sent < Window ? Deadline : TimeSpan.FromSeconds(1), SelectMode.SelectWrite))
            sent += Math.Max(socket.Send(data.AsSpan(sent), SocketFlags.None, out _), 0);
        return sent;
    }

    private static Task TransferAsync(Socket from, Socket to, ReadOnlyMemory<byte> data) => TransferAsync(from, to, data, data);

    private static async Task TransferAsync(Socket from, Socket to, ReadOnlyMemory<byte> data, ReadOnlyMemory<byte> expected)
    {
        var sending = SendAllAsync();
        byte[] buffer = new byte[256 * 1024];
        for (int at = 0, count; at < expected.Length; at += count)
        {
            count = await to.ReceiveAsync(buffer.AsMemory(0, Math.Min(buffer.Length, expected.Length - at)));
            Assert.NotEqual(0, count);
            Assert.True(expected.Span.Slice(at, count).SequenceEqual(buffer.AsSpan(0, count)), $"other bytes at {at}");
        }
        await sending;

        async Task SendAllAsync()
        {
            for (var rest = data; !rest.IsEmpty;)
                rest = rest[await from.SendAsync(rest)..];
        }
    }

    /// <summary>Sinks that keep everything and credit nothing.</summary>
    private sealed class Pile
    {
        private readonly List<Sink> _sinks = [];
        private readonly TaskCompletionSource _full = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _granted;
        private long _held;
        private bool _expecting;

        public Task Full => _full.Task;

        public long Granted => Interlocked.Read(ref _granted);

        public long Held => Interlocked.Read(ref _held);

        public IChannelSink NewSink()
        {
            var sink = new Sink(this);
            lock (_sinks)
                _sinks.Add(sink);
            return sink;
        }

        public void ExpectFull() => Volatile.Write(ref _expecting, true);

        public void Clear()
        {
            lock (_sinks)
                _sinks.ForEach(sink => sink.Clear());
        }

        private void Add(int bytes)
        {
            if (Interlocked.Add(ref _held, bytes) == Granted && Volatile.Read(ref _expecting))
                _full.TrySetResult();
        }

        private sealed class Sink(Pile pile) : IChannelSink
        {
            private readonly Lock _lock = new();
            private Backlog _backlog;
            private SshChannel? _channel;

            public void OnOpened(SshChannel channel)
            {
                _channel = channel;
                Interlocked.Add(ref pile._granted, channel.InitialWindow);
            }

            public void OnData(ReadOnlyMemory<byte> data)
            {
                lock (_lock)
                    _backlog.Append(data.Span);
                pile.Add(data.Length);
            }

            public void OnBatchEnd()
            {
            }

            public void OnEof()
            {
            }

            public void OnClosed(SshException? reason) => _channel!.Close();

            public void Clear()
            {
                lock (_lock)
                    _backlog.Clear();
            }
        }
    }

    private sealed class HashHandler : IChannelHandler
    {
        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            var stream = new ChannelStream();
            request.Accept(stream);
            await using (stream)
            {
                byte[] hash = await SHA256.HashDataAsync(stream, cancellationToken);
                await stream.WriteAsync(hash, cancellationToken);
                await stream.CompleteWritesAsync(cancellationToken);
            }
        }
    }
}
