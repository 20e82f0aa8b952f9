using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Unix sockets at both ends of -L and -R, both roles ours.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class StreamLocalForwardTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("adit-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task LocalForwardsReachUnixSocketsFromUnixSocketsAndPorts()
    {
        await using var tunnel = await ConnectAsync();
        using var target = Listen("target");
        await using var fromPath = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("near")), ForwardAddress.Unix(At("target")));
        await using var fromPort = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Tcp("127.0.0.1", 0), ForwardAddress.Unix(At("target")));
        await using var toPort = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("to-port")), Target(tunnel));
        await ExchangeAsync(await OpenAsync("near"), await target.AcceptAsync().WaitAsync(Deadline));
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, fromPort.Bound[0].Port);
        await ExchangeAsync(near, await target.AcceptAsync().WaitAsync(Deadline));
        await ExchangeAsync(await OpenAsync("to-port"), await tunnel.Target.AcceptAsync().WaitAsync(Deadline));
    }

    [Fact]
    public async Task RemoteForwardsListenOnUnixSocketsAndLeadToThemAndToPorts()
    {
        await using var tunnel = await ConnectAsync();
        using var target = Listen("target");
        await using var toPath = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("one")), ForwardAddress.Unix(At("target")));
        await using var toPort = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("two")), Target(tunnel));
        await using var fromPort = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Unix(At("target")));
        await ExchangeAsync(await OpenAsync("one"), await target.AcceptAsync().WaitAsync(Deadline));
        await ExchangeAsync(await OpenAsync("two"), await tunnel.Target.AcceptAsync().WaitAsync(Deadline));
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, fromPort.Port);
        await ExchangeAsync(near, await target.AcceptAsync().WaitAsync(Deadline));
        Assert.Equal(1, toPath.Connections);
    }

    // INVARIANTS 21, and OpenSSH's way with the file: nobody listens any more, the file stays.
    [Fact]
    public async Task CancellingStopsListeningAndLeavesTheFile()
    {
        await using var tunnel = await ConnectAsync();
        var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), Target(tunnel));
        var local = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("local")), Target(tunnel));
        using var open = await OpenAsync("remote");
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        await remote.DisposeAsync();
        await local.DisposeAsync();
        foreach (string name in new[] { "remote", "local" })
        {
            Assert.True(File.Exists(At(name)));
            var refused = await Assert.ThrowsAsync<SocketException>(() => OpenAsync(name));
            Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        }
        await ExchangeAsync(open, far); // what is open lives on
    }

    // INVARIANTS 21
    [Fact]
    public async Task TheSessionsDeathEndsItsListeners()
    {
        await using var tunnel = await ConnectAsync();
        await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), Target(tunnel));
        await tunnel.Client.DisposeAsync();
        await tunnel.Server.StopListeningAsync();
        await tunnel.Server.WhenEndedAsync().WaitAsync(Deadline);
        await Assert.ThrowsAsync<SocketException>(() => OpenAsync("remote"));
    }

    // INVARIANTS 25: replaced only where that was asked for, and only sockets.
    [Theory]
    [InlineData(false, true, false)]
    [InlineData(true, true, true)]
    [InlineData(true, false, false)]
    [InlineData(false, false, false)]
    public async Task WhatIsInTheWayIsReplacedOnlyWhereAsked(bool unlink, bool socket, bool replaced)
    {
        var options = new ListenOptions { UnlinkFirst = unlink };
        var log = new ListLogger();
        await using var tunnel = await ConnectAsync(options, log);
        foreach (string name in new[] { "local", "remote" })
        {
            if (socket)
                Listen(name).Dispose();
            else
                await File.WriteAllTextAsync(At(name), "precious");
        }
        if (replaced)
        {
            await using var local = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("local")), Target(tunnel), options);
            await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), Target(tunnel));
            await ExchangeAsync(await OpenAsync("local"), await tunnel.Target.AcceptAsync().WaitAsync(Deadline));
            await ExchangeAsync(await OpenAsync("remote"), await tunnel.Target.AcceptAsync().WaitAsync(Deadline));
            return;
        }
        var here = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("local")), Target(tunnel), options));
        Assert.Equal($"unix_listener: cannot bind to path {At("local")}: Address already in use", here.Message);
        string hint = socket ? "StreamLocalBindUnlink=yes" : "is no socket";
        Assert.Contains(hint, here.Hint, StringComparison.Ordinal);
        var there = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), Target(tunnel)));
        Assert.Equal((SshError.ForwardFailed, $"remote port forwarding failed for listen path {At("remote")}"), (there.Error, there.Message));
        Assert.Contains("StreamLocalBindUnlink", there.Hint, StringComparison.Ordinal);
        Assert.Contains(log.Lines, line => line.Text.StartsWith($"Remote: Server could not listen on {At("remote")}: ", StringComparison.Ordinal)
            && line.Text.Contains("Address already in use", StringComparison.Ordinal) && line.Text.Contains(hint, StringComparison.Ordinal));
        if (!socket)
            Assert.All(new[] { "local", "remote" }, name => Assert.Equal("precious", File.ReadAllText(At(name))));
    }

    [Theory]
    [InlineData(0b001_111_111, 0b110_000_000)]
    [InlineData(0b001_001_001, 0b110_110_110)]
    [InlineData(0b000_111_111, 0b111_000_000)]
    [InlineData(0, 0b111_111_111)]
    public async Task TheMaskSaysWhatTheFileAllows(int mask, int mode)
    {
        var options = new ListenOptions { BindMask = (UnixFileMode)mask };
        await using var tunnel = await ConnectAsync(options);
        await using var local = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("local")), Target(tunnel), options);
        await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), Target(tunnel));
        Assert.Equal((UnixFileMode)mode, File.GetUnixFileMode(At("local")));
        Assert.Equal((UnixFileMode)mode, File.GetUnixFileMode(At("remote")));
    }

    // OPENSSH.md section 5: whatever it was, the code is that of a failed connection.
    [Theory]
    [InlineData("missing", "No such file or directory")]
    [InlineData("stale", "Connection refused")]
    [InlineData("stale/below", null)]
    [InlineData("embedded\0nul", "Invalid argument")]
    [InlineData("a-path-that-is-far-too-long-for-a-socket-1234567890-1234567890-1234567890-1234567890-1234567890-1234567890", "File name too long")]
    public async Task WhatCannotBeConnectedToIsRefusedWithTheSystemsWords(string name, string? reason)
    {
        await using var tunnel = await ConnectAsync();
        Listen("stale").Dispose();
        var refused = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenUnixAsync(At(name)));
        Assert.Equal((SshError.ChannelOpenFailed, OpenFailureReason.ConnectFailed), (refused.Error, refused.OpenFailureReason));
        if (reason is not null)
            Assert.EndsWith(": connect failed: " + reason, refused.Message, StringComparison.Ordinal);
        await ExchangeAsync(tunnel); // the connection lives on
    }

    [Theory]
    [InlineData("embedded\0nul")]
    [InlineData("missing/folder")]
    [InlineData("a-path-that-is-far-too-long-for-a-socket-1234567890-1234567890-1234567890-1234567890-1234567890-1234567890")]
    public async Task WhatCannotBeListenedOnIsRefused(string name)
    {
        await using var tunnel = await ConnectAsync();
        var remote = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At(name)), Target(tunnel)));
        Assert.Equal(SshError.ForwardFailed, remote.Error);
        var local = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At(name)), Target(tunnel)));
        Assert.StartsWith("unix_listener: ", local.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    // INVARIANTS 23 and 24: nothing without a policy that says so; the one of now at every open and every accepted connection.
    [Fact]
    public async Task ThePolicyOfNowDecides()
    {
        var rules = new Rules();
        await using var tunnel = await TunnelPair.ConnectAsync(rules, server: server => server.UnixSockets = new ProcessUnixSockets());
        using var target = Listen("target");
        rules.Denied = ForwardingKind.DirectStreamLocal;
        var refused = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenUnixAsync(At("target")));
        Assert.Equal(OpenFailureReason.ConnectFailed, refused.OpenFailureReason);
        Assert.EndsWith(": connect failed: open failed", refused.Message, StringComparison.Ordinal);
        await using var forward = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("listen")), Target(tunnel));
        rules.Denied = ForwardingKind.ListenStreamLocal;
        using (var near = await OpenAsync("listen"))
            Assert.Equal(0, await near.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        Assert.Equal(0, forward.Connections);
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("another")), Target(tunnel)));
        Assert.False(File.Exists(At("another")));
        Assert.Contains(rules.Asked, request => request is { Kind: ForwardingKind.DirectStreamLocal, Port: 0 } && request.Host == At("target"));
        Assert.Contains(rules.Asked, request => request is { Kind: ForwardingKind.ListenStreamLocal, Port: 0 } && request.Host == At("another"));
    }

    [Fact]
    public async Task AServerThatOpensNoUnixSocketsRefusesThem()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        using var target = Listen("target");
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenUnixAsync(At("target")));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("listen")), Target(tunnel)));
        Assert.False(File.Exists(At("listen")));
    }

    [Fact]
    public async Task ListenersAreCountedAndOneIsNotReplacedByAnother()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(server: server =>
        {
            server.UnixSockets = new ProcessUnixSockets(new ListenOptions { UnlinkFirst = true });
            server.MaxRemoteForwards = 2;
        });
        await using var other = await tunnel.ConnectAnotherAsync();
        var first = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("a")), Target(tunnel));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("a")), Target(tunnel)));
        await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("b")), Target(tunnel));
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("c")), Target(tunnel)));
        await first.DisposeAsync();
        await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("c")), Target(tunnel));
    }

    // INVARIANTS 20
    [Fact]
    public async Task ConnectionsThatAreGoneAtOnceHurtNobody()
    {
        await using var tunnel = await ConnectAsync();
        using var target = Listen("target");
        await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Unix(At("remote")), ForwardAddress.Unix(At("target")));
        await using var local = await tunnel.Client.ForwardLocalAsync(ForwardAddress.Unix(At("local")), ForwardAddress.Unix(At("target")));
        for (int i = 0; i < 100; i++)
        {
            (await OpenAsync("remote")).Dispose();
            (await OpenAsync("local")).Dispose();
        }
        for (int i = 0; i < 200; i++)
        {
            using var far = await target.AcceptAsync().WaitAsync(Deadline);
            Assert.Equal(0, await far.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        }
        await ExchangeAsync(await OpenAsync("remote"), await target.AcceptAsync().WaitAsync(Deadline));
        await ExchangeAsync(await OpenAsync("local"), await target.AcceptAsync().WaitAsync(Deadline));
    }

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);

    private static Task<TunnelPair> ConnectAsync(ListenOptions? options = null, ListLogger? log = null) => TunnelPair.ConnectAsync(
        client: client => client.LoggerFactory = log is null ? client.LoggerFactory : new ToOne(log),
        server: server => server.UnixSockets = new ProcessUnixSockets(options));

    private static async Task ExchangeAsync(TunnelPair tunnel)
    {
        var (near, far) = await tunnel.OpenAsync();
        await ExchangeAsync(near, far);
    }

    /// <summary>Some data one way to its end, then the other way to its end.</summary>
    private static async Task ExchangeAsync(Socket near, Socket far)
    {
        using (near)
        using (far)
        {
            await OneWayAsync(near, far);
            await OneWayAsync(far, near);
        }
    }

    private static async Task OneWayAsync(Socket from, Socket to)
    {
        byte[] sent = RandomNumberGenerator.GetBytes(300_000);
        var sending = Task.Run(async () =>
        {
            for (int done = 0; done < sent.Length;)
                done += await from.SendAsync(sent.AsMemory(done));
            from.Shutdown(SocketShutdown.Send);
        });
        var received = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (await to.ReceiveAsync(buffer).WaitAsync(Deadline) is var count and > 0)
            received.Write(buffer, 0, count);
        await sending;
        Assert.True(sent.AsSpan().SequenceEqual(received.ToArray()));
    }

    private string At(string name) => Path.Combine(_folder, name);

    private Socket Listen(string name) => UnixSocket.Listen(At(name), new ListenOptions());

    private async Task<Socket> OpenAsync(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(At(name)));
        return socket;
    }

    private sealed class Rules : IForwardingPolicy
    {
        public ForwardingKind? Denied { get; set; }

        public List<ForwardingRequest> Asked { get; } = [];

        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken)
        {
            lock (Asked)
                Asked.Add(request);
            return new(request.Kind == Denied ? ForwardingDecision.Deny("no") : ForwardingDecision.Allow);
        }
    }

    private sealed class ToOne(ListLogger log) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => log;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
