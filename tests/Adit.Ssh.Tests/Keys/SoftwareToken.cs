using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

/// <summary>A security key (FIDO) in software, around a plain key.</summary>
internal static class SoftwareToken
{
    private const string Application = "ssh:";

    public static byte[] Blob(PrivateKey token, string keyType)
    {
        var fields = new SshReader(token.PublicKey.Blob.Span);
        fields.ReadString();
        var writer = new SshWriter(256);
        writer.WriteString(keyType);
        writer.WriteBytes(fields.Rest);
        writer.WriteString(Application);
        return writer.ToArray();
    }

    public static byte[] Sign(PrivateKey token, string keyType, ReadOnlySpan<byte> data, byte flags)
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
}
