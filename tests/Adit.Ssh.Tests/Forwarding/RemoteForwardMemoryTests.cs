using System.Net;
using System.Net.NetworkInformation;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh.Tests.Forwarding;

[Collection(Alone.Name)]
public class RemoteForwardMemoryTests
{
    // INVARIANTS 18 and 21
    [Fact]
    public async Task TwoThousandOpenedAndCancelledLeaveNothing()
    {
        await using var tunnel = await TunnelPair.ConnectAsync();
        var ports = new HashSet<int>();
        long before = 0;
        for (int round = 0; round < 11; round++)
        {
            var forwards = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel))));
            Assert.Equal(200, forwards.Select(forward => forward.Port).Distinct().Count());
            ports.UnionWith(forwards.Select(forward => forward.Port));
            await Task.WhenAll(forwards.Select(forward => forward.DisposeAsync().AsTask()));
            if (round == 0)
                before = GC.GetTotalMemory(forceFullCollection: true);
        }
        long after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(after - before < 2_000_000, $"{after - before} bytes more after 2,000 listeners");
        Assert.DoesNotContain(IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), endPoint => ports.Contains(endPoint.Port) && endPoint.Port != tunnel.Entrance.Port);
    }

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);
}
