using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>-D, between our client and our server.</summary>
public class DynamicForwardTests : SocksForwardTests
{
    [Fact]
    public async Task WhatThePolicyForbidsIsNotAllowed()
    {
        await using var tunnel = await TunnelPair.ConnectAsync(new AllowNothing());
        int socks = await ForwardAsync(tunnel);
        Assert.Equal([5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 80], await TalkAsync(socks, [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80]));
    }

    private protected override async Task<int> ForwardAsync(TunnelPair tunnel) => (await tunnel.Client.ForwardDynamicAsync("127.0.0.1:0")).Bound[0].Port;

    private sealed class AllowNothing : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Deny("AllowTcpForwarding no"));
    }
}
