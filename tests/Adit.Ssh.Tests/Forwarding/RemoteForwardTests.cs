using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

public class RemoteForwardTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private const string Loopback = "127.0.0.1 ::1";
    private const string All = "0.0.0.0 ::";

    // INVARIANTS 21: what was reported bound is what is bound; INVARIANTS 24: GatewayPorts never widens. OPENSSH.md section 5, every row.
    [Theory]
    [InlineData(null, GatewayPorts.No, Loopback, null)] // no bind address is sent as "localhost"
    [InlineData("localhost", GatewayPorts.No, Loopback, null)]
    [InlineData("127.0.0.1", GatewayPorts.No, "127.0.0.1", null)]
    [InlineData("::1", GatewayPorts.No, "::1", null)]
    [InlineData("", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData("*", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData("0.0.0.0", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData("::", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData("127.0.0.2", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData("no-such-name.invalid", GatewayPorts.No, Loopback, "narrowed to loopback")]
    [InlineData(null, GatewayPorts.Yes, All, "Forwarding listen address \"localhost\" overridden by server GatewayPorts")]
    [InlineData("127.0.0.1", GatewayPorts.Yes, All, "Forwarding listen address \"127.0.0.1\" overridden by server GatewayPorts")]
    [InlineData("::1", GatewayPorts.Yes, All, "Forwarding listen address \"::1\" overridden by server GatewayPorts")]
    [InlineData("", GatewayPorts.Yes, All, null)]
    [InlineData("*", GatewayPorts.Yes, All, null)]
    [InlineData("0.0.0.0", GatewayPorts.Yes, All, null)]
    [InlineData("::", GatewayPorts.Yes, All, "Forwarding listen address \"::\" overridden by server GatewayPorts")]
    [InlineData("127.0.0.2", GatewayPorts.Yes, All, "Forwarding listen address \"127.0.0.2\" overridden by server GatewayPorts")]
    [InlineData(null, GatewayPorts.ClientSpecified, Loopback, null)]
    [InlineData("127.0.0.1", GatewayPorts.ClientSpecified, "127.0.0.1", null)]
    [InlineData("::1", GatewayPorts.ClientSpecified, "::1", null)]
    [InlineData("", GatewayPorts.ClientSpecified, All, null)]
    [InlineData("*", GatewayPorts.ClientSpecified, All, null)]
    [InlineData("0.0.0.0", GatewayPorts.ClientSpecified, "0.0.0.0", null)]
    [InlineData("::", GatewayPorts.ClientSpecified, "::", null)]
    [InlineData("127.0.0.2", GatewayPorts.ClientSpecified, "127.0.0.2", null)]
    public async Task TheBindTable(string? requested, GatewayPorts gatewayPorts, string expected, string? said)
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(new Rules { GatewayPorts = gatewayPorts }, client => client.LoggerFactory = new ToOne(log));
        await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(requested, 0), Target(tunnel));
        Assert.Equal(expected.Split(' '), Listeners.BoundTo(forward.Port));
        // What the server changed is told before it answers, and without being asked to be talkative.
        string[] told = [.. log.Lines.Where(line => line.Level == LogLevel.Information && line.Text.StartsWith("Remote: ", StringComparison.Ordinal)).Select(line => line.Text)];
        if (said is null)
            Assert.Empty(told);
        else
            Assert.Contains(said, Assert.Single(told), StringComparison.Ordinal);
        if (said is not null && gatewayPorts == GatewayPorts.No)
            Assert.Contains($"GatewayPorts no: listening on 127.0.0.1:{forward.Port} and [::1]:{forward.Port}", told[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task BytesPassBothWaysAndHalfCloseIsKept()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("localhost", 0), Target(tunnel));
        var (near, far) = await OpenAsync(tunnel, forward);
        byte[] question = RandomNumberGenerator.GetBytes(5_000_000), answer = RandomNumberGenerator.GetBytes(5_000_000);
        var asked = ReadToEndAsync(far);
        await SendAllAsync(near, question);
        near.Shutdown(SocketShutdown.Send);
        AssertSame(question, await asked.WaitAsync(Deadline));
        var answered = ReadToEndAsync(near);
        await SendAllAsync(far, answer);
        far.Dispose();
        AssertSame(answer, await answered.WaitAsync(Deadline));
        Assert.Equal(1, forward.Connections);
    }

    // INVARIANTS 21
    [Fact]
    public async Task CancelFreesThePortAndLeavesConnectionsAlone()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        var (near, far) = await OpenAsync(tunnel, forward);
        await forward.DisposeAsync();
        await Listeners.WhenFreeAsync(forward.Port, Deadline);
        await near.SendAsync("still here"u8.ToArray());
        Assert.Equal(10, await far.ReceiveAsync(new byte[20]).WaitAsync(Deadline));
        // The same again, under the same number.
        await using var again = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, forward.Port), Target(tunnel));
        Assert.Equal(["127.0.0.1", "::1"], Listeners.BoundTo(forward.Port));
    }

    // INVARIANTS 21
    [Fact]
    public async Task TheSessionsDeathFreesItsPorts()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        Assert.Equal(2, Listeners.BoundTo(forward.Port).Length);
        await tunnel.Client.DisposeAsync();
        await tunnel.Server.StopListeningAsync();
        await tunnel.Server.WhenEndedAsync().WaitAsync(Deadline);
        await Listeners.WhenFreeAsync(forward.Port, Deadline);
        await forward.DisposeAsync(); // nothing left to cancel, and no complaint
    }

    [Fact]
    public async Task OfTwoClientsTheFirstKeepsThePort()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var other = await tunnel.ConnectAnotherAsync();
        var first = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        var error = await Assert.ThrowsAsync<SshException>(() => other.ForwardRemoteAsync(ForwardAddress.Tcp(null, first.Port), Target(tunnel)));
        Assert.Equal(SshError.ForwardFailed, error.Error);
        Assert.Equal($"remote port forwarding failed for listen port {first.Port}", error.Message);
        Assert.Contains("in use", error.Hint, StringComparison.Ordinal);
        using (var probe = (await OpenAsync(tunnel, first)).Near)
            Assert.True(probe.Connected);
        await first.DisposeAsync();
        await using var second = await other.ForwardRemoteAsync(ForwardAddress.Tcp(null, first.Port), Target(tunnel));
        Assert.Equal(first.Port, second.Port);
    }

    [Fact]
    public async Task TheSameForwardTwiceIsRefused()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, forward.Port), Target(tunnel)));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", forward.Port), Target(tunnel)));
        (await OpenAsync(tunnel, forward)).Near.Dispose(); // the first one is none the worse
    }

    // INVARIANTS 24: without a rule that allows it there is no listener.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhatThePolicyDeniesIsNotBoundAndTheClientLearnsTheRule(bool none)
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(new Rules { Denied = "PermitListen *:1" }, client => client.LoggerFactory = new ToOne(log),
            server => server.ForwardingPolicy = none ? null : server.ForwardingPolicy);
        var error = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel)));
        Assert.Equal(SshError.ForwardFailed, error.Error);
        Assert.Contains($"Remote: Server has disabled port forwarding. \"localhost\" port 0: {(none ? "no forwarding policy is set up" : "PermitListen *:1")}", log.Texts);
    }

    // INVARIANTS 23: the policy of now decides each connection.
    [Fact]
    public async Task ARuleThatChangesHoldsForTheNextConnection()
    {
        var rules = new Rules();
        await using var tunnel = await TunnelPair.ConnectAsync(rules);
        await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        (await OpenAsync(tunnel, forward)).Near.Dispose();
        rules.Denied = "changed";
        using var refused = await ConnectAsync(forward.Port);
        Assert.Equal(0, await EndAsync(refused));
        Assert.Equal(1, forward.Connections);
        rules.Denied = null;
        (await OpenAsync(tunnel, forward)).Near.Dispose();
    }

    [Fact]
    public async Task ADestinationThatIsNotThereClosesTheConnectionAndSaysWhy()
    {
        var log = new ListLogger();
        await using var tunnel = await TunnelPair.ConnectAsync(client: client => client.LoggerFactory = new ToOne(log));
        await using var tcp = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Tcp("127.0.0.1", 1));
        await using var unix = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Unix("/no/such/socket"));
        await using var name = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Tcp("no-such-host.invalid", 1));
        foreach (var forward in new[] { tcp, unix, name })
        {
            using var socket = await ConnectAsync(forward.Port);
            Assert.Equal(0, await EndAsync(socket));
        }
        Assert.Contains("connect_to 127.0.0.1 port 1: failed.", log.Texts);
        Assert.Contains("connect_to /no/such/socket: failed.", log.Texts);
        Assert.Contains(log.Texts, text => text.StartsWith("connect_to no-such-host.invalid: unknown host (", StringComparison.Ordinal));
        Assert.Contains(log.Texts, text => text.EndsWith("127.0.0.1:1 cannot be reached from here: Connection refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AUnixSocketCanBeTheDestination()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using var target = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        target.Bind(new UnixDomainSocketEndPoint(path));
        target.Listen();
        try
        {
            await using var tunnel = await TunnelPair.ConnectAsync();
            await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Unix(path));
            using var near = await ConnectAsync(forward.Port);
            using var far = await target.AcceptAsync().WaitAsync(Deadline);
            await near.SendAsync("hello"u8.ToArray());
            near.Shutdown(SocketShutdown.Send);
            Assert.Equal("hello"u8.ToArray(), await ReadToEndAsync(far).WaitAsync(Deadline));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task AUnixSocketAtOurServerIsRefused()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var error = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix("/tmp/x"), Target(tunnel)));
        Assert.Equal("remote port forwarding failed for listen path /tmp/x", error.Message);
    }

    [Fact]
    public async Task OneConnectionHasSoManyListenersAndNoMore()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(server: options => options.MaxRemoteForwards = 2);
        var first = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel));
        await using var second = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel)));
        await first.DisposeAsync();
        await using var third = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel));
    }

    [Fact]
    public async Task WhoeverGivesUpAskingLeavesNoListener()
    {
        var rules = new Rules { Gate = new TaskCompletionSource() };
        await using var tunnel = await TunnelPair.ConnectAsync(rules, server: options => options.MaxRemoteForwards = 1);
        using var patience = new CancellationTokenSource();
        var asking = tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel), patience.Token);
        await rules.Asked.Task.WaitAsync(Deadline);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        rules.Gate.SetResult();
        // Answers come in order: with this one here the forgotten listener's was seen, and its cancellation is on the way.
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, Rules.DeniedPort), Target(tunnel)));
        await using var next = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), Target(tunnel));
        Assert.Equal(2, Listeners.BoundTo(next.Port).Length);
    }

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);

    private static async Task<Socket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    private static async Task<(Socket Near, Socket Far)> OpenAsync(TunnelPair tunnel, RemoteForward forward)
    {
        var near = await ConnectAsync(forward.Port);
        return (near, await tunnel.Target.AcceptAsync().WaitAsync(Deadline));
    }

    private static async Task<int> EndAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).WaitAsync(Deadline);
        }
        catch (SocketException)
        {
            return 0; // a reset is an end too
        }
    }

    private static void AssertSame(byte[] expected, byte[] actual) => Assert.True(expected.AsSpan().SequenceEqual(actual), "the bytes differ");

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

    /// <summary>Allows everything but what it is told to deny.</summary>
    private sealed class Rules : IForwardingPolicy
    {
        public const int DeniedPort = 1;

        public GatewayPorts GatewayPorts { get; init; }

        public string? Denied { get; set; }

        public TaskCompletionSource? Gate { get; init; }

        public TaskCompletionSource Asked { get; } = new();

        public async ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken)
        {
            if (request.Kind != ForwardingKind.ListenTcp)
                return ForwardingDecision.Allow;
            Asked.TrySetResult();
            if (Gate is not null)
                await Gate.Task.WaitAsync(cancellationToken);
            return (request.Port == DeniedPort ? "port 1" : Denied) is { } rule ? ForwardingDecision.Deny(rule) : ForwardingDecision.Allow with { GatewayPorts = GatewayPorts };
        }
    }

    private sealed class ToOne(ILogger logger) : ILoggerFactory
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
