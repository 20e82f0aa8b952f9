using System.Threading.Channels;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Connection;

/// <summary>Messages and calls that meet at a bad moment.</summary>
public class ChannelRaceTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task AWriteThatWasCancelledDoesNotBreakTheNext()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(ChannelTests.Streams(accepted));
        await using var near = await ChannelTests.OpenAsync(pair);
        var far = await accepted.Reader.ReadAsync();
        using var cancel = new CancellationTokenSource();
        var filling = near.WriteAsync(new byte[2 * 1024 * 1024 + 1], cancel.Token).AsTask(); // one byte more than the window
        Assert.False(filling.IsCompleted);
        await Task.Delay(50); // it waits for the window by now; where it does not yet, the test still holds
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => filling.WaitAsync(Deadline));

        var writing = near.WriteAsync(new byte[100_000]).AsTask();
        byte[] buffer = new byte[100_000];
        for (int total = 0; !writing.IsCompleted || total == 0;)
            total += await far.ReadAsync(buffer).AsTask().WaitAsync(Deadline);
        await writing.WaitAsync(Deadline);
    }

    // Our numbers are easily guessed: until the peer has been told one, it stands for nothing.
    [Theory]
    [InlineData(MessageId.ChannelData)]
    [InlineData(MessageId.ChannelEof)]
    [InlineData(MessageId.ChannelClose)]
    [InlineData(MessageId.ChannelWindowAdjust)]
    public async Task AChannelThatWasNotConfirmedYetDoesNotExist(MessageId id)
    {
        var sink = new SlowToOpen();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => sink)));
        var opening = pair.Client.OpenAsync("test", default, new ChannelStream(), default);
        await sink.Opening.Task.WaitAsync(Deadline);

        var writer = new SshWriter(64);
        writer.WriteMessageId(id);
        writer.WriteUInt32(0);
        if (id == MessageId.ChannelData)
            writer.WriteString("early"u8);
        else if (id == MessageId.ChannelWindowAdjust)
            writer.WriteUInt32(1);
        pair.ClientTransport.Send(writer.Written);
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        sink.MayOpen.Set();
        Assert.Contains("nonexistent channel 0", reason.Message, StringComparison.Ordinal);
        Assert.Equal(0, sink.Messages);
        await Assert.ThrowsAsync<SshException>(() => opening.WaitAsync(Deadline));
    }

    [Theory]
    [InlineData(MessageId.ChannelData)]
    [InlineData(MessageId.ChannelEof)]
    [InlineData(MessageId.ChannelClose)]
    public async Task AfterTheirCloseAChannelDoesNotExistEvenWhileWeHoldOn(MessageId id)
    {
        var sink = new SlowToOpen { KeepsOpen = true };
        sink.MayOpen.Set();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new AcceptAll(_ => sink)));
        await pair.Client.OpenAsync("test", default, new ChannelStream(), default).WaitAsync(Deadline);
        var writer = new SshWriter(64);
        new ChannelSignalMessage(MessageId.ChannelClose, 0).Write(ref writer);
        pair.ClientTransport.Send(writer.Written);
        var again = new SshWriter(64);
        again.WriteMessageId(id);
        again.WriteUInt32(0);
        if (id == MessageId.ChannelData)
            again.WriteString("late"u8);
        pair.ClientTransport.Send(again.Written);
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Contains("nonexistent channel 0", reason.Message, StringComparison.Ordinal);
    }

    // INVARIANTS 20: an open whose caller gave up is closed again when the answer comes, and its window goes back to the budget.
    [Fact]
    public async Task OpensThatWereGivenUpLeaveNothing()
    {
        var budget = new WindowBudget(1L << 30);
        var may = new TaskCompletionSource();
        var refuse = new TaskCompletionSource();
        await using (var pair = await ConnectionPair.ConnectAsync(server =>
        {
            server.Handle("slow", new After(may.Task, accept: true));
            server.Handle("never", new After(refuse.Task, accept: false));
        }, budget: budget))
        {
            using var cancel = new CancellationTokenSource();
            var slow = Enumerable.Range(0, 20).Select(i => pair.Client.OpenAsync(i % 2 == 0 ? "slow" : "never", default, new ChannelStream(), cancel.Token)).ToArray();
            await cancel.CancelAsync();
            foreach (var open in slow)
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => open.WaitAsync(Deadline));
            may.SetResult();
            refuse.SetResult();
            var end = DateTime.UtcNow + Deadline;
            while (pair.Client.ChannelCount + pair.Server.ChannelCount > 0 && DateTime.UtcNow < end)
                await Task.Yield();
            Assert.Equal(0, pair.Client.ChannelCount + pair.Server.ChannelCount);
            Assert.Equal(0, budget.Reserved);
            _ = pair.Client.OpenAsync("slow", default, new ChannelStream(), default);
        }
        Assert.Equal(0, budget.Reserved);
    }

    // INVARIANTS 18 and 20: opens, refusals, closes from both sides and the connection's death, all at once.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task WhateverHappensTheBudgetIsWholeAfterwards(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 20; round++)
        {
            var budget = new WindowBudget(1L << 30);
            await using (var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", new Moody(seed + round)), budget: budget))
            {
                int dies = random.Next(60);
                var work = Enumerable.Range(0, 50).Select(i => UseAsync(pair, random.Next(), i == dies)).ToArray();
                await Task.WhenAll(work).WaitAsync(Deadline);
            }
            Assert.Equal(0, budget.Reserved);
        }
    }

    private static async Task UseAsync(ConnectionPair pair, int seed, bool dies)
    {
        await Task.Yield();
        var random = new Random(seed);
        try
        {
            var stream = new ChannelStream();
            await pair.Client.OpenAsync("test", default, stream, default);
            await stream.WriteAsync(new byte[random.Next(1, 100_000)]);
            if (dies)
                pair.ServerTransport.End(new SshException(SshError.ConnectionLost, "pulled out"));
            if (random.Next(2) == 0)
                await stream.CompleteWritesAsync();
            if (random.Next(2) == 0)
                stream.Abort();
            await stream.DisposeAsync();
        }
        catch (SshException)
        {
            // refused, closed or dead: all of them are in the game
        }
    }

    private sealed class Moody(int seed) : IChannelHandler
    {
        private readonly Random _random = new(seed);

        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            int mood;
            lock (_random)
                mood = _random.Next(5);
            if (mood == 0)
                return; // says nothing
            if (mood == 1)
                throw new InvalidOperationException("a handler's own fault");
            if (mood == 2)
                await Task.Yield();
            var stream = new ChannelStream();
            if (request.Accept(stream) is null)
                return;
            if (mood == 3)
                await stream.DisposeAsync();
            else
                await stream.CopyToAsync(Stream.Null, cancellationToken);
            await stream.DisposeAsync();
        }
    }

    private sealed class After(Task when, bool accept) : IChannelHandler
    {
        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            await when;
            if (accept)
                request.Accept(new ChannelStream());
        }
    }

    private sealed class SlowToOpen : IChannelSink
    {
        private int _messages;

        public TaskCompletionSource Opening { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ManualResetEventSlim MayOpen { get; } = new();

        public bool KeepsOpen { get; init; }

        public int Messages => Volatile.Read(ref _messages);

        public void OnOpened(SshChannel channel)
        {
            Opening.TrySetResult();
            MayOpen.Wait(Deadline);
        }

        public void OnData(ReadOnlyMemory<byte> data) => Interlocked.Increment(ref _messages);

        public void OnBatchEnd()
        {
        }

        public void OnEof() => Interlocked.Increment(ref _messages);

        public void OnClosed(SshException? reason)
        {
            if (reason is null)
                Interlocked.Increment(ref _messages);
        }
    }
}
