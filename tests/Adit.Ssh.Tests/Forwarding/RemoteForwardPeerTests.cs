using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;
using Adit.Ssh.Tests.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>The asking end of -R against a peer that the test plays.</summary>
public class RemoteForwardPeerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    // The port is known before a channel that came right behind the answer is looked at.
    [Fact]
    public async Task AChannelRightBehindTheAnswerFindsItsForward()
    {
        using var target = Listen();
        for (int i = 0; i < 50; i++)
        {
            var peer = new Peer { Port = 4711 };
            await using var pair = await ConnectionPair.ConnectAsync(peer.SetUp);
            var forwards = Attach(pair, new ListLogger());
            peer.Behind = () => OpenAsync(pair, "localhost", 4711);
            await using var forward = await forwards.RequestAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Tcp("127.0.0.1", Port(target)), default);
            Assert.Equal(4711, forward.Port);
            using var accepted = await target.AcceptAsync().WaitAsync(Deadline);
            await peer.Opened!.WaitAsync(Deadline);
        }
    }

    // OPENSSH.md section 5: exact string and port; anything else is (1, "open failed") and a warning.
    [Theory]
    [InlineData("10.0.0.1", 80u, true)]
    [InlineData("10.0.0.01", 80u, false)]
    [InlineData("", 80u, false)]
    [InlineData("localhost", 80u, false)]
    [InlineData("10.0.0.1", 81u, false)]
    [InlineData("10.0.0.1", 65616u, false)] // 80 in 16 bits
    public async Task ForwardsAreFoundByExactStringAndPort(string host, uint port, bool found)
    {
        using var target = Listen();
        var log = new ListLogger();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        var forwards = Attach(pair, log);
        await using var forward = await forwards.RequestAsync(ForwardAddress.Tcp("10.0.0.1", 80), ForwardAddress.Tcp("127.0.0.1", Port(target)), default);
        if (found)
        {
            await OpenAsync(pair, host, port);
            return;
        }
        var refused = await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair, host, port));
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, refused.OpenFailureReason);
        Assert.EndsWith(": open failed", refused.Message, StringComparison.Ordinal);
        Assert.Contains(log.Lines, line => line.Level == LogLevel.Error && line.Text.StartsWith("WARNING: Server requests forwarding for unknown listen_port", StringComparison.Ordinal));
    }

    [Fact]
    public async Task NothingIsOpenedWithoutAForwardNorAfterOne()
    {
        using var target = Listen();
        var log = new ListLogger();
        await using var pair = await ConnectionPair.ConnectAsync(new Peer().SetUp);
        var forwards = Attach(pair, log);
        await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair, "localhost", 80));
        var forward = await forwards.RequestAsync(ForwardAddress.Tcp(null, 80), ForwardAddress.Tcp("127.0.0.1", Port(target)), default);
        await OpenAsync(pair, "localhost", 80);
        await forward.DisposeAsync();
        await Assert.ThrowsAsync<SshException>(() => OpenAsync(pair, "localhost", 80));
        Assert.Equal(2, log.Lines.Count(line => line.Text == "WARNING: Server requests forwarding for unknown listen_port 80"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65536)]
    public async Task APortThatIsNoneIsARefusal(int port)
    {
        await using var pair = await ConnectionPair.ConnectAsync(new Peer { Port = port }.SetUp);
        var error = await Assert.ThrowsAsync<SshException>(() =>
            Attach(pair, new ListLogger()).RequestAsync(ForwardAddress.Tcp(null, 0), ForwardAddress.Tcp("127.0.0.1", 1), default));
        Assert.Equal(SshError.ForwardFailed, error.Error);
    }

    [Fact]
    public async Task WhatTheServerIsAskedIsWhatOpenSshAsks()
    {
        var peer = new Peer();
        await using var pair = await ConnectionPair.ConnectAsync(peer.SetUp);
        var forwards = Attach(pair, new ListLogger());
        foreach (string? host in new[] { null, "", "*", "localhost", "::1" })
        {
            await using var forward = await forwards.RequestAsync(ForwardAddress.Tcp(host, 80), ForwardAddress.Tcp("127.0.0.1", 1), default);
        }
        Assert.Equal(["localhost", "", "", "localhost", "::1"], peer.Asked.Where(asked => asked.Name == "tcpip-forward").Select(asked => asked.Host));
        Assert.Equal(["localhost", "", "", "localhost", "::1"], peer.Asked.Where(asked => asked.Name == "cancel-tcpip-forward").Select(asked => asked.Host));
    }

    private static RemoteForwards Attach(ConnectionPair pair, ILogger logger)
    {
        var forwards = new RemoteForwards(pair.Client, new TcpDialer(AddressFamily.Unspecified), new TaskTracker(), "peer", new ForwardFailures("peer", TimeProvider.System, logger), logger, TimeProvider.System);
        pair.Client.Handle(RemoteForwards.TcpChannel, forwards);
        return forwards;
    }

    private static Task<SshChannel> OpenAsync(ConnectionPair pair, string host, uint port)
    {
        var writer = new SshWriter(64);
        new TcpipChannelData(host, port, "192.0.2.1", 9).Write(ref writer);
        return pair.Server.OpenAsync("forwarded-tcpip", writer.ToArray(), new ChannelStream(), default);
    }

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(100);
        return socket;
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;

    /// <summary>Says yes to everything.</summary>
    private sealed class Peer : IGlobalRequestHandler
    {
        public int Port { get; init; }

        public Func<Task>? Behind { get; set; }

        public Task? Opened { get; private set; }

        public List<(string Name, string Host)> Asked { get; } = [];

        public void SetUp(SshConnection connection)
        {
            connection.Requests.Handle(TcpipForwardData.Listen, this);
            connection.Requests.Handle(TcpipForwardData.Cancel, this);
        }

        public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
        {
            var request = TcpipForwardData.Read(data.Span);
            Asked.Add((name, request.Host));
            return new(request.Port == 0 ? [(byte)(Port >> 24), (byte)(Port >> 16), (byte)(Port >> 8), (byte)Port] : []);
        }

        public void OnAnswered() => Opened ??= Behind?.Invoke();
    }
}
