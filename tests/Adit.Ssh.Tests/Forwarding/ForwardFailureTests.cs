using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>What a person at the client learns when a connection through a forward cannot be made.</summary>
public class ForwardFailureTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task ARefusalNamesTheRuleThatOurServerWentBy()
    {
        var told = await FailAsync("127.0.0.1:9", "PermitOpen 127.0.0.1:1");
        Assert.Equal(
            [
                "channel 0: open failed: administratively prohibited: open failed", // first and as OpenSSH has it: scripts match it
                "  test@127.0.0.1 could not connect to 127.0.0.1:9: refused by PermitOpen 127.0.0.1:1",
            ],
            told);
    }

    [Fact]
    public async Task ANameThatLeadsNowhereIsToldWithItsAddresses()
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound and not listening: refuses
        int port = ((IPEndPoint)closed.LocalEndPoint!).Port;
        var told = await FailAsync($"localhost:{port}", null);
        Assert.Equal("channel 0: open failed: connect failed: Connection refused", told[0]);
        Assert.StartsWith($"  test@127.0.0.1 could not connect to localhost:{port}: Connection refused (tried ", told[1], StringComparison.Ordinal);
        Assert.Contains("127.0.0.1)", told[1], StringComparison.Ordinal);
        Assert.Equal(2, told.Count);
    }

    [Fact]
    public async Task TheLibrarysCallerGetsItInTheException()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(new Deny("AllowTcpForwarding no"));
        var refused = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("db", 5432));
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, refused.OpenFailureReason);
        Assert.EndsWith("open failed: administratively prohibited: open failed", refused.Message, StringComparison.Ordinal);
        Assert.Equal("test@127.0.0.1 could not connect to db:5432: refused by AllowTcpForwarding no", refused.Hint);
    }

    // What a peer says about a channel counts for that channel alone, while it is being opened, and cannot steer a terminal.
    [Fact]
    public async Task ARemarkBelongsToTheChannelItNames()
    {
        var refuser = new Refuser();
        await using var pair = await ConnectionPair.ConnectAsync(server => server.Handle("test", refuser));
        pair.ServerTransport.Send(new DebugMessage(false, "channel 0: ahead of its time"));
        await pair.Server.Requests.RequestAsync("keepalive@openssh.com", []).WaitAsync(Deadline); // and it has been heard
        var first = pair.Client.OpenAsync("test", default, new ChannelStream(), default);
        var second = pair.Client.OpenAsync("test", default, new ChannelStream(), default);
        foreach (string remark in new[] { "channel 4294967296: x", "channel -1: x", "channel : x", "channel 7: x", "channel", "channel 1: the \u001b[31mrule" })
            pair.ServerTransport.Send(new DebugMessage(true, remark));
        refuser.Go.SetResult();
        Assert.Null((await Assert.ThrowsAsync<SshException>(() => first.WaitAsync(Deadline))).Hint);
        Assert.Equal("the \\033[31mrule", (await Assert.ThrowsAsync<SshException>(() => second.WaitAsync(Deadline))).Hint);
    }

    [Fact]
    public void OneFailureAgainAndAgainIsToldAFewTimesAMinute()
    {
        var time = new FakeTime();
        var log = new ListLogger();
        var failures = new ForwardFailures("server", time, log);
        void Fail(int channel, string destination) => failures.TellRefusedOpen(
            destination,
            new SshException(SshError.ChannelOpenFailed, $"channel {channel}: open failed: connect failed: Connection refused")
            {
                OpenFailureReason = OpenFailureReason.ConnectFailed,
            });
        int Shown(string text) => log.Lines.Count(line => line.Level == LogLevel.Information && line.Text.Contains(text, StringComparison.Ordinal));

        for (int i = 0; i < 1000; i++)
            Fail(i, "a:1");
        Assert.Equal(5, Shown("open failed"));
        Assert.Equal(1, Shown("server could not connect to a:1"));
        Assert.Equal(1, Shown("are shown with -v"));
        Assert.Equal(1000, log.Texts.Count(text => text.StartsWith("channel", StringComparison.Ordinal))); // nothing is lost to who looks for it
        Fail(1000, "b:1");
        Assert.Equal(1, Shown("server could not connect to b:1"));
        time.Advance(TimeSpan.FromMinutes(1));
        Fail(1001, "a:1");
        Assert.Equal(2, Shown("server could not connect to a:1"));
    }

    /// <summary>One connection through a -L that fails; what is told without -v.</summary>
    private static async Task<IReadOnlyList<string>> FailAsync(ForwardAddress destination, string? rule)
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(rule is null ? null : new Deny(rule), client => client.LoggerFactory = new One(log));
        await using var forward = await tunnel.Client.ForwardLocalAsync("127.0.0.1:0", destination);
        int before = log.Lines.Count;
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, forward.Bound[0].Port);
        Assert.Equal(0, await near.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        return [.. log.Lines.Skip(before).Where(line => line.Level >= LogLevel.Information).Select(line => line.Text)];
    }

    private sealed class Refuser : IChannelHandler
    {
        public TaskCompletionSource Go { get; } = new();

        public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            await Go.Task.WaitAsync(cancellationToken);
            request.Reject(OpenFailureReason.ConnectFailed, "open failed");
        }
    }

    private sealed class Deny(string rule) : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Deny(rule));
    }

    private sealed class One(ILogger logger) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => logger;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
