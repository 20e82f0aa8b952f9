using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;

namespace Adit.Server.Tests.Policy;

public class ServerForwardingPolicyTests
{
    private static readonly UserAccount Alice = new("alice", 1000, 1000, "/home/alice", "/bin/sh");

    private static Task<ForwardingDecision> Ask(string config, ForwardingKind kind, string host, int port, uint processUid = 1000)
    {
        var rules = SshdConfig.Parse(config).For(new MatchContext { UserName = "alice" });
        var principal = new SshPrincipal { UserName = "alice", State = new ServerLogin(Alice, rules, LoginRights.Unrestricted) };
        var policy = new ServerForwardingPolicy(new LiveSshdConfig(SshdConfig.Default), new FakeUsers { ProcessUid = processUid });
        return policy.DecideAsync(new ForwardingRequest(principal, kind, host, port, null), CancellationToken.None).AsTask();
    }

    [Theory]
    [InlineData("", "anything", 1, null)]
    [InlineData("AllowTcpForwarding local", "h", 1, null)]
    [InlineData("AllowTcpForwarding no", "h", 1, "AllowTcpForwarding no")]
    [InlineData("AllowTcpForwarding remote", "h", 1, "AllowTcpForwarding remote")]
    [InlineData("DisableForwarding yes", "h", 1, "DisableForwarding yes")]
    [InlineData("PermitOpen none", "h", 1, "PermitOpen none")]
    [InlineData("PermitOpen h:1 [::1]:*", "h", 1, null)]
    [InlineData("PermitOpen h:1 [::1]:*", "::1", 9, null)]
    [InlineData("PermitOpen h:1 [::1]:*", "h", 2, "PermitOpen h:1 [::1]:*")]
    [InlineData("PermitOpen localhost:1", "LOCALHOST", 1, "PermitOpen localhost:1")] // exactly as the client sent it
    [InlineData("PermitOpen localhost:1", "127.0.0.1", 1, "PermitOpen localhost:1")]
    [InlineData("PermitOpen *:22", "any", 22, null)]
    [InlineData("PermitOpen *.example:22", "a.example", 22, "PermitOpen *.example:22")] // "*" only as the whole host
    [InlineData("PermitOpen any\nMatch User alice\nPermitOpen db:5432", "h", 1, "PermitOpen db:5432")]
    [InlineData("Match User alice\nAllowTcpForwarding no", "h", 1, "AllowTcpForwarding no")]
    [InlineData("Match User bob\nAllowTcpForwarding no", "h", 1, null)]
    public async Task Local_forwards(string config, string host, int port, string? rule)
    {
        var decision = await Ask(config, ForwardingKind.DirectTcp, host, port);
        Assert.Equal((rule is null, rule), (decision.Allowed, decision.Rule));
    }

    [Theory]
    [InlineData("", "localhost", 8080, null)]
    [InlineData("AllowTcpForwarding local", "localhost", 8080, "AllowTcpForwarding local")]
    [InlineData("PermitListen 8080", "10.0.0.1", 8080, null)]
    [InlineData("PermitListen 8080", "localhost", 0, "PermitListen *:8080")]
    [InlineData("PermitListen local*:*", "LOCALHOST", 0, null)]
    [InlineData("PermitListen none", "localhost", 8080, "PermitListen none")]
    public async Task Remote_forwards(string config, string host, int port, string? rule)
    {
        var decision = await Ask(config, ForwardingKind.ListenTcp, host, port);
        Assert.Equal((rule is null, rule), (decision.Allowed, decision.Rule));
    }

    // INVARIANTS 24: GatewayPorts says where, never whether.
    [Theory]
    [InlineData("", GatewayPorts.No)]
    [InlineData("GatewayPorts no", GatewayPorts.No)]
    [InlineData("GatewayPorts yes", GatewayPorts.Yes)]
    [InlineData("GatewayPorts clientspecified", GatewayPorts.ClientSpecified)]
    [InlineData("GatewayPorts no\nMatch User alice\nGatewayPorts yes", GatewayPorts.Yes)]
    [InlineData("GatewayPorts yes\nMatch User bob\nGatewayPorts no", GatewayPorts.Yes)]
    [InlineData("GatewayPorts yes\nAllowTcpForwarding local", null)]
    [InlineData("GatewayPorts yes\nDisableForwarding yes", null)]
    [InlineData("GatewayPorts yes\nPermitListen none", null)]
    public async Task Addresses_of_remote_forwards(string config, GatewayPorts? expected)
    {
        var decision = await Ask(config, ForwardingKind.ListenTcp, "localhost", 8080);
        Assert.Equal(expected, decision.Allowed ? decision.GatewayPorts : null);
    }

    // INVARIANTS 25: root binds for alice what alice might bind.
    [Theory]
    [InlineData(80, 0u, 1000u, false)]
    [InlineData(1023, 0u, 1000u, false)]
    [InlineData(1024, 0u, 1000u, true)]
    [InlineData(0, 0u, 1000u, true)]
    [InlineData(80, 0u, 0u, true)]
    [InlineData(80, 1000u, 1000u, true)] // the kernel decides
    public async Task Low_ports_are_for_root(int port, uint processUid, uint uid, bool allowed)
    {
        var policy = new ServerForwardingPolicy(new LiveSshdConfig(SshdConfig.Default), new FakeUsers { ProcessUid = processUid }) { FirstUnprivilegedPort = 1024 };
        var principal = new SshPrincipal { UserName = "alice", State = new ServerLogin(Alice with { Uid = uid }, SshdConfig.Default, LoginRights.Unrestricted) };
        Assert.Equal(allowed, (await policy.DecideAsync(new ForwardingRequest(principal, ForwardingKind.ListenTcp, "localhost", port, null), CancellationToken.None)).Allowed);
    }

    [Theory]
    [InlineData("", true, true)]
    [InlineData("AllowStreamLocalForwarding local", true, false)]
    [InlineData("AllowTcpForwarding local", true, false)]
    [InlineData("AllowTcpForwarding no", false, false)]
    [InlineData("PermitOpen h:1", false, true)]
    [InlineData("PermitOpen *:*", true, true)]
    [InlineData("PermitListen none", true, true)]
    [InlineData("DisableForwarding yes", false, false)]
    public async Task Unix_sockets(string config, bool direct, bool listen)
    {
        Assert.Equal(direct, (await Ask(config, ForwardingKind.DirectStreamLocal, "/s", 0)).Allowed);
        Assert.Equal(listen, (await Ask(config, ForwardingKind.ListenStreamLocal, "/s", 0)).Allowed);
    }

    // INVARIANTS 25: root opens sockets with the user's identity; a server that cannot does not open them with its own.
    [Theory]
    [InlineData(ForwardingKind.DirectStreamLocal)]
    [InlineData(ForwardingKind.ListenStreamLocal)]
    public async Task Unix_sockets_only_where_they_can_be_the_users(ForwardingKind kind)
    {
        Assert.True((await Ask("", kind, "/s", 0, processUid: 0)).Allowed);
        Assert.True((await Ask("", kind, "/s", 0, processUid: 1000)).Allowed);
        Assert.False((await Ask("", kind, "/s", 0, processUid: 1001)).Allowed);
    }

    [Fact]
    public async Task Nobody_known_means_the_global_part()
    {
        var policy = new ServerForwardingPolicy(new LiveSshdConfig(SshdConfig.Parse("AllowTcpForwarding no")), new FakeUsers());
        var request = new ForwardingRequest(new SshPrincipal { UserName = "x" }, ForwardingKind.DirectTcp, "h", 1, null);
        Assert.False((await policy.DecideAsync(request, CancellationToken.None)).Allowed);
    }
}
