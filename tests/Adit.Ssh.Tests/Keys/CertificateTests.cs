using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

public class CertificateTests
{
    private static readonly string[] NoOptions = [];

    private static Certificate Issue(KeygenFolder folder, string[] keyType, string[] caType, params string[] arguments)
    {
        string ca = File.Exists(folder.File("ca")) ? folder.File("ca") : folder.Generate("ca", ["-t", .. caType, "-N", ""]);
        string key = File.Exists(folder.File("key")) ? folder.File("key") : folder.Generate("key", ["-t", .. keyType, "-N", ""]);
        folder.Run("ssh-keygen", ["-q", "-s", ca, "-I", "an id", .. arguments, key + ".pub"]);
        return Assert.IsType<Certificate>(KeyFile.ReadPublicKey(key + "-cert.pub", out _));
    }

    [Theory]
    [InlineData("ed25519", "ed25519")]
    [InlineData("ecdsa -b 256", "rsa -b 2048")]
    [InlineData("ecdsa -b 384", "ecdsa -b 384")]
    [InlineData("ecdsa -b 521", "ecdsa -b 521")]
    [InlineData("rsa -b 1024", "ed25519")]
    public async Task Certificates_of_ssh_keygen_are_read_and_their_keys_sign(string keyType, string caType)
    {
        using var folder = new KeygenFolder();
        var certificate = Issue(folder, keyType.Split(' '), caType.Split(' '),
            "-n", "alice,bob", "-z", "42", "-V", "20200101000000Z:20300101000000Z", "-O", "clear", "-O", "permit-port-forwarding",
            "-O", "force-command=date", "-O", "source-address=10.0.0.0/8", "-O", "extension:x@example=y");
        using var key = KeyFile.ReadPrivateKey(folder.File("key"));

        Assert.Equal(key.PublicKey, certificate.PlainKey);
        Assert.Equal(KeyFile.ReadPublicKey(folder.File("ca.pub"), out _), certificate.AuthorityKey);
        Assert.Equal(CertificateType.User, certificate.Type);
        Assert.Equal(42ul, certificate.Serial);
        Assert.Equal("an id", certificate.KeyId);
        Assert.Equal(["alice", "bob"], certificate.Principals);
        Assert.Equal(1577836800ul, certificate.ValidAfter);
        Assert.Equal(1893456000ul, certificate.ValidBefore);
        Assert.Equal("date", certificate.FindOption("force-command")!.Text);
        Assert.Equal("10.0.0.0/8", certificate.FindOption("source-address")!.Text);
        Assert.Equal(2, certificate.CriticalOptions.Count);
        Assert.Empty(certificate.FindOption("permit-port-forwarding")!.Data.ToArray());
        Assert.Equal("y", certificate.FindOption("x@example")!.Text);
        Assert.Equal($"{certificate.Bits} {certificate.Fingerprint} somebody@example ({certificate.TypeName})\n",
            folder.Run("ssh-keygen", "-l", "-f", folder.File("key-cert.pub")));

        var signer = new CertificateSigner(key, certificate);
        Assert.Equal(certificate, signer.PublicKey);
        foreach (string algorithm in certificate.SignatureAlgorithms)
        {
            Assert.EndsWith("-cert-v01@openssh.com", algorithm);
            byte[] signature = await signer.SignAsync(algorithm, "data"u8.ToArray(), default);
            Assert.True(certificate.Verify(algorithm, "data"u8, signature));
            Assert.False(certificate.Verify(algorithm, "else"u8, signature));
        }
    }

    // INVARIANTS 11: exact match, empty principals match nobody, unknown critical options refuse.
    [Fact]
    public void Faults_are_found_and_named()
    {
        using var folder = new KeygenFolder();
        var now = DateTimeOffset.UtcNow;
        var user = Issue(folder, ["ed25519"], ["ed25519"], "-n", "alice");
        Assert.Null(user.FindFault(CertificateType.User, "alice", now, NoOptions));
        Assert.Equal("Certificate invalid: not a host certificate", user.FindFault(CertificateType.Host, "alice", now, NoOptions));
        foreach (string other in (string[])["Alice", "alic", "alice2", "", "*", "alice,bob"])
            Assert.Equal("Certificate invalid: name is not a listed principal", user.FindFault(CertificateType.User, other, now, NoOptions));
        Assert.Equal("Certificate signed with disallowed algorithm ssh-ed25519",
            user.FindFault(CertificateType.User, "alice", now, NoOptions, ["rsa-sha2-512"]));
        Assert.Null(user.FindFault(CertificateType.User, "alice", now, NoOptions, ["rsa-sha2-512", "ssh-ed25519"]));

        var host = Issue(folder, [], [], "-h", "-n", "*.example,server.example");
        Assert.Null(host.FindFault(CertificateType.Host, "server.example", now, NoOptions));
        Assert.NotNull(host.FindFault(CertificateType.Host, "other.example", now, NoOptions));
        Assert.Equal("Certificate invalid: not a user certificate", host.FindFault(CertificateType.User, "server.example", now, NoOptions));

        var nobody = Issue(folder, [], []);
        Assert.Empty(nobody.Principals);
        foreach (string name in (string[])["alice", ""])
            Assert.Equal("Certificate lacks principal list", nobody.FindFault(CertificateType.User, name, now, NoOptions));

        var window = Issue(folder, [], [], "-n", "alice", "-V", "20200101000000Z:20200102000000Z");
        DateTimeOffset from = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), to = new(2020, 1, 2, 0, 0, 0, TimeSpan.Zero);
        Assert.Equal("Certificate invalid: not yet valid", window.FindFault(CertificateType.User, "alice", from.AddSeconds(-1), NoOptions));
        Assert.Null(window.FindFault(CertificateType.User, "alice", from, NoOptions));
        Assert.Null(window.FindFault(CertificateType.User, "alice", to.AddSeconds(-1), NoOptions));
        Assert.Equal("Certificate invalid: expired", window.FindFault(CertificateType.User, "alice", to, NoOptions));

        var restricted = Issue(folder, [], [], "-n", "alice", "-O", "force-command=date", "-O", "critical:new@example=1");
        Assert.Equal("Certificate critical option \"new@example\" is not supported",
            restricted.FindFault(CertificateType.User, "alice", now, ["force-command"]));
        Assert.NotNull(restricted.FindFault(CertificateType.User, "alice", now, NoOptions));
        Assert.Null(restricted.FindFault(CertificateType.User, "alice", now, ["force-command", "new@example"]));
    }

    [Fact]
    public void Forever_has_no_end()
    {
        using var folder = new KeygenFolder();
        var certificate = Issue(folder, ["ed25519"], ["ed25519"], "-n", "alice", "-V", "always:forever");
        Assert.Null(certificate.FindFault(CertificateType.User, "alice", DateTimeOffset.UnixEpoch, NoOptions));
        Assert.Null(certificate.FindFault(CertificateType.User, "alice", DateTimeOffset.MaxValue, NoOptions));
        Assert.NotNull(certificate.FindFault(CertificateType.User, "alice", DateTimeOffset.MinValue, NoOptions));
    }

    [Fact]
    public void An_authority_that_signs_with_SHA1_is_refused_by_default()
    {
        using var folder = new KeygenFolder();
        var certificate = Issue(folder, ["ed25519"], ["rsa", "-b", "2048"], "-n", "alice", "-t", "ssh-rsa");
        Assert.Equal("ssh-rsa", certificate.AuthoritySignatureAlgorithm);
        Assert.Equal("Certificate signed with disallowed algorithm ssh-rsa", certificate.FindFault(CertificateType.User, "alice", DateTimeOffset.UtcNow, NoOptions));
        Assert.Null(certificate.FindFault(CertificateType.User, "alice", DateTimeOffset.UtcNow, NoOptions, ["ssh-rsa"]));
    }

    [Fact]
    public void No_byte_of_a_certificate_can_be_changed()
    {
        using var folder = new KeygenFolder();
        byte[] blob = Issue(folder, ["ed25519"], ["ed25519"], "-n", "alice").Blob.ToArray();
        for (int i = 0; i < blob.Length; i++)
        {
            byte[] changed = [.. blob];
            changed[i] ^= 1;
            Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => PublicKey.Parse(changed)).Error);
            Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => PublicKey.Parse(blob.AsSpan(0, i))).Error);
        }
    }

    // INVARIANTS 11: no nested certificates.
    [Fact]
    public void A_certificate_signed_by_a_certificate_is_refused()
    {
        using var folder = new KeygenFolder();
        var inner = Issue(folder, ["ed25519"], ["ed25519"], "-n", "alice");
        using var signer = KeyFile.ReadPrivateKey(folder.File("key"));
        var good = PublicKey.Parse(Forge(signer, signer.PublicKey.Blob.Span));
        Assert.Equal(CertificateType.User, Assert.IsType<Certificate>(good).Type);
        var e = Assert.Throws<SshException>(() => PublicKey.Parse(Forge(signer, inner.Blob.Span)));
        Assert.Contains("signed by a certificate", e.Message);

        static byte[] Forge(PrivateKey signer, ReadOnlySpan<byte> authority)
        {
            var writer = new SshWriter(1024);
            writer.WriteString("ssh-ed25519-cert-v01@openssh.com");
            writer.WriteString("nonce");
            writer.WriteString(signer.PublicKey.Blob.Span[^32..]);
            writer.WriteUInt64(1);
            writer.WriteUInt32(1);
            writer.WriteString("id");
            writer.WriteString([0, 0, 0, 1, (byte)'a']);
            writer.WriteUInt64(0);
            writer.WriteUInt64(ulong.MaxValue);
            writer.WriteString("");
            writer.WriteString("");
            writer.WriteString("");
            writer.WriteString(authority);
            writer.WriteString(signer.Sign("ssh-ed25519", writer.Written));
            return writer.ToArray();
        }
    }

    [Fact]
    public void A_certificate_for_another_key_is_not_paired()
    {
        using var folder = new KeygenFolder();
        var certificate = Issue(folder, ["ed25519"], ["ed25519"], "-n", "alice");
        using var other = PrivateKey.Generate("ed25519");
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => new CertificateSigner(other, certificate)).Error);
    }
}
