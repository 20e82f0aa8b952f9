using System.Security.Cryptography;
using System.Threading.Channels;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Connection;

public class ChannelTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(int.MaxValue, 64)]
    [InlineData(1, 64)]
    [InlineData(7, 1)]
    public async Task DataAndHalfClosePassBothWays(int maxRead, int capacity)
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted), maxRead, capacity);
        await using var near = await OpenAsync(pair);
        await using var far = await accepted.Reader.ReadAsync().AsTask().WaitAsync(Deadline);

        byte[] question = RandomNumberGenerator.GetBytes(maxRead == 1 ? 2_000 : 100_000);
        byte[] answer = RandomNumberGenerator.GetBytes(maxRead == 1 ? 3_000 : 150_000);
        await near.WriteAsync(question);
        await near.CompleteWritesAsync();
        Assert.Equal(question, await ReadToEndAsync(far));
        await far.WriteAsync(answer);
        await far.CompleteWritesAsync();
        Assert.Equal(answer, await ReadToEndAsync(near));
    }

    // INVARIANTS 15: bytes delivered = bytes sent under random sizes, windows and rekeys.
    [Theory]
    [InlineData(1, 64 * 1024)]
    [InlineData(2, 200 * 1024)]
    [InlineData(3, 1024 * 1024)]
    public async Task EverythingArrivesUnderRekeysAndManyChannels(int seed, int rekeyBytes)
    {
        var random = new Random(seed);
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted), maxRead: 100_000, rekey: new RekeyLimit(rekeyBytes, null));
        var work = new List<Task>();
        for (int i = 0; i < 8; i++)
        {
            var near = await OpenAsync(pair);
            var far = await accepted.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
            byte[] data = new byte[random.Next(1, 3_000_000)];
            random.NextBytes(data);
            work.Add(SendAsync(near, data, random.Next()));
            work.Add(ExpectAsync(far, data));
            byte[] back = new byte[random.Next(1, 1_000_000)];
            random.NextBytes(back);
            work.Add(SendAsync(far, back, random.Next()));
            work.Add(ExpectAsync(near, back));
        }
        await Task.WhenAll(work).WaitAsync(Deadline);
    }

    // INVARIANTS 16 and 17: a channel that nobody reads does not delay its neighbour.
    [Fact]
    public async Task AStalledChannelDelaysNobody()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted));
        await using var stalled = await OpenAsync(pair);
        await using var unread = await accepted.Reader.ReadAsync();
        var filling = stalled.WriteAsync(new byte[8 * 1024 * 1024]).AsTask();

        await using var lively = await OpenAsync(pair);
        await using var far = await accepted.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
        byte[] data = RandomNumberGenerator.GetBytes(4 * 1024 * 1024);
        var sending = SendAsync(lively, data, 1);
        Assert.Equal(data, await ReadToEndAsync(far));
        await sending;
        Assert.False(filling.IsCompleted); // the window was not overrun meanwhile

        await ReadAllAsync(unread, 8 * 1024 * 1024);
        await filling.WaitAsync(Deadline);
    }

    // INVARIANTS 18: open, reject and close many times; ids are reused and the table stays small.
    [Fact]
    public async Task OpeningAndClosingForeverKeepsTheTableSmall()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(server =>
        {
            Streams(accepted)(server);
            server.Handle("never", new RefuseAll());
        });
        uint highest = 0;
        for (int i = 0; i < 3_000; i++)
        {
            var near = new ChannelStream();
            var channel = await pair.Client.OpenAsync("test", default, near, default);
            highest = Math.Max(highest, channel.LocalId);
            var far = await accepted.Reader.ReadAsync();
            await near.DisposeAsync();
            await ReadToEndAsync(far);
            await far.DisposeAsync();
            var refused = await Assert.ThrowsAsync<SshException>(() => pair.Client.OpenAsync("never", default, new ChannelStream(), default));
            Assert.Equal(OpenFailureReason.AdministrativelyProhibited, refused.OpenFailureReason);
        }
        Assert.True(highest < 64, $"channel numbers reached {highest}");
        await WaitUntilAsync(() => pair.Client.ChannelCount == 0 && pair.Server.ChannelCount == 0);
    }

    [Fact]
    public async Task AnUnknownTypeIsRefusedAndTheConnectionGoesOn()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted));
        var refused = await Assert.ThrowsAsync<SshException>(() => pair.Client.OpenAsync("nonsense", default, new ChannelStream(), default));
        Assert.Equal(OpenFailureReason.UnknownChannelType, refused.OpenFailureReason);
        Assert.Equal("channel 0: open failed: unknown channel type: open failed", refused.Message);
        await using var near = await OpenAsync(pair);
    }

    [Fact]
    public async Task TooManyChannelsAreRefusedNotFatal()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted), maxChannels: 3);
        for (int i = 0; i < 3; i++)
            await OpenAsync(pair);
        var refused = await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair));
        Assert.Equal(SshError.ResourceLimit, refused.Error);
    }

    [Fact]
    public async Task WhenTheConnectionDiesReadersAndWritersLearnWhy()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted));
        var near = await OpenAsync(pair);
        var reading = near.ReadAsync(new byte[1]).AsTask();
        var writing = near.WriteAsync(new byte[16 * 1024 * 1024]).AsTask();
        await pair.ServerTransport.DisposeAsync();
        Assert.Equal(SshError.Disconnected, (await Assert.ThrowsAsync<SshException>(() => reading.WaitAsync(Deadline))).Error);
        await Assert.ThrowsAsync<SshException>(() => writing.WaitAsync(Deadline));
        await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair));
    }

    [Fact]
    public async Task APeersCloseEndsReadingAfterTheLastByte()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(Streams(accepted));
        await using var near = await OpenAsync(pair);
        var far = await accepted.Reader.ReadAsync();
        await far.WriteAsync(new byte[10_000]);
        await far.DisposeAsync();
        Assert.Equal(10_000, (await ReadToEndAsync(near)).Length);
        await Assert.ThrowsAsync<SshException>(() => near.WriteAsync(new byte[1]).AsTask());
    }

    internal static Action<SshConnection> Streams(Channel<ChannelStream> accepted) => server => server.Handle("test", new AcceptAll(_ =>
    {
        var stream = new ChannelStream();
        accepted.Writer.TryWrite(stream);
        return stream;
    }));

    internal static async Task<ChannelStream> OpenAsync(ConnectionPair pair)
    {
        var stream = new ChannelStream();
        await pair.Client.OpenAsync("test", default, stream, default).WaitAsync(Deadline);
        return stream;
    }

    internal static async Task<byte[]> ReadToEndAsync(Stream stream)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[50_000];
        while (await stream.ReadAsync(buffer).AsTask().WaitAsync(Deadline) is > 0 and var count)
            all.Write(buffer, 0, count);
        return all.ToArray();
    }

    private static async Task ReadAllAsync(Stream stream, int length)
    {
        byte[] buffer = new byte[50_000];
        while (length > 0)
            length -= await stream.ReadAsync(buffer).AsTask().WaitAsync(Deadline);
    }

    private static async Task SendAsync(ChannelStream stream, byte[] data, int seed)
    {
        var random = new Random(seed);
        for (int start = 0; start < data.Length;)
        {
            int count = Math.Min(data.Length - start, random.Next(1, 100_000));
            await stream.WriteAsync(data.AsMemory(start, count));
            start += count;
        }
        await stream.CompleteWritesAsync();
    }

    private static async Task ExpectAsync(ChannelStream stream, byte[] expected)
    {
        byte[] got = await ReadToEndAsync(stream);
        Assert.Equal(expected.Length, got.Length);
        Assert.True(expected.AsSpan().SequenceEqual(got));
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
}
