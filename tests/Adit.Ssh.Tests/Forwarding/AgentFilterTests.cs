using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging.Abstractions;
using static Adit.Ssh.Tests.Forwarding.AgentLab;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>What reaches a forwarded agent, and how its messages are cut out of a stream.</summary>
public class AgentFilterTests
{
    private static readonly PrivateKey Key = PrivateKey.Generate("ed25519");

    /// <summary>One of each kind that may pass.</summary>
    private static readonly byte[][] Good =
    [
        AgentMessages.RequestIdentities(),
        AgentMessages.SignRequest(Key.PublicKey, "ssh-ed25519", "data"u8),
        AgentMessages.SessionBind(Key.PublicKey, new byte[32], new byte[64], forwarding: true),
        [27, 0, 0, 0, 5, .. "query"u8],
    ];

    [Fact]
    public async Task Of_all_message_numbers_three_reach_the_agent()
    {
        for (int type = 0; type < 256; type++)
        {
            // Each with what the good ones have behind their number.
            foreach (byte[] good in Good)
            {
                var agent = new Recorder();
                byte[] reply = await Filter(agent).AnswerAsync([(byte)type, .. good.AsSpan(1)], default);
                bool passes = type == good[0];
                Assert.Equal(passes ? 1 : 0, agent.Requests.Count);
                Assert.Equal(passes ? AgentMessages.Success : AgentMessages.Failure, reply[0]);
            }
        }
    }

    [Theory]
    [InlineData("session-bind@openssh.com")] // without what it needs
    [InlineData("session-bind@openssh.com\0")]
    [InlineData("Query")]
    [InlineData("restrict-destination-v00@openssh.com")]
    [InlineData("")]
    public async Task Other_extensions_are_refused(string name)
    {
        var writer = new SshWriter(64);
        writer.WriteByte(27);
        writer.WriteString(name);
        var agent = new Recorder();
        Assert.Equal(Failure, await Filter(agent).AnswerAsync(writer.ToArray(), default));
        Assert.Empty(agent.Requests);
    }

    // What is cut short or has something behind it could be read another way by an agent.
    [Fact]
    public async Task What_is_not_of_the_exact_form_is_refused()
    {
        foreach (byte[] good in Good)
        {
            for (int length = 0; length < good.Length; length++)
                await RefusedAsync(good[..length]);
            await RefusedAsync([.. good, 0]);
            await RefusedAsync([.. good, .. good]);
        }

        static async Task RefusedAsync(byte[] message)
        {
            var agent = new Recorder();
            Assert.Equal(Failure, await Filter(agent).AnswerAsync(message, default));
            Assert.Empty(agent.Requests);
        }
    }

    [Fact]
    public async Task Damaged_messages_are_answered_and_never_become_others()
    {
        var random = new Random(20260);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] damaged = Mutation.Of(Good[round % Good.Length], random);
            var agent = new Recorder();
            byte[] reply = await Filter(agent, confirm: round % 2 == 0).AnswerAsync(damaged, default);
            Assert.NotEmpty(reply);
            Assert.All(agent.Requests, request => Assert.True(request is [11] or [13, ..] or [27, ..]));
        }
    }

    // However the bytes come, in however large pieces, with several messages in one: the same messages.
    [Fact]
    public async Task Frames_are_found_however_they_were_cut()
    {
        var random = new Random(5);
        for (int round = 0; round < 30; round++)
        {
            byte[][] messages = [.. Enumerable.Range(0, random.Next(1, 8)).Select(_ => RandomBytes(random, random.Next(8) == 0 ? AgentConnection.MaxMessageLength : random.Next(1, 3000)))];
            byte[] all = [.. messages.SelectMany(message => Frame(message))];
            var bytes = new InboundBytes();
            await using var pair = await Tests.Connection.ConnectionPair.ConnectAsync(server => server.Handle("x", new Tests.Connection.AcceptAll(_ => new Feed(bytes))));
            var stream = new ChannelStream();
            var channel = await pair.Client.OpenAsync("x", default, stream, default).WaitAsync(Deadline);
            var sending = Task.Run(async () =>
            {
                for (int at = 0; at < all.Length;)
                {
                    int count = Math.Min(random.Next(2) == 0 ? random.Next(1, 9) : random.Next(1, 20_000), all.Length - at);
                    if (all.Length > 10_000)
                        count = Math.Min(Math.Max(count, 500), all.Length - at);
                    Assert.True(await channel.SendAsync(all.AsMemory(at, count)));
                    at += count;
                }
                channel.SendEof();
            });
            var frames = new AgentFrames(bytes);
            foreach (byte[] message in messages)
                Assert.Equal(message, await frames.ReadAsync(default).AsTask().WaitAsync(Deadline));
            Assert.Null(await frames.ReadAsync(default).AsTask().WaitAsync(Deadline));
            await sending;
        }
    }

    [Theory]
    [InlineData("00000000", "a message of 0 bytes for the agent")]
    [InlineData("00040001ff", "a message of 262145 bytes for the agent")]
    [InlineData("7fffffff", "a message of 2147483647 bytes for the agent")]
    [InlineData("ffffffff", "a message of 4294967295 bytes for the agent")]
    [InlineData("0000", "the stream to the agent ended within a message")]
    [InlineData("00000002ff", "the stream to the agent ended within a message")]
    [InlineData("0004000012345678", "the stream to the agent ended within a message")]
    public async Task A_hostile_length_ends_the_connection_to_the_agent_and_no_other(string sent, string reason)
    {
        await using var lab = await ConnectAsync();
        using var fake = new FakeAgent(lab.Folder.File("agent"), request => request[0] == 27 ? [AgentMessages.Success] : Identities(Key.PublicKey, "it"));
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        await using var other = await lab.OpenAsync();
        await using (var stream = await lab.OpenAsync())
        {
            await stream.WriteAsync(Frame(AgentMessages.RequestIdentities()));
            await stream.WriteAsync(Convert.FromHexString(sent));
            await stream.CompleteWritesAsync();
            Assert.Single(AgentMessages.ReadIdentities(await ReadAsync(stream)));
            Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
        }
        Assert.Contains($"agent forwarding: connection closed: {reason}", lab.Log.Texts);
        Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(other, AgentMessages.RequestIdentities())));
    }

    [Fact]
    public async Task Requests_sent_ahead_are_answered_in_their_order_and_the_end_comes_after_the_last()
    {
        await using var lab = await ConnectAsync();
        int count = 0;
        using var fake = new FakeAgent(lab.Folder.File("agent"), request => request[0] == 27 ? [AgentMessages.Success] : Identities(Key.PublicKey, $"{Interlocked.Increment(ref count)}"));
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        await using var stream = await lab.OpenAsync();
        await stream.WriteAsync(Enumerable.Repeat(Frame([11]).Concat(Frame([19])), 500).SelectMany(frame => frame).ToArray());
        await stream.CompleteWritesAsync();
        for (int i = 1; i <= 500; i++)
        {
            Assert.Equal($"{i}", AgentMessages.ReadIdentities(await ReadAsync(stream))[0].Comment);
            Assert.Equal(Failure, await ReadAsync(stream));
        }
        Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
    }

    // An agent that goes away takes the connections through it along, and nothing more.
    [Fact]
    public async Task An_agent_that_hangs_up_or_answers_nonsense_ends_the_channel()
    {
        await using var lab = await ConnectAsync();
        using var fake = new FakeAgent(lab.Folder.File("agent"), request => request[0] == 27 ? [AgentMessages.Success] : null);
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        await using var stream = await lab.OpenAsync();
        await stream.WriteAsync(Frame([11]));
        Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
        Assert.Contains("agent forwarding: connection closed: the agent closed the connection", lab.Log.Texts);
        fake.AnnouncedLength = int.MaxValue;
        await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
    }

    private static AgentFilter Filter(IAgentExchange agent, bool confirm = false) =>
        new(agent, knowsBindings: true, new ForwardedAgent("/nowhere") { Confirm = confirm ? (_, _) => ValueTask.FromResult(true) : null }, "test@host", NullLogger.Instance);

    private static byte[] RandomBytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private sealed class Recorder : IAgentExchange
    {
        public List<byte[]> Requests { get; } = [];

        public ValueTask<byte[]> ExchangeAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
        {
            Requests.Add(message.ToArray());
            return ValueTask.FromResult<byte[]>([AgentMessages.Success]);
        }
    }

    private sealed class Feed(InboundBytes bytes) : IChannelSink
    {
        public void OnOpened(SshChannel channel) => bytes.Bind(channel);

        public void OnData(ReadOnlyMemory<byte> data) => bytes.Append(data.Span);

        public void OnBatchEnd() => bytes.Signal();

        public void OnEof() => bytes.End(null);

        public void OnClosed(SshException? reason) => bytes.End(reason);
    }
}
