using System.Net;
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
        long before = 0;
        int descriptors = 0;
        for (int round = 0; round <= rounds; round++)
        {
            var forwards = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => tunnel.Client.ForwardRemoteAsync(ForwardAddress.Tcp("127.0.0.1", 0), Target(tunnel))));
            Assert.Equal(1000, forwards.Select(forward => forward.Port).Distinct().Count());
            await Task.WhenAll(forwards.Select(forward => forward.DisposeAsync().AsTask()));
            if (round == 3) // pools are full by now
                (before, descriptors) = (GC.GetTotalMemory(forceFullCollection: true), OpenDescriptors());
        }
        long after = GC.GetTotalMemory(forceFullCollection: true);
        // The same 3 MB (pools, tables) after 10,000 as after 100,000: not one of them has left anything.
        Assert.True(after - before < 6_000_000, $"{after - before} bytes more after {rounds * 1000} listeners");
        // The ports were the kernel's choice, and may be another program's by now: what counts is that no socket of ours is left.
        Assert.InRange(OpenDescriptors(), 0, descriptors + 20);
    }

    private static int OpenDescriptors() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    private static ForwardAddress Target(TunnelPair tunnel) => ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)tunnel.Target.LocalEndPoint!).Port);
}
