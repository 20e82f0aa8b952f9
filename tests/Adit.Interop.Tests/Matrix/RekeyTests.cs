using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Matrix;

/// <summary>A key exchange after every MiB, started by both ends where both can be told, while data flows both ways. INVARIANTS 5, 15.
/// asyncssh is not among them: 2.10 goes on sending data behind its own KEXINIT, which RFC 4253 (section 7.1) forbids and our server, like OpenSSH's since 10.4, takes for an attack.</summary>
public sealed class RekeyTests
{
    private const int EveryBytes = Payload.MiB;

    [Theory]
    [InlineData(Peer.Adit, Peer.OpenSsh, null)]
    [InlineData(Peer.Adit, Peer.OpenSsh, "aes128-gcm@openssh.com")]
    [InlineData(Peer.Adit, Peer.OpenSsh, "aes128-ctr")]
    [InlineData(Peer.Adit, Peer.Dropbear, null)]
    [InlineData(Peer.OpenSsh, Peer.Adit, null)]
    [InlineData(Peer.OpenSsh, Peer.Adit, "aes128-gcm@openssh.com")]
    [InlineData(Peer.OpenSsh, Peer.Adit, "aes128-ctr")]
    [InlineData(Peer.Dropbear, Peer.Adit, null)]
    [InlineData(Peer.Plink, Peer.Adit, null)]
    [InlineData(Peer.Paramiko, Peer.Adit, null)]
    [InlineData(Peer.Adit, Peer.Adit, null)]
    [InlineData(Peer.Adit, Peer.Adit, "chacha20-poly1305@openssh.com")]
    [InlineData(Peer.Adit, Peer.Adit, "aes256-ctr")]
    public Task Rekeys_while_data_flows(Peer client, Peer server, string? cipher) => Lab.RunAsync(async lab =>
    {
        var algorithms = new Algorithms(Cipher: cipher, Kex: "curve25519-sha256,curve25519-sha256@libssh.org"); // a cheap one: there will be a hundred
        await using Service exchange = Service.Exchange(Pair.Bulk, lab.Deadline);
        Server there = await lab.StartServerAsync(
            server, new ServerOptions { Algorithms = algorithms, Lines = ["RekeyLimit 1M"], LogLevel = "DEBUG1" });
        Client here = await lab.StartClientAsync(
            client,
            there,
            new ClientOptions
            {
                Algorithms = algorithms,
                Arguments = ["-v"],
                RekeyBytes = EveryBytes,
                Targets = [exchange.Port],
            });

        await Traffic.ExchangeAsync(here.Port, Pair.Bulk, lab.Deadline);
        await exchange.CompleteAsync(lab.Deadline);

        // 64 MiB each way, of which a few may be on the way while an exchange goes on: fewer exchanges than one for every four MiB would mean another limit than was asked for.
        ManagedProcess ours = client == Peer.Adit ? here.Process : there.Process;
        int exchanges = ours.CountLines("SSH2_MSG_NEWKEYS sent");
        Assert.True(exchanges >= 16, $"{exchanges} key exchanges");
    });
}
