using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

/// <summary>A token in software makes the signatures.</summary>
public class SecurityKeyTests
{
    private const string Application = "ssh:";

    [Theory]
    [InlineData("ed25519", KeyAlgorithms.SecurityKeyEd25519)]
    [InlineData("ecdsa", KeyAlgorithms.SecurityKeyEcdsa)]
    public void A_touched_token_is_believed_here_and_by_ssh_keygen(string type, string keyType)
    {
        using var folder = new KeygenFolder();
        using var token = PrivateKey.Generate(type);
        var key = PublicKey.Parse(Blob(token, keyType));
        Assert.Equal(keyType, key.KeyType);
        byte[] signature = Sign(token, keyType, "data"u8, flags: 1);
        Assert.True(key.Verify(keyType, "data"u8, signature));
        Assert.False(key.Verify(keyType, "else"u8, signature));
        Assert.False(key.Verify(keyType, "data"u8, Sign(token, keyType, "data"u8, flags: 0)));
        for (int i = 1; i <= 5; i++)
        {
            byte[] changed = [.. signature];
            changed[^i] ^= 2;
            Assert.False(key.Verify(keyType, "data"u8, changed));
            Assert.False(key.Verify(keyType, "data"u8, signature.AsSpan(0, signature.Length - i)));
        }

        string file = folder.Write("key.pub", key.ToText("token") + "\n");
        Assert.Equal($"256 {key.Fingerprint} token ({key.TypeName})\n", folder.Run("ssh-keygen", "-l", "-f", file));
        folder.Write("allowed", "me " + key.ToText() + "\n");
        folder.Write("message.sig", Armored(key, token, keyType, "hello"u8));
        folder.Run("/bin/sh", "-c", $"printf hello | ssh-keygen -Y verify -f allowed -I me -n file -s message.sig");
    }

    private static byte[] Blob(PrivateKey token, string keyType)
    {
        var fields = new SshReader(token.PublicKey.Blob.Span);
        fields.ReadString();
        var writer = new SshWriter(256);
        writer.WriteString(keyType);
        writer.WriteBytes(fields.Rest);
        writer.WriteString(Application);
        return writer.ToArray();
    }

    private static byte[] Sign(PrivateKey token, string keyType, ReadOnlySpan<byte> data, byte flags)
    {
        var signed = new byte[69];
        SHA256.HashData(Encoding.UTF8.GetBytes(Application)).CopyTo(signed, 0);
        signed[32] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(signed.AsSpan(33), 7);
        SHA256.HashData(data, signed.AsSpan(37));
        var plain = new SshReader(token.Sign(token.PublicKey.KeyType, signed));
        plain.ReadString();
        var writer = new SshWriter(256);
        writer.WriteString(keyType);
        writer.WriteString(plain.ReadString());
        writer.WriteByte(flags);
        writer.WriteUInt32(7);
        return writer.ToArray();
    }

    private static string Armored(PublicKey key, PrivateKey token, string keyType, ReadOnlySpan<byte> message)
    {
        var signed = new SshWriter(256);
        signed.WriteBytes("SSHSIG"u8);
        signed.WriteString("file");
        signed.WriteString("");
        signed.WriteString("sha512");
        signed.WriteString(SHA512.HashData(message));
        var file = new SshWriter(512);
        file.WriteBytes("SSHSIG"u8);
        file.WriteUInt32(1);
        file.WriteString(key.Blob.Span);
        file.WriteString("file");
        file.WriteString("");
        file.WriteString("sha512");
        file.WriteString(Sign(token, keyType, signed.Written, flags: 1));
        return $"-----BEGIN SSH SIGNATURE-----\n{Convert.ToBase64String(file.Written, Base64FormattingOptions.InsertLineBreaks).Replace("\r", "")}\n-----END SSH SIGNATURE-----\n";
    }
}
