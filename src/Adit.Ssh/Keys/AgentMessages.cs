using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The messages of the agent protocol (draft-ietf-sshm-ssh-agent, OpenSSH's PROTOCOL.agent) that a client needs.</summary>
internal static class AgentMessages
{
    public const byte Failure = 5;
    public const byte Success = 6;
    public const byte IdentitiesAnswer = 12;
    public const byte SignResponse = 14;
    public const byte ExtensionFailure = 28;

    private const byte RequestIdentitiesType = 11;
    private const byte SignRequestType = 13;
    private const byte AddIdentityType = 17;
    private const byte AddIdentityConstrainedType = 25;
    private const byte ExtensionType = 27;

    private const byte ConstrainLifetime = 1;
    private const byte ConstrainConfirm = 2;

    private const uint FlagRsaSha256 = 2;
    private const uint FlagRsaSha512 = 4;

    /// <summary>OpenSSH's limit.</summary>
    private const int MaxIdentities = 2048;

    // byte 11
    public static byte[] RequestIdentities() => [RequestIdentitiesType];

    // byte 13 | string key | string data | uint32 flags
    public static byte[] SignRequest(PublicKey key, string algorithm, ReadOnlySpan<byte> data)
    {
        var writer = new SshWriter(16 + key.Blob.Length + data.Length);
        writer.WriteByte(SignRequestType);
        writer.WriteString(key.Blob.Span);
        writer.WriteString(data);
        writer.WriteUInt32(KeyAlgorithms.ToPlain(algorithm) switch
        {
            KeyAlgorithms.RsaSha256 => FlagRsaSha256,
            KeyAlgorithms.RsaSha512 => FlagRsaSha512,
            _ => 0u,
        });
        return writer.ToArray();
    }

    // byte 27 | string "session-bind@openssh.com" | string host key | string session id | string signature | boolean is forwarding
    public static byte[] SessionBind(PublicKey hostKey, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> signature, bool forwarding)
    {
        var writer = new SshWriter(64 + hostKey.Blob.Length + sessionId.Length + signature.Length);
        writer.WriteByte(ExtensionType);
        writer.WriteString("session-bind@openssh.com"u8);
        writer.WriteString(hostKey.Blob.Span);
        writer.WriteString(sessionId);
        writer.WriteString(signature);
        writer.WriteBoolean(forwarding);
        return writer.ToArray();
    }

    /// <summary>The message, in a buffer that the caller erases.</summary>
    // byte 17 or 25 | key fields, or: string certificate type, string certificate, secret fields | string comment | constraints
    // constraints: byte 1, uint32 seconds   byte 2 (confirm)
    public static int AddIdentity(PrivateKey key, Certificate? certificate, string comment, AgentConstraints constraints, Span<byte> buffer)
    {
        var writer = new SshWriter(buffer);
        writer.WriteByte(constraints.Any ? AddIdentityConstrainedType : AddIdentityType);
        if (certificate is null)
        {
            key.WriteFields(ref writer);
        }
        else
        {
            writer.WriteString(certificate.KeyType);
            writer.WriteString(certificate.Blob.Span);
            key.WriteFieldsBehindCertificate(ref writer);
        }
        writer.WriteString(comment);
        if (constraints.Lifetime is { } lifetime)
        {
            writer.WriteByte(ConstrainLifetime);
            writer.WriteUInt32((uint)Math.Clamp(Math.Ceiling(lifetime.TotalSeconds), 1, uint.MaxValue));
        }
        if (constraints.Confirm)
            writer.WriteByte(ConstrainConfirm);
        return writer.Length;
    }

    /// <summary>Keys of types that are not known here are left out.</summary>
    // byte 12 | uint32 count | { string key | string comment } repeated
    public static List<(PublicKey Key, string Comment)> ReadIdentities(ReadOnlySpan<byte> reply)
    {
        var reader = new SshReader(reply);
        reader.ReadByte();
        uint count = reader.ReadUInt32();
        if (count > MaxIdentities)
            throw SshException.Protocol($"the agent lists {count} keys");
        var keys = new List<(PublicKey, string)>();
        for (uint i = 0; i < count; i++)
        {
            var blob = reader.ReadString();
            string comment = reader.ReadText();
            if (TryParse(blob) is { } key)
                keys.Add((key, comment));
        }
        reader.EnsureEnd();
        return keys;
    }

    // byte 14 | string signature
    public static byte[] ReadSignature(ReadOnlySpan<byte> reply)
    {
        var reader = new SshReader(reply);
        reader.ReadByte();
        var signature = reader.ReadString();
        reader.EnsureEnd();
        return signature.ToArray();
    }

    private static PublicKey? TryParse(ReadOnlySpan<byte> blob)
    {
        try
        {
            return PublicKey.Parse(blob);
        }
        catch (SshException)
        {
            return null;
        }
    }
}
