using System.Threading.Channels;
using Adit.Ssh.Connection;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Connection;

/// <summary>A logged-in peer that sends what it likes. The other side ends the connection with a reason, or goes on; it never hangs, crashes or grows.</summary>
public class HostilePeerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private delegate void Build(ref SshWriter writer);

    // INVARIANTS 14: overrun, overflow and a maximum packet of 0 break the protocol.
    [Fact]
    public async Task MoreDataThanTheWindowEndsTheConnection()
    {
        await using var pair = await PairWithUnreadChannelAsync();
        byte[] data = new byte[32 * 1024];
        for (int i = 0; i < 65; i++)
        {
            Send(pair, (ref SshWriter w) =>
            {
                w.WriteMessageId(MessageId.ChannelData);
                w.WriteUInt32(0);
                w.WriteString(data);
            });
        }
        await ExpectEndAsync(pair, "peer ignored channel window");
    }

    [Fact]
    public async Task AWindowBeyond32BitsEndsTheConnection()
    {
        await using var pair = await PairWithUnreadChannelAsync();
        for (int i = 0; i < 2; i++)
            Send(pair, (ref SshWriter w) => new ChannelWindowAdjustMessage(0, uint.MaxValue).Write(ref w));
        await ExpectEndAsync(pair, "overflows");
    }

    [Fact]
    public async Task AMaximumPacketOfZeroEndsTheConnection()
    {
        await using var pair = await PairWithUnreadChannelAsync();
        Send(pair, (ref SshWriter w) => new ChannelOpenMessage { ChannelType = "test", SenderChannel = 5, InitialWindow = 1, MaximumPacket = 0 }.Write(ref w));
        await ExpectEndAsync(pair, "maximum packet size of 0");
    }

    [Theory]
    [InlineData(MessageId.ChannelEof)]
    [InlineData(MessageId.ChannelClose)]
    [InlineData(MessageId.ChannelSuccess)]
    [InlineData(MessageId.ChannelFailure)]
    public async Task AMessageForAChannelThatIsNotThereEndsTheConnection(MessageId id)
    {
        await using var pair = await PairWithUnreadChannelAsync();
        Send(pair, (ref SshWriter w) => new ChannelSignalMessage(id, 99).Write(ref w));
        await ExpectEndAsync(pair, "nonexistent channel 99");
    }

    [Fact]
    public async Task AnswersToOpensThatWereNotMadeEndTheConnection()
    {
        await using var first = await PairWithUnreadChannelAsync();
        Send(first, (ref SshWriter w) => new ChannelOpenConfirmationMessage(0, 0, 1, 1).Write(ref w));
        await ExpectEndAsync(first, "not being opened");
        await using var second = await PairWithUnreadChannelAsync();
        Send(second, (ref SshWriter w) => new ChannelOpenFailureMessage(7, 1, "x").Write(ref w));
        await ExpectEndAsync(second, "not being opened");
    }

    // INVARIANTS 16: unsolicited replies.
    [Theory]
    [InlineData(MessageId.RequestSuccess)]
    [InlineData(MessageId.RequestFailure)]
    public async Task AnswersToRequestsThatWereNotMadeEndTheConnection(MessageId id)
    {
        await using var pair = await PairWithUnreadChannelAsync();
        Send(pair, (ref SshWriter w) => w.WriteMessageId(id));
        await ExpectEndAsync(pair, "not sent");
    }

    [Fact]
    public async Task DataAfterEofIsDroppedAndASecondEofIgnored()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        await using var pair = await ConnectionPair.ConnectAsync(ChannelTests.Streams(accepted));
        await using var near = await ChannelTests.OpenAsync(pair);
        var far = await accepted.Reader.ReadAsync();
        for (int i = 0; i < 2; i++)
            Send(pair, (ref SshWriter w) => new ChannelSignalMessage(MessageId.ChannelEof, 0).Write(ref w));
        Send(pair, (ref SshWriter w) =>
        {
            w.WriteMessageId(MessageId.ChannelData);
            w.WriteUInt32(0);
            w.WriteString("late"u8);
        });
        Assert.Empty(await ChannelTests.ReadToEndAsync(far));
        await using var another = await ChannelTests.OpenAsync(pair); // it goes on
    }

    [Fact]
    public async Task ExtendedDataAfterEofEndsTheConnection()
    {
        await using var pair = await PairWithUnreadChannelAsync();
        Send(pair, (ref SshWriter w) => new ChannelSignalMessage(MessageId.ChannelEof, 0).Write(ref w));
        Send(pair, (ref SshWriter w) =>
        {
            w.WriteMessageId(MessageId.ChannelExtendedData);
            w.WriteUInt32(0);
            w.WriteUInt32(1);
            w.WriteString("late"u8);
        });
        await ExpectEndAsync(pair, "Received extended_data after EOF on channel 0.");
    }

    // INVARIANTS 16 and 17: a peer that asks and asks and reads no answer is cut off; what it made us hold is bounded.
    [Fact]
    public async Task AFloodOfRequestsWhoseAnswersAreNotReadIsCutOff()
    {
        var (a, b) = MemoryDuplex.Pair(capacity: 4);
        var client = new GatedTransport(a);
        await using var pair = await ConnectionPair.ConnectAsync(client, new StreamTransport(b), server => server.Handle("test", new RefuseAll()));
        client.StopReading();
        var writer = new SshWriter(64);
        new GlobalRequestMessage { Name = "nobody-knows-this", WantReply = true }.Write(ref writer);
        byte[] request = writer.ToArray();
        for (int i = 0; i < 200_000 && pair.ServerTransport.Reason is null && pair.ClientTransport.Reason is null; i++)
        {
            pair.ClientTransport.Send(request);
            if (i % 1000 == 0)
                await pair.ClientTransport.WhenSentAsync().WaitAsync(Deadline);
        }
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Equal(SshError.ResourceLimit, reason.Error);
        // One byte each, and each counts with the whole of the buffer it lies in.
        int waiting = int.Parse(reason.Message.Split(' ').First(word => char.IsAsciiDigit(word[0])), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(waiting, 20_000, SendLimits.ControlBytes / 200);
    }

    // INVARIANTS 30: any byte string gives an error or nothing, never a crash or a hang.
    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public async Task RandomMessagesNeverCrashOrHang(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 25; round++)
        {
            await using var pair = await PairWithUnreadChannelAsync();
            for (int i = 0; i < 200 && pair.ServerTransport.Reason is null; i++)
            {
                byte[] payload = new byte[random.Next(1, 60)];
                random.NextBytes(payload);
                payload[0] = (byte)random.Next(80, 102);
                if (payload.Length > 5 && random.Next(4) > 0)
                    payload.AsSpan(1, 4).Clear(); // channel 0, which exists
                if (payload.Length > 9 && random.Next(2) > 0)
                {
                    payload.AsSpan(5, 4).Clear();
                    payload[8] = (byte)(payload.Length - 9);
                }
                pair.ClientTransport.Send(payload);
            }
            Assert.NotEqual(SshError.Unknown, pair.ServerTransport.Reason?.Error); // no internal error
        }
    }

    private static async Task<ConnectionPair> PairWithUnreadChannelAsync()
    {
        var accepted = Channel.CreateUnbounded<ChannelStream>();
        var pair = await ConnectionPair.ConnectAsync(ChannelTests.Streams(accepted));
        await ChannelTests.OpenAsync(pair);
        return pair;
    }

    private static void Send(ConnectionPair pair, Build build)
    {
        var writer = new SshWriter(128);
        build(ref writer);
        pair.ClientTransport.Send(writer.Written);
    }

    private static async Task ExpectEndAsync(ConnectionPair pair, string because)
    {
        var reason = await pair.ServerTransport.Completion.WaitAsync(Deadline);
        Assert.Contains(because, reason.Message, StringComparison.Ordinal);
        Assert.Equal(DisconnectReason.ProtocolError, reason.DisconnectReason);
        var heard = await pair.ClientTransport.Completion.WaitAsync(Deadline);
        Assert.Equal(SshError.Disconnected, heard.Error); // the peer was told
        Assert.Equal(DisconnectReason.ProtocolError, heard.DisconnectReason);
    }
}

/// <summary>A transport whose reading can be stopped: its peer's sends then pile up.</summary>
internal sealed class GatedTransport(Stream stream) : ByteTransport
{
    private readonly StreamTransport _inner = new(stream);
    private readonly TaskCompletionSource<int> _never = new();
    private volatile bool _stopped;

    public void StopReading() => _stopped = true;

    public override int TryReceive(Span<byte> buffer) => _stopped ? WouldBlock : _inner.TryReceive(buffer);

    public override async ValueTask WaitReadableAsync()
    {
        if (_stopped)
            await _never.Task;
        else
            await _inner.WaitReadableAsync();
    }

    public override int TrySend(List<ArraySegment<byte>> segments) => _inner.TrySend(segments);

    public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> data) => _inner.SendAsync(data);

    public override void Abort()
    {
        _never.TrySetException(new IOException("closed"));
        _inner.Abort();
    }

    public override ValueTask DisposeAsync() => _inner.DisposeAsync();
}
