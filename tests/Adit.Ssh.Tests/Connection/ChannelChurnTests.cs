using Adit.Ssh.Connection;

namespace Adit.Ssh.Tests.Connection;

[Collection(Alone.Name)]
public class ChannelChurnTests
{
    private const int AtOnce = 64;

    // INVARIANTS 18: open, reject and close a million times (./test --soak; a part of that otherwise): memory is flat, and numbers are used again.
    [Fact]
    public async Task AMillionChannelsLeaveNothing()
    {
        int rounds = Soak.Rounds(usual: 30_000, soak: 1_000_000);
        await using var pair = await ConnectionPair.ConnectAsync(server =>
        {
            server.Handle("open", new AcceptAll(_ => new ClosingSink()));
            server.Handle("never", new RefuseAll());
        });
        var numbers = new uint[AtOnce];
        await ChurnAsync(pair, 30_000, numbers); // pools fill up to what 64 at once need
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await ChurnAsync(pair, rounds, numbers);
        long after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(after - before < 2_000_000, $"{after - before} bytes more after {rounds} channels");
        Assert.True(numbers.Max() < 4 * AtOnce, $"channel numbers reached {numbers.Max()} with {AtOnce} at once");
        Assert.Equal((0, 0), (pair.Client.ChannelCount, pair.Server.ChannelCount));
        Assert.Null(pair.ClientTransport.Reason);
    }

    private static Task ChurnAsync(ConnectionPair pair, int rounds, uint[] numbers) => Task.WhenAll(Enumerable.Range(0, AtOnce).Select(worker => Task.Run(async () =>
    {
        for (int i = worker; i < rounds; i += AtOnce)
        {
            if (i % 3 == 0)
            {
                string type = i % 2 == 0 ? "never" : "unknown";
                await Assert.ThrowsAsync<SshException>(() => pair.Client.OpenAsync(type, default, new ClosingSink(), default));
                continue;
            }
            var sink = new ClosingSink();
            var channel = await pair.Client.OpenAsync("open", default, sink, default);
            numbers[worker] = Math.Max(numbers[worker], channel.LocalId);
            channel.Close();
            await sink.Closed; // CLOSE came back: only now is the number free
        }
    }))).WaitAsync(TimeSpan.FromMinutes(20));

    /// <summary>Answers CLOSE with CLOSE.</summary>
    private sealed class ClosingSink : IChannelSink
    {
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private SshChannel? _channel;

        public Task Closed => _closed.Task;

        public void OnOpened(SshChannel channel) => _channel = channel;

        public void OnData(ReadOnlyMemory<byte> data)
        {
        }

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
            _channel?.Close();
            _closed.TrySetResult();
        }
    }
}
