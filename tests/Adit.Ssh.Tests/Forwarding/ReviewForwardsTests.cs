using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Tests.Authentication;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>INVARIANTS 23: every open is checked against the policy of now, and revoking closes what is open.</summary>
public class ReviewForwardsTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly SwitchedPolicy _policy = new();
    private readonly ListLogger _clientLog = new();
    private readonly ListLogger _serverLog = new();

    private Task<TunnelPair> ConnectAsync() => TunnelPair.ConnectAsync(_policy, client => client.LoggerFactory = new OneLogger(_clientLog), server => server.LoggerFactory = new OneLogger(_serverLog));

    [Fact]
    public async Task A_local_forward_that_is_denied_now_is_closed_when_the_server_is_told()
    {
        await using var tunnel = await ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        _policy.Deny("PermitOpen none");

        // What is open goes on until somebody asks; nothing new opens.
        await near.SendAsync("still"u8.ToArray());
        Assert.Equal(5, await far.ReceiveAsync(new byte[9]).WaitAsync(Deadline));
        var target = (IPEndPoint)tunnel.Target.LocalEndPoint!;
        var refused = await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", target.Port));
        Assert.EndsWith("open failed: administratively prohibited: open failed", refused.Message, StringComparison.Ordinal);
        Assert.Contains(_serverLog.Texts, line => line.EndsWith($"to connect to host 127.0.0.1 port {target.Port}, but the request was denied. (PermitOpen none)", StringComparison.Ordinal));

        Assert.Equal(1, await tunnel.Server.ReviewForwardsAsync());
        await AssertResetAsync(far);
        await AssertOverAsync(near);
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", 1)); // an answer that comes behind what was told
        string said = $"forward to 127.0.0.1 port {target.Port}: connection closed, it is not allowed any more: PermitOpen none";
        Assert.Contains("Remote: " + said, _clientLog.Texts);
        Assert.Contains(_serverLog.Texts, line => line.StartsWith(said + " (user test from 127.0.0.1 port ", StringComparison.Ordinal));
        Assert.Equal(0, await tunnel.Server.ReviewForwardsAsync());
    }

    [Fact]
    public async Task What_is_still_allowed_stays()
    {
        await using var tunnel = await ConnectAsync();
        await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("localhost", 0), Target(tunnel));
        var (near, far) = await tunnel.OpenAsync();
        Assert.Equal(0, await tunnel.Server.ReviewForwardsAsync());
        await near.SendAsync("hello"u8.ToArray());
        Assert.Equal(5, await far.ReceiveAsync(new byte[9]).WaitAsync(Deadline));
        Assert.NotEmpty(Listeners.BoundTo(remote.Port));
    }

    [Fact]
    public async Task A_remote_forward_that_is_denied_now_loses_its_listener_and_its_connections()
    {
        await using var tunnel = await ConnectAsync();
        await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("localhost", 0), Target(tunnel));
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await near.ConnectAsync(IPAddress.Loopback, remote.Port);
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        await near.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await far.ReceiveAsync(new byte[9]).WaitAsync(Deadline));
        _policy.Deny("AllowTcpForwarding local");
        Assert.Equal(2, await tunnel.Server.ReviewForwardsAsync());
        await Listeners.WhenFreeAsync(remote.Port, Deadline);
        await AssertResetAsync(near);
        await Assert.ThrowsAsync<SshException>(() => tunnel.Client.OpenTcpAsync("127.0.0.1", 1)); // an answer that comes behind what was told
        Assert.Contains($"Remote: remote forward of localhost port {remote.Port}: listener closed, it is not allowed any more: AllowTcpForwarding local", _clientLog.Texts);
    }

    // INVARIANTS 24: a listener for everybody does not outlive the rule that made it one.
    [Theory]
    [InlineData(GatewayPorts.Yes, GatewayPorts.No, "127.0.0.1", true)]
    [InlineData(GatewayPorts.ClientSpecified, GatewayPorts.No, "0.0.0.0", true)]
    [InlineData(GatewayPorts.ClientSpecified, GatewayPorts.No, "127.0.0.1", false)]
    [InlineData(GatewayPorts.No, GatewayPorts.Yes, "0.0.0.0", false)]
    [InlineData(GatewayPorts.Yes, GatewayPorts.ClientSpecified, "", false)]
    [InlineData(GatewayPorts.Yes, GatewayPorts.ClientSpecified, "localhost", true)]
    public async Task A_listener_that_is_wider_than_allowed_now_is_closed(GatewayPorts then, GatewayPorts now, string requested, bool closed)
    {
        _policy.Decide = _ => new(ForwardingDecision.Allow with { GatewayPorts = then });
        await using var tunnel = await ConnectAsync();
        await using var remote = await tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp(requested, 0), Target(tunnel));
        _policy.Decide = _ => new(ForwardingDecision.Allow with { GatewayPorts = now });
        Assert.Equal(closed ? 1 : 0, await tunnel.Server.ReviewForwardsAsync());
        // A port that is free again may be another test's at once, but on loopback; what has to go was bound to everything.
        var bound = Listeners.BoundTo(remote.Port);
        if (closed)
            Assert.DoesNotContain(bound, address => address is "0.0.0.0" or "::");
        else
            Assert.NotEmpty(bound);
    }

    [Fact]
    public async Task What_was_being_connected_during_the_review_is_looked_at_once_more()
    {
        var asked = new TaskCompletionSource();
        var answer = new TaskCompletionSource<ForwardingDecision>();
        await using var tunnel = await ConnectAsync();
        _policy.Decide = async request =>
        {
            if (request.Resolved is null)
                return ForwardingDecision.Allow;
            asked.TrySetResult();
            return await answer.Task; // of before the change
        };
        var opening = tunnel.Client.OpenTcpAsync("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);
        await asked.Task.WaitAsync(Deadline);
        _policy.Deny("DisableForwarding yes");
        Assert.Equal(0, await tunnel.Server.ReviewForwardsAsync());
        answer.SetResult(ForwardingDecision.Allow);
        using var far = await tunnel.Target.AcceptAsync().WaitAsync(Deadline);
        await AssertResetAsync(far);
        await using var stream = await opening;
        Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_policy_that_fails_allows_nothing()
    {
        await using var tunnel = await ConnectAsync();
        var (near, far) = await tunnel.OpenAsync();
        near.Send([1]); // once this has come through, the channel is open at both ends
        Assert.Equal(1, await far.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        _policy.Decide = _ => throw new InvalidOperationException("broken");
        Assert.Equal(1, await tunnel.Server.ReviewForwardsAsync());
        await AssertResetAsync(far);
    }

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);

    private static async Task AssertResetAsync(Socket socket)
    {
        var error = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await socket.ReceiveAsync(new byte[99]).WaitAsync(Deadline) > 0)
            {
            }
        });
        Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
    }

    /// <summary>The client may end it either way.</summary>
    private static async Task AssertOverAsync(Socket socket)
    {
        try
        {
            while (await socket.ReceiveAsync(new byte[99]).WaitAsync(Deadline) > 0)
            {
            }
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.ConnectionReset, e.SocketErrorCode);
        }
    }
}
