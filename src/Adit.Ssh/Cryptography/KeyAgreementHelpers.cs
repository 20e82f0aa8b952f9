using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Cryptography;

/// <summary>K as it enters the exchange hash and the key derivation.</summary>
internal static class KeyAgreementSecret
{
    /// <summary>An unsigned big-endian number as mpint, length included (RFC 4253, section 8; RFC 5656, section 4; RFC 8731, section 3.1).</summary>
    public static byte[] AsMpint(ReadOnlySpan<byte> unsignedBigEndian)
    {
        var value = unsignedBigEndian.TrimStart((byte)0);
        Span<byte> buffer = stackalloc byte[value.Length + 5];
        var writer = new SshWriter(buffer);
        writer.WriteMpint(value);
        byte[] result = writer.ToArray();
        CryptographicOperations.ZeroMemory(buffer);
        return result;
    }

    /// <summary>An unsigned big-endian number as it stands in an mpint, without the length: no zero byte in front but the one that keeps it positive.</summary>
    public static byte[] MpintContent(ReadOnlySpan<byte> unsignedBigEndian)
    {
        var value = unsignedBigEndian.TrimStart((byte)0);
        return !value.IsEmpty && (value[0] & 0x80) != 0 ? [0, .. value] : value.ToArray();
    }

    /// <summary>Bytes as string, length included.</summary>
    public static byte[] AsString(ReadOnlySpan<byte> bytes)
    {
        Span<byte> buffer = stackalloc byte[bytes.Length + 4];
        var writer = new SshWriter(buffer);
        writer.WriteString(bytes);
        byte[] result = writer.ToArray();
        CryptographicOperations.ZeroMemory(buffer);
        return result;
    }
}

internal static class KeyAgreementError
{
    /// <summary>The exception for a peer whose value must not be used.</summary>
    public static SshException Refused(string message, Exception? inner = null) =>
        new(SshError.KeyExchangeFailed, message, inner)
        {
            DisconnectReason = DisconnectReason.KeyExchangeFailed,
            Hint = "The peer sent a value that no correct SSH implementation sends: it is faulty, or somebody on the way changes packets.",
        };
}
