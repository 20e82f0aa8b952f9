using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Tests.Transport;

public class KexNegotiationTests
{
    [Fact]
    public void TheClientsOrderDecidesWhicheverSideWeAre()
    {
        var client = Proposal(kex: "b,a,c", hostKey: "y,x", ciphers: "aes256-ctr,aes128-ctr", macs: "hmac-sha2-512,hmac-sha2-256");
        var server = Proposal(kex: "c,a", hostKey: "x,y", ciphers: "aes128-ctr,aes256-ctr", macs: "hmac-sha2-256,hmac-sha2-512");
        var atClient = KexNegotiation.Negotiate(SshRole.Client, client, server, "h", 22);
        var atServer = KexNegotiation.Negotiate(SshRole.Server, server, client, "h", 22);
        Assert.Equal(atClient, atServer);
        Assert.Equal("a", atClient.KeyExchange);
        Assert.Equal("y", atClient.HostKey);
        Assert.Equal(new DirectionAlgorithms("aes256-ctr", "hmac-sha2-512", "none"), atClient.ClientToServer);
    }

    [Fact]
    public void TheDirectionsAreChosenSeparately()
    {
        var client = Proposal() with
        {
            CiphersServerToClient = ["aes128-gcm@openssh.com"],
            CompressionClientToServer = ["zlib@openssh.com", "none"],
        };
        var server = Proposal() with
        {
            CiphersServerToClient = ["aes128-ctr", "aes128-gcm@openssh.com"],
            CompressionClientToServer = ["none", "zlib@openssh.com"],
        };
        var chosen = KexNegotiation.Negotiate(SshRole.Client, client, server, "h", 22);
        Assert.Equal(new DirectionAlgorithms("aes128-ctr", "hmac-sha2-256", "zlib@openssh.com"), chosen.ClientToServer);
        Assert.Equal(new DirectionAlgorithms("aes128-gcm@openssh.com", null, "none"), chosen.ServerToClient);
        Assert.Same(chosen.ClientToServer, chosen.Outbound(SshRole.Client));
        Assert.Same(chosen.ClientToServer, chosen.Inbound(SshRole.Server));
        Assert.Same(chosen.ServerToClient, chosen.Outbound(SshRole.Server));
    }

    [Fact]
    public void AnAeadCipherNeedsNoCommonMac()
    {
        var client = Proposal(ciphers: "chacha20-poly1305@openssh.com", macs: "hmac-sha2-256");
        var server = Proposal(ciphers: "chacha20-poly1305@openssh.com", macs: "umac-64@openssh.com");
        Assert.Null(KexNegotiation.Negotiate(SshRole.Client, client, server, "h", 22).ClientToServer.Mac);
    }

    // INVARIANT 2, in part: a flag is never a method.
    [Theory]
    [InlineData("ext-info-c")]
    [InlineData("ext-info-s")]
    [InlineData("kex-strict-c-v00@openssh.com")]
    [InlineData("kex-strict-s-v00@openssh.com")]
    public void FlagsAreNeverChosen(string flag)
    {
        Assert.True(KexNegotiation.IsPseudoAlgorithm(flag));
        var both = Proposal(kex: flag);
        Assert.Throws<SshException>(() => KexNegotiation.Negotiate(SshRole.Client, both, both, "h", 22));
        Assert.Equal("a", KexNegotiation.FirstMatch([flag, "a"], [flag, "a"]));
    }

    [Theory]
    [InlineData("kex", "key exchange method", "KexAlgorithms")]
    [InlineData("hostkey", "host key type", "HostKeyAlgorithms")]
    [InlineData("cipher", "cipher", "Ciphers")]
    [InlineData("mac", "MAC", "MACs")]
    [InlineData("compression", "compression", "Compression")]
    public void NoMatchIsToldInOpenSshsWords(string list, string words, string option)
    {
        var ours = Proposal();
        var theirs = list switch
        {
            "kex" => Proposal() with { KeyExchange = ["old1", "old2", "ext-info-s"] },
            "hostkey" => Proposal() with { HostKey = ["old1", "old2"] },
            "cipher" => Proposal() with { CiphersClientToServer = ["old1", "old2"] },
            "mac" => Proposal() with { MacsServerToClient = ["old1", "old2"] },
            _ => Proposal() with { CompressionServerToClient = ["old1", "old2"] },
        };
        var error = Assert.Throws<SshException>(() => KexNegotiation.Negotiate(SshRole.Client, ours, theirs, "198.51.100.7", 2222));
        Assert.Equal(SshError.NoCommonAlgorithm, error.Error);
        Assert.Equal($"Unable to negotiate with 198.51.100.7 port 2222: no matching {words} found. Their offer: old1,old2{(list == "kex" ? ",ext-info-s" : "")}", error.Message);
        Assert.Contains(option, error.Hint, StringComparison.Ordinal);
        Assert.Equal(DisconnectReason.KeyExchangeFailed, error.DisconnectReason);
    }

    [Fact]
    public void AHugeOfferIsCutInTheMessage()
    {
        var theirs = Proposal(kex: string.Join(',', Enumerable.Range(0, 5000).Select(i => $"method{i}")));
        var error = Assert.Throws<SshException>(() => KexNegotiation.Negotiate(SshRole.Server, Proposal(), theirs, "h", 22));
        Assert.True(error.Message.Length < 1200);
    }

    [Fact]
    public void KnownKeyTypesComeFirstUnlessTheBestIsKnown()
    {
        string[] preferred =
        [
            "ssh-ed25519-cert-v01@openssh.com", "rsa-sha2-512-cert-v01@openssh.com", "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256",
        ];
        Assert.Same(preferred, KexNegotiation.OrderHostKeyAlgorithms(preferred, []));
        Assert.Same(preferred, KexNegotiation.OrderHostKeyAlgorithms(preferred, ["ssh-rsa", "ssh-ed25519"]));
        Assert.Equal(
            ["rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", "ecdsa-sha2-nistp256"],
            KexNegotiation.OrderHostKeyAlgorithms(preferred, ["ssh-rsa"]));
        Assert.Equal("ecdsa-sha2-nistp256", KexNegotiation.OrderHostKeyAlgorithms(preferred, ["ecdsa-sha2-nistp256"])[0]);
        Assert.Equal("rsa-sha2-512-cert-v01@openssh.com", KexNegotiation.OrderHostKeyAlgorithms(preferred, ["ssh-rsa-cert-v01@openssh.com"])[0]);
        Assert.Same(preferred[0], KexNegotiation.OrderHostKeyAlgorithms(preferred, ["ssh-dss"])[0]);
    }

    [Fact]
    public void AGuessIsRightWhenBothFirstChoicesAgree()
    {
        Assert.True(KexNegotiation.GuessIsRight(Proposal(kex: "a,b", hostKey: "x"), Proposal(kex: "a,c", hostKey: "x,y")));
        Assert.False(KexNegotiation.GuessIsRight(Proposal(kex: "a,b"), Proposal(kex: "b,a")));
        Assert.False(KexNegotiation.GuessIsRight(Proposal(hostKey: "x,y"), Proposal(hostKey: "y,x")));
        Assert.False(KexNegotiation.GuessIsRight(Proposal(), Proposal() with { HostKey = [] }));
    }

    [Fact]
    public void KexInitComesBackAsItWasWritten()
    {
        var message = Proposal(kex: "a,b") with { FirstKexPacketFollows = true, LanguagesClientToServer = ["de"] };
        var writer = new SshWriter(256);
        message.Write(ref writer);
        var read = KexProposal.Parse(writer.Written);
        Assert.Equal(writer.ToArray(), read.Payload);
        Assert.Equal(message.Cookie, read.Message.Cookie);
        Assert.Equal(message.KeyExchange, read.Message.KeyExchange);
        Assert.Equal(message.LanguagesClientToServer, read.Message.LanguagesClientToServer);
        Assert.True(read.Message.FirstKexPacketFollows);
    }

    // INVARIANT 30
    [Fact]
    public void DamagedKexInitIsAnErrorOrAnotherMessage()
    {
        var writer = new SshWriter(256);
        Proposal().Write(ref writer);
        byte[] good = writer.ToArray();
        for (int length = 1; length < good.Length; length++)
            Assert.Throws<SshException>(() => KexProposal.Parse(good.AsSpan(0, length)));
        Assert.Throws<SshException>(() => KexProposal.Parse([.. good, 0]));
        var random = new Random(4419);
        for (int round = 0; round < 5000; round++)
        {
            byte[] bad = [.. good];
            for (int i = random.Next(1, 4); i > 0; i--)
                bad[random.Next(1, bad.Length)] = (byte)random.Next(256);
            try
            {
                KexProposal.Parse(bad);
            }
            catch (SshException error)
            {
                Assert.Equal(SshError.ProtocolError, error.Error);
            }
        }
    }

    private static KexInitMessage Proposal(string kex = "a", string hostKey = "x", string ciphers = "aes128-ctr", string macs = "hmac-sha2-256") => new()
    {
        Cookie = new byte[16],
        KeyExchange = kex.Split(','),
        HostKey = hostKey.Split(','),
        CiphersClientToServer = ciphers.Split(','),
        CiphersServerToClient = ciphers.Split(','),
        MacsClientToServer = macs.Split(','),
        MacsServerToClient = macs.Split(','),
        CompressionClientToServer = ["none"],
        CompressionServerToClient = ["none"],
    };
}
