using System.Text;
using System.Threading.Channels;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Connection;

public class SessionTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task RequestsAreAnsweredInTheirOrder()
    {
        await using var pair = await ConnectAsync((type, data) => type switch
        {
            "exec" when new SshReader(data).ReadUtf8() == "good" => ChannelRequestAnswer.Success,
            "pty-req" => ChannelRequestAnswer.Success,
            _ => ChannelRequestAnswer.Failure,
        });
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        session.SetVariable("LANG", "C");
        var answers = await Task.WhenAll(session.ExecuteAsync("bad"), session.RequestPtyAsync(new PtyOptions("xterm", 80, 24)), session.ExecuteAsync("good"), session.StartShellAsync()).WaitAsync(Deadline);
        Assert.Equal([false, true, true, false], answers);
    }

    [Fact]
    public async Task OutputErrorsAndTheExitStatusComeApartAndWhole()
    {
        var opened = Channel.CreateUnbounded<SshChannel>();
        await using var pair = await ConnectAsync((_, _) => ChannelRequestAnswer.Success, opened);
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        var server = await opened.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
        byte[] output = new byte[3_000_000], errors = new byte[2_500_000];
        new Random(1).NextBytes(output);
        new Random(2).NextBytes(errors);
        var sending = Task.Run(async () =>
        {
            for (int i = 0; i < 10; i++)
            {
                Assert.True(await server.SendAsync(output.AsMemory(i * output.Length / 10, output.Length / 10)));
                Assert.True(await server.SendExtendedAsync(1, errors.AsMemory(i * errors.Length / 10, errors.Length / 10)));
            }
            var writer = new SshWriter(4);
            writer.WriteUInt32(7);
            server.Notify("exit-status", writer.Written);
            server.SendEof();
            server.Close();
        });
        var (seenOutput, seenErrors) = (ReadAsync(session.Output), ReadAsync(session.Error));
        Assert.Equal(output, await seenOutput.WaitAsync(Deadline));
        Assert.Equal(errors, await seenErrors.WaitAsync(Deadline));
        Assert.Equal(new SessionExit(7), await session.Completion.WaitAsync(Deadline));
        await sending;
    }

    [Fact]
    public async Task ASignalThatEndsTheProgramIsTold()
    {
        var opened = Channel.CreateUnbounded<SshChannel>();
        await using var pair = await ConnectAsync((_, _) => ChannelRequestAnswer.Success, opened);
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        var server = await opened.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
        server.Notify(ExitSignalData.Name, new ExitSignalData("TERM", true, "it\x1b[2J").ToArray());
        server.Close();
        var exit = await session.Completion.WaitAsync(Deadline);
        Assert.Equal((null, "TERM", true), (exit.Status, exit.Signal, exit.CoreDumped));
        Assert.DoesNotContain('\x1b', exit.Message);
    }

    // What is waited for must not stay open when the peer closes instead of answering.
    [Fact]
    public async Task AChannelThatClosesAnswersWhatWasAsked()
    {
        await using var pair = await ConnectAsync((_, _) => ChannelRequestAnswer.Later, closeOnRequest: true);
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        Assert.False(await session.ExecuteAsync("x").WaitAsync(Deadline));
        Assert.Null((await session.Completion.WaitAsync(Deadline)).Status);
        Assert.False(await session.StartShellAsync().WaitAsync(Deadline));
    }

    [Fact]
    public async Task AnAnswerThatNobodyAskedForEndsTheConnection()
    {
        var opened = Channel.CreateUnbounded<SshChannel>();
        await using var pair = await ConnectAsync((_, _) => ChannelRequestAnswer.Success, opened);
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        (await opened.Reader.ReadAsync().AsTask().WaitAsync(Deadline)).Answer(true);
        var reason = await pair.ClientTransport.Completion.WaitAsync(Deadline);
        Assert.Contains("that was not sent", reason.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SshException>(() => session.Completion.WaitAsync(Deadline));
    }

    [Fact]
    public async Task InputArrivesAndEnds()
    {
        var opened = Channel.CreateUnbounded<SshChannel>();
        var received = new InboundBytes();
        await using var pair = await ConnectAsync((_, _) => ChannelRequestAnswer.Success, opened, received);
        await using var session = await SshSession.OpenAsync(pair.Client, default);
        await session.Input.WriteAsync("hello"u8.ToArray());
        session.CompleteInput();
        var buffer = new byte[16];
        Assert.Equal(5, await received.ReadAsync(buffer, default).AsTask().WaitAsync(Deadline));
        Assert.Equal("hello", Encoding.ASCII.GetString(buffer, 0, 5));
        Assert.Equal(0, await received.ReadAsync(buffer, default).AsTask().WaitAsync(Deadline));
    }

    private static Task<ConnectionPair> ConnectAsync(Answerer answer, Channel<SshChannel>? opened = null, InboundBytes? received = null, bool closeOnRequest = false) =>
        ConnectionPair.ConnectAsync(server => server.Handle("session", new AcceptAll(_ => new ServerSink(answer, opened, received, closeOnRequest))));

    private static async Task<byte[]> ReadAsync(Stream stream)
    {
        using var all = new MemoryStream();
        await stream.CopyToAsync(all);
        return all.ToArray();
    }

    private delegate ChannelRequestAnswer Answerer(string type, ReadOnlySpan<byte> data);

    private sealed class ServerSink(Answerer answer, Channel<SshChannel>? opened, InboundBytes? received, bool closeOnRequest) : IChannelSink
    {
        private SshChannel? _channel;

        public void OnOpened(SshChannel channel)
        {
            _channel = channel;
            received?.Bind(channel);
            opened?.Writer.TryWrite(channel);
        }

        public void OnData(ReadOnlyMemory<byte> data)
        {
            if (received is null)
                _channel!.Credit(data.Length);
            else
                received.Append(data.Span);
        }

        public void OnBatchEnd() => received?.Signal();

        public void OnEof() => received?.End(null);

        public void OnClosed(SshException? reason) => _channel?.Close();

        public ChannelRequestAnswer OnRequest(string type, ReadOnlySpan<byte> data, bool wantReply)
        {
            if (closeOnRequest)
                _channel!.Close();
            return answer(type, data);
        }
    }
}
