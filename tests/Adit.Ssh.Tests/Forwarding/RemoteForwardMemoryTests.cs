using System.Net;
using System.Net.NetworkInformation;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

[Collection(Alone.Name)]
public class RemoteForwardMemoryTests
{
    // INVARIANTS 18 and 21: more than one connection may have at once, in rounds.
    [Fact]
    public async Task TenThousandOpenedAndCancelledLeaveNothing()
    {
        int rounds = Soak.Rounds(usual: 10, soak: 100);
        await using var tunnel = await TunnelPair.ConnectAsync();
        var ports = new HashSet<int>();
        long before = 0;
        for (int round = 0; round <= rounds; round++)
        {
            var forwards = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel))));
            Assert.Equal(1000, forwards.Select(forward => forward.Port).Distinct().Count());
            ports.UnionWith(forwards.Select(forward => forward.Port));
            await Task.WhenAll(forwards.Select(forward => forward.DisposeAsync().AsTask()));
            if (round == 0)
                before = GC.GetTotalMemory(forceFullCollection: true);
        }
        long after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(after - before < 2_000_000, $"{after - before} bytes more after {rounds * 1000} listeners");
        Assert.DoesNotContain(IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), endPoint => ports.Contains(endPoint.Port) && endPoint.Port != tunnel.Entrance.Port);
    }

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);
}
