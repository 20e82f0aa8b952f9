namespace Adit.Ssh.Wire.Messages;

/// <summary>SSH_MSG_KEXINIT: what its sender offers, best first (RFC 4253, section 7.1).
/// <code>
/// byte         SSH_MSG_KEXINIT (20)
/// byte[16]     cookie (random)
/// name-list    kex_algorithms
/// name-list    server_host_key_algorithms
/// name-list    encryption_algorithms_client_to_server
/// name-list    encryption_algorithms_server_to_client
/// name-list    mac_algorithms_client_to_server
/// name-list    mac_algorithms_server_to_client
/// name-list    compression_algorithms_client_to_server
/// name-list    compression_algorithms_server_to_client
/// name-list    languages_client_to_server
/// name-list    languages_server_to_client
/// boolean      first_kex_packet_follows
/// uint32       0 (reserved)
/// </code></summary>
internal sealed record KexInitMessage : ISshMessage<KexInitMessage>
{
    public const int CookieLength = 16;

    public static MessageId Id => MessageId.KexInit;

    public required byte[] Cookie { get; init; }

    public required IReadOnlyList<string> KeyExchange { get; init; }

    public required IReadOnlyList<string> HostKey { get; init; }

    public required IReadOnlyList<string> CiphersClientToServer { get; init; }

    public required IReadOnlyList<string> CiphersServerToClient { get; init; }

    public required IReadOnlyList<string> MacsClientToServer { get; init; }

    public required IReadOnlyList<string> MacsServerToClient { get; init; }

    public required IReadOnlyList<string> CompressionClientToServer { get; init; }

    public required IReadOnlyList<string> CompressionServerToClient { get; init; }

    public IReadOnlyList<string> LanguagesClientToServer { get; init; } = [];

    public IReadOnlyList<string> LanguagesServerToClient { get; init; } = [];

    /// <summary>The sender's guess of the next key exchange packet follows at once.</summary>
    public bool FirstKexPacketFollows { get; init; }

    public static KexInitMessage Read(ref SshReader reader)
    {
        var message = new KexInitMessage
        {
            Cookie = reader.ReadBytes(CookieLength).ToArray(),
            KeyExchange = reader.ReadNameList(),
            HostKey = reader.ReadNameList(),
            CiphersClientToServer = reader.ReadNameList(),
            CiphersServerToClient = reader.ReadNameList(),
            MacsClientToServer = reader.ReadNameList(),
            MacsServerToClient = reader.ReadNameList(),
            CompressionClientToServer = reader.ReadNameList(),
            CompressionServerToClient = reader.ReadNameList(),
            LanguagesClientToServer = reader.ReadNameList(),
            LanguagesServerToClient = reader.ReadNameList(),
            FirstKexPacketFollows = reader.ReadBoolean(),
        };
        reader.ReadUInt32(); // reserved: a later protocol may use it, so its value is no error
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteBytes(Cookie);
        writer.WriteNameList(KeyExchange);
        writer.WriteNameList(HostKey);
        writer.WriteNameList(CiphersClientToServer);
        writer.WriteNameList(CiphersServerToClient);
        writer.WriteNameList(MacsClientToServer);
        writer.WriteNameList(MacsServerToClient);
        writer.WriteNameList(CompressionClientToServer);
        writer.WriteNameList(CompressionServerToClient);
        writer.WriteNameList(LanguagesClientToServer);
        writer.WriteNameList(LanguagesServerToClient);
        writer.WriteBoolean(FirstKexPacketFollows);
        writer.WriteUInt32(0);
    }
}

/// <summary>SSH_MSG_NEWKEYS: everything its sender sends after it uses the new keys (RFC 4253, section 7.3).
/// <code>
/// byte      SSH_MSG_NEWKEYS (21)
/// </code></summary>
internal readonly record struct NewKeysMessage : ISshMessage<NewKeysMessage>
{
    public static MessageId Id => MessageId.NewKeys;

    public static NewKeysMessage Read(ref SshReader reader)
    {
        reader.EnsureEnd();
        return default;
    }

    public void Write(ref SshWriter writer) => writer.WriteMessageId(Id);
}

/// <summary>SSH_MSG_KEXDH_INIT, SSH_MSG_KEX_ECDH_INIT (30) or SSH_MSG_KEX_DH_GEX_INIT (32): the client's public value
/// (RFC 4253 section 8, RFC 5656 section 4, RFC 4419 section 3).
/// <code>
/// byte      30 or 32
/// mpint     e      (Diffie-Hellman)   or
/// string    Q_C    (ECDH and hybrid methods)
/// </code>
/// Both are a length and that many bytes, so one reader serves them; the key agreement looks at the bytes.</summary>
internal readonly record struct KexInitValueMessage(MessageId Number, ReadOnlyMemory<byte> Value)
{
    /// <summary>The longest public value of any method: sntrup761 and ML-KEM need about 1.2 KiB, an 8192-bit group 1 KiB.</summary>
    public const int MaxValue = 4096;

    public static KexInitValueMessage Read(MessageId number, ref SshReader reader)
    {
        var message = new KexInitValueMessage(number, reader.ReadString(MaxValue).ToArray());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Number);
        writer.WriteString(Value.Span);
    }
}

/// <summary>SSH_MSG_KEXDH_REPLY, SSH_MSG_KEX_ECDH_REPLY (31) or SSH_MSG_KEX_DH_GEX_REPLY (33): the server's host key, its public value, and its
/// signature over the exchange hash.
/// <code>
/// byte      31 or 33
/// string    K_S    host key or certificate
/// mpint     f      or   string Q_S
/// string    signature of H
/// </code></summary>
internal readonly record struct KexReplyValueMessage(MessageId Number, ReadOnlyMemory<byte> HostKey, ReadOnlyMemory<byte> Value,
    ReadOnlyMemory<byte> Signature)
{
    private const int MaxHostKey = 65536;
    private const int MaxSignature = 16384;

    public static KexReplyValueMessage Read(MessageId number, ref SshReader reader)
    {
        var message = new KexReplyValueMessage(number, reader.ReadString(MaxHostKey).ToArray(),
            reader.ReadString(KexInitValueMessage.MaxValue).ToArray(), reader.ReadString(MaxSignature).ToArray());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Number);
        writer.WriteString(HostKey.Span);
        writer.WriteString(Value.Span);
        writer.WriteString(Signature.Span);
    }
}

/// <summary>SSH_MSG_KEX_DH_GEX_REQUEST: the client asks for a group (RFC 4419, section 3). Sizes in bits.
/// <code>
/// byte      SSH_MSG_KEX_DH_GEX_REQUEST (34)
/// uint32    min
/// uint32    n      preferred
/// uint32    max
/// </code></summary>
internal readonly record struct KexDhGexRequestMessage(uint Min, uint Preferred, uint Max) : ISshMessage<KexDhGexRequestMessage>
{
    public static MessageId Id => MessageId.KexDhGexRequest;

    public static KexDhGexRequestMessage Read(ref SshReader reader)
    {
        var message = new KexDhGexRequestMessage(reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32(Min);
        writer.WriteUInt32(Preferred);
        writer.WriteUInt32(Max);
    }
}

/// <summary>SSH_MSG_KEX_DH_GEX_GROUP: the group the server chose (RFC 4419, section 3). Unsigned big-endian without leading zeros.
/// <code>
/// byte      SSH_MSG_KEX_DH_GEX_GROUP (31)
/// mpint     p      safe prime
/// mpint     g      generator
/// </code></summary>
internal readonly record struct KexDhGexGroupMessage(ReadOnlyMemory<byte> Prime, ReadOnlyMemory<byte> Generator) : ISshMessage<KexDhGexGroupMessage>
{
    public static MessageId Id => MessageId.KexReplyValue;

    public static KexDhGexGroupMessage Read(ref SshReader reader)
    {
        var message = new KexDhGexGroupMessage(reader.ReadMpint().ToArray(), reader.ReadMpint().ToArray());
        reader.EnsureEnd();
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteMpint(Prime.Span);
        writer.WriteMpint(Generator.Span);
    }
}
