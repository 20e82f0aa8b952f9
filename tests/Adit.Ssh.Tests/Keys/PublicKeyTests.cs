using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

public class PublicKeyTests
{
    private static readonly byte[] Data = Encoding.UTF8.GetBytes("the bytes that are signed");

    public static TheoryData<string, int> Types => new()
    {
        { "ed25519", 256 },
        { "ecdsa", 256 },
        { "ecdsa", 384 },
        { "ecdsa", 521 },
        { "rsa", 1024 },
        { "rsa", 2048 },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public void A_generated_key_signs_what_its_public_half_verifies(string type, int bits)
    {
        using var key = PrivateKey.Generate(type, bits);
        Assert.Equal(bits, key.PublicKey.Bits);
        var parsed = PublicKey.Parse(key.PublicKey.Blob.Span);
        Assert.Equal(key.PublicKey, parsed);
        foreach (string algorithm in parsed.SignatureAlgorithms)
        {
            byte[] signature = key.Sign(algorithm, Data);
            Assert.True(parsed.Verify(algorithm, Data, signature));
            Assert.True(parsed.Verify(KeyAlgorithms.ToCertificate(algorithm), Data, signature));
            Assert.False(parsed.Verify(algorithm, "other bytes"u8, signature));
            Assert.False(parsed.Verify(algorithm, Data, [.. signature, 0]));
            Assert.False(parsed.Verify("ssh-dss", Data, signature));
            foreach (string other in parsed.SignatureAlgorithms.Where(a => a != algorithm))
                Assert.False(parsed.Verify(other, Data, signature));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_changed_or_truncated_signature_is_refused_without_an_exception(string type, int bits)
    {
        using var key = PrivateKey.Generate(type, bits);
        string algorithm = key.PublicKey.SignatureAlgorithms[0];
        byte[] signature = key.Sign(algorithm, Data);
        for (int i = 0; i < signature.Length; i++)
        {
            byte[] changed = [.. signature];
            changed[i] ^= 0x40;
            Assert.False(key.PublicKey.Verify(algorithm, Data, changed));
            Assert.False(key.PublicKey.Verify(algorithm, Data, signature.AsSpan(0, i)));
        }
    }

    [Fact]
    public void Fingerprints_are_those_of_ssh_keygen()
    {
        using var folder = new KeygenFolder();
        foreach (string[] arguments in (string[][])[["-t", "ed25519"], ["-t", "ecdsa", "-b", "384"], ["-t", "rsa", "-b", "2048"]])
        {
            string file = folder.Generate(arguments[1], [.. arguments, "-N", ""]);
            var key = PublicKey.ParseText(File.ReadAllText(file + ".pub"), out string comment);
            Assert.Equal("somebody@example", comment);
            Assert.Equal($"{key.Bits} {key.Fingerprint} {comment} ({key.TypeName})\n", folder.Run("ssh-keygen", "-l", "-f", file + ".pub"));
            Assert.Equal($"{key.Bits} {key.FingerprintMd5} {comment} ({key.TypeName})\n", folder.Run("ssh-keygen", "-l", "-E", "md5", "-f", file + ".pub"));
            Assert.Equal(File.ReadAllText(file + ".pub"), key.ToText(comment) + "\n");
        }
    }

    [Theory]
    [InlineData("ed25519", 256)]
    [InlineData("ecdsa", 256)]
    [InlineData("ecdsa", 384)]
    [InlineData("ecdsa", 521)]
    [InlineData("rsa", 2048)]
    public void Signatures_of_ssh_keygen_verify(string type, int bits)
    {
        using var folder = new KeygenFolder();
        string file = folder.Generate("key", "-t", type, "-b", $"{bits}", "-N", "");
        string message = folder.Write("message", "hello");
        folder.Run("ssh-keygen", "-Y", "sign", "-f", file, "-n", "file", message);

        // SSHSIG: magic | uint32 version | string key | string namespace | string reserved | string hash | string signature
        var lines = File.ReadAllLines(message + ".sig");
        var reader = new SshReader(Convert.FromBase64String(string.Concat(lines[1..^1])));
        reader.ReadBytes(6);
        Assert.Equal(1u, reader.ReadUInt32());
        var key = PublicKey.Parse(reader.ReadString());
        Assert.Equal("file", reader.ReadUtf8());
        reader.ReadString();
        Assert.Equal("sha512", reader.ReadUtf8());
        var signature = reader.ReadString();

        var signed = new SshWriter(256);
        signed.WriteBytes("SSHSIG"u8);
        signed.WriteString("file");
        signed.WriteString("");
        signed.WriteString("sha512");
        signed.WriteString(SHA512.HashData("hello"u8));
        Assert.True(key.Verify(SignatureBlob.AlgorithmOf(signature), signed.Written, signature));
    }

    // INVARIANTS 10: a declared type equals the blob's type.
    [Fact]
    public void A_declared_type_other_than_the_blob_is_refused()
    {
        using var key = PrivateKey.Generate("ed25519");
        string text = key.PublicKey.ToText("comment");
        Assert.Equal(key.PublicKey, PublicKey.ParseText(text, out _));
        foreach (string type in (string[])["ssh-rsa", "ecdsa-sha2-nistp256", "ssh-ed25519-cert-v01@openssh.com", "SSH-ED25519"])
        {
            var e = Assert.Throws<SshException>(() => PublicKey.ParseText(text.Replace("ssh-ed25519", type), out _));
            Assert.Equal(SshError.InvalidKey, e.Error);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("ssh-ed25519")]
    [InlineData("ssh-ed25519 ")]
    [InlineData("ssh-ed25519 !!!!")]
    [InlineData("ssh-ed25519 AAAA")]
    [InlineData("ssh-dss AAAAB3NzaC1kc3MAAAAA")]
    public void Text_that_is_no_key_is_refused(string text) =>
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => PublicKey.ParseText(text, out _)).Error);

    // INVARIANTS 13: parameters are bounded before arithmetic.
    [Fact]
    public void RSA_numbers_out_of_bounds_are_refused()
    {
        byte[] good = Number(2048, odd: true);
        Assert.Equal(2048, PublicKey.Parse(RsaBlob([1, 0, 1], good)).Bits);
        Assert.Equal(16384, PublicKey.Parse(RsaBlob([1, 0, 1], Number(16384, odd: true))).Bits);
        Refused(RsaBlob([1, 0, 1], Number(16392, odd: true)));
        Refused(RsaBlob([1, 0, 1], Number(1016, odd: true)));
        Refused(RsaBlob([1, 0, 1], Number(2048, odd: false)));
        Refused(RsaBlob([1, 0, 1], []));
        Refused(RsaBlob([], good));
        Refused(RsaBlob([1], good));
        Refused(RsaBlob([2], good));
        Refused(RsaBlob(good, good));
        Refused(RsaBlob(Number(4096, odd: true), good));

        static byte[] Number(int bits, bool odd)
        {
            var number = new byte[bits / 8];
            number[0] = 0x80;
            number[^1] = (byte)(odd ? 1 : 0);
            return number;
        }
    }

    // INVARIANTS 13: the curve is the one the algorithm names, and the point is on it.
    [Fact]
    public void ECDSA_points_off_the_curve_are_refused()
    {
        using var key = PrivateKey.Generate("ecdsa", 256);
        byte[] blob = key.PublicKey.Blob.ToArray();
        byte[] changed = [.. blob];
        changed[^1] ^= 1;
        Refused(changed);

        byte[] zero = [.. blob];
        zero.AsSpan(zero.Length - 64).Clear();
        Refused(zero);

        byte[] compressed = [.. blob];
        compressed[^65] = 2;
        Refused(compressed);

        var otherCurve = new SshWriter(256);
        otherCurve.WriteString("ecdsa-sha2-nistp384");
        otherCurve.WriteString("nistp256");
        otherCurve.WriteString(blob.AsSpan(blob.Length - 65));
        Refused(otherCurve.ToArray());
    }

    // INVARIANTS 12, 30: lengths first; any bytes give an error, never a crash.
    [Fact]
    public void Truncated_and_padded_blobs_are_refused()
    {
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            using var key = PrivateKey.Generate(type, type == "rsa" ? 1024 : 0);
            byte[] blob = key.PublicKey.Blob.ToArray();
            for (int i = 0; i < blob.Length; i++)
                Refused(blob.AsSpan(0, i).ToArray());
            Refused([.. blob, 0]);
        }
        Refused(new byte[1 << 20]);
    }

    [Fact]
    public void Certificate_and_plain_names_map_onto_each_other()
    {
        foreach (string name in (string[])[KeyAlgorithms.Ed25519, KeyAlgorithms.RsaSha512, KeyAlgorithms.SecurityKeyEd25519, KeyAlgorithms.SecurityKeyEcdsa])
            Assert.Equal(name, KeyAlgorithms.ToPlain(KeyAlgorithms.ToCertificate(name)));
        Assert.Equal("sk-ssh-ed25519-cert-v01@openssh.com", KeyAlgorithms.ToCertificate(KeyAlgorithms.SecurityKeyEd25519));
        Assert.Equal("ssh-rsa-cert-v01@openssh.com", KeyAlgorithms.ToKeyType("rsa-sha2-256-cert-v01@openssh.com"));
        Assert.Equal("ssh-rsa", KeyAlgorithms.ToKeyType("rsa-sha2-512"));
        Assert.Equal("ssh-ed25519", KeyAlgorithms.ToKeyType("ssh-ed25519"));
    }

    [Theory]
    [InlineData("dsa", 0)]
    [InlineData("rsa", 512)]
    [InlineData("rsa", 20000)]
    [InlineData("rsa", 2049)]
    [InlineData("ecdsa", 255)]
    public void Sizes_that_do_not_exist_are_refused(string type, int bits) =>
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => PrivateKey.Generate(type, bits)).Error);

    private static void Refused(byte[] blob) =>
        Assert.Equal(SshError.InvalidKey, Assert.Throws<SshException>(() => PublicKey.Parse(blob)).Error);

    private static byte[] RsaBlob(byte[] exponent, byte[] modulus)
    {
        var writer = new SshWriter(4096);
        writer.WriteString("ssh-rsa");
        writer.WriteMpint(exponent);
        writer.WriteMpint(modulus);
        return writer.ToArray();
    }
}
