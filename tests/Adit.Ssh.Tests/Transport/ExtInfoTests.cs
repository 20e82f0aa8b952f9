using System.Text;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Transport;

public class ExtInfoTests
{
    [Fact]
    public void AServersMessageComesBackAsItWasMeant()
    {
        var extensions = ExtInfo.Parse(ExtInfo.BuildServer(["ssh-ed25519", "rsa-sha2-512"]));
        Assert.Equal(["ssh-ed25519", "rsa-sha2-512"], extensions.ServerSignatureAlgorithms!);
        Assert.True(extensions.HostBoundPublicKey);
        Assert.True(extensions.Ping);
        Assert.False(extensions.ExtInfoInAuth);
        Assert.True(extensions.AgentForwarding);
        Assert.Equal(4, extensions.All.Count);
    }

    [Fact]
    public void AClientsMessageAsksForMoreDuringAuthentication()
    {
        var extensions = ExtInfo.Parse(ExtInfo.BuildClient());
        Assert.True(extensions.ExtInfoInAuth);
        Assert.Null(extensions.ServerSignatureAlgorithms);
    }

    [Fact]
    public void ASecondMessageChangesWhatItNamesAndKeepsTheRest()
    {
        var first = ExtInfo.Parse(ExtInfo.BuildServer(["ssh-ed25519", "rsa-sha2-512"]));
        var second = ExtInfo.Parse(ExtInfo.BuildServerInAuth(["ssh-ed25519"]), first);
        Assert.Equal(["ssh-ed25519"], second.ServerSignatureAlgorithms!);
        Assert.True(second.HostBoundPublicKey);
        Assert.Equal(["ssh-ed25519", "rsa-sha2-512"], first.ServerSignatureAlgorithms!);
    }

    [Fact]
    public void ValuesThatMakeNoSenseCountAsNotAnnounced()
    {
        var extensions = ExtInfo.Parse(Message(("ping@openssh.com", "1"u8.ToArray()), ("server-sig-algs", [0, 1, 2]), ("x", [0xff])));
        Assert.False(extensions.Ping);
        Assert.Null(extensions.ServerSignatureAlgorithms);
        Assert.Equal([0xff], extensions.All["x"]);
    }

    // INVARIANT 12: the count is checked before anything is allocated for it.
    [Fact]
    public void TheNumberOfEntriesIsBounded()
    {
        Assert.Throws<SshException>(() => ExtInfo.Parse([7, 0xff, 0xff, 0xff, 0xff]));
        Assert.Throws<SshException>(() => ExtInfo.Parse([7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]));
        var many = Enumerable.Range(0, 1025).Select(i => ($"n{i}", Array.Empty<byte>())).ToArray();
        Assert.Throws<SshException>(() => ExtInfo.Parse(Message(many)));
        Assert.Equal(1024, ExtInfo.Parse(Message(many[..1024])).All.Count);
    }

    // INVARIANT 30
    [Fact]
    public void DamagedMessagesAreErrors()
    {
        byte[] good = ExtInfo.BuildServer(["ssh-ed25519"]);
        for (int length = 0; length < good.Length; length++)
            Assert.Throws<SshException>(() => ExtInfo.Parse(good.AsSpan(0, length)));
        Assert.Throws<SshException>(() => ExtInfo.Parse([.. good, 0]));
    }

    private static byte[] Message(params (string Name, byte[] Value)[] entries)
    {
        var writer = new SshWriter(64);
        writer.WriteMessageId(MessageId.ExtInfo);
        writer.WriteUInt32((uint)entries.Length);
        foreach (var (name, value) in entries)
        {
            writer.WriteString(Encoding.ASCII.GetBytes(name));
            writer.WriteString(value);
        }
        return writer.ToArray();
    }
}
