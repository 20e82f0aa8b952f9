using System.Security.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

/// <summary>A token in software makes the signatures.</summary>
public class SecurityKeyTests
{
    [Theory]
    [InlineData("ed25519", KeyAlgorithms.SecurityKeyEd25519)]
    [InlineData("ecdsa", KeyAlgorithms.SecurityKeyEcdsa)]
    public void A_touched_token_is_believed_here_and_by_ssh_keygen(string type, string keyType)
    {
        using var folder = new KeygenFolder();
        using var token = PrivateKey.Generate(type);
        var key = PublicKey.Parse(SoftwareToken.Blob(token, keyType));
        Assert.Equal(keyType, key.KeyType);
        byte[] signature = SoftwareToken.Sign(token, keyType, "data"u8, flags: 1);
        Assert.True(key.Verify(keyType, "data"u8, signature));
        Assert.False(key.Verify(keyType, "else"u8, signature));
        Assert.False(key.Verify(keyType, "data"u8, SoftwareToken.Sign(token, keyType, "data"u8, flags: 0)));
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

    // What is demanded of a signature is for whoever asks; by itself an untouched token is not believed.
    [Theory]
    [InlineData(0, SecurityKeyDemands.None)]
    [InlineData(1, SecurityKeyDemands.Touch)]
    [InlineData(4, SecurityKeyDemands.Verification)]
    [InlineData(5, SecurityKeyDemands.Touch | SecurityKeyDemands.Verification)]
    public void What_the_token_states(byte flags, SecurityKeyDemands expected)
    {
        using var token = PrivateKey.Generate("ed25519");
        var key = (SecurityKeyPublicKey)PublicKey.Parse(SoftwareToken.Blob(token, KeyAlgorithms.SecurityKeyEd25519));
        byte[] signature = SoftwareToken.Sign(token, key.KeyType, "data"u8, flags);
        Assert.True(key.Verify(key.KeyType, "data"u8, signature, out var stated));
        Assert.Equal(expected, stated);
        Assert.Equal(expected.HasFlag(SecurityKeyDemands.Touch), key.Verify(key.KeyType, "data"u8, signature));
        signature[^5] ^= 4; // the flags are signed
        Assert.False(key.Verify(key.KeyType, "data"u8, signature, out stated));
        Assert.Equal(SecurityKeyDemands.None, stated);
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
        file.WriteString(SoftwareToken.Sign(token, keyType, signed.Written, flags: 1));
        return $"-----BEGIN SSH SIGNATURE-----\n{Convert.ToBase64String(file.Written, Base64FormattingOptions.InsertLineBreaks).Replace("\r", "")}\n-----END SSH SIGNATURE-----\n";
    }
}
