namespace Adit.Ssh.Wire.Messages;

/// <summary>SSH_MSG_DISCONNECT: the sender ends the connection at once (RFC 4253, section 11.1).
/// <code>
/// byte      SSH_MSG_DISCONNECT (1)
/// uint32    reason code
/// string    description (UTF-8)
/// string    language tag
/// </code></summary>
internal readonly record struct DisconnectMessage(DisconnectReason Reason, string Description) : ISshMessage<DisconnectMessage>
{
    /// <summary>What is read of a description at most; more is a protocol error.</summary>
    private const int MaxDescription = 32768;

    public static MessageId Id => MessageId.Disconnect;

    public static DisconnectMessage Read(ref SshReader reader)
    {
        uint reason = reader.ReadUInt32();
        string description = reader.ReadText(MaxDescription);
        // Peers are known to leave the language tag out; nothing depends on it.
        return new DisconnectMessage((DisconnectReason)reason, description);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32((uint)Reason);
        writer.WriteString(Description);
        writer.WriteString("");
    }
}

/// <summary>SSH_MSG_IGNORE: carries nothing (RFC 4253, section 11.2).
/// <code>
/// byte      SSH_MSG_IGNORE (2)
/// string    data
/// </code></summary>
internal readonly record struct IgnoreMessage(ReadOnlyMemory<byte> Data) : ISshMessage<IgnoreMessage>
{
    public static MessageId Id => MessageId.Ignore;

    public static IgnoreMessage Read(ref SshReader reader) => new(reader.ReadString().ToArray());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Data.Span);
    }
}

/// <summary>SSH_MSG_UNIMPLEMENTED: the packet with that sequence number was not understood (RFC 4253, section 11.4).
/// <code>
/// byte      SSH_MSG_UNIMPLEMENTED (3)
/// uint32    packet sequence number of rejected message
/// </code></summary>
internal readonly record struct UnimplementedMessage(uint SequenceNumber) : ISshMessage<UnimplementedMessage>
{
    public static MessageId Id => MessageId.Unimplemented;

    public static UnimplementedMessage Read(ref SshReader reader) => new(reader.ReadUInt32());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32(SequenceNumber);
    }
}

/// <summary>SSH_MSG_DEBUG: text for the person debugging the other end (RFC 4253, section 11.3).
/// <code>
/// byte      SSH_MSG_DEBUG (4)
/// boolean   always_display
/// string    message (UTF-8)
/// string    language tag
/// </code></summary>
internal readonly record struct DebugMessage(bool AlwaysDisplay, string Text) : ISshMessage<DebugMessage>
{
    private const int MaxText = 32768;

    public static MessageId Id => MessageId.Debug;

    public static DebugMessage Read(ref SshReader reader) => new(reader.ReadBoolean(), reader.ReadText(MaxText));

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteBoolean(AlwaysDisplay);
        writer.WriteString(Text);
        writer.WriteString("");
    }
}

/// <summary>SSH_MSG_EXT_INFO: named extensions (RFC 8308, section 2.3).
/// <code>
/// byte      SSH_MSG_EXT_INFO (7)
/// uint32    nr-extensions
/// repeat nr-extensions times:
///   string  extension-name
///   string  extension-value (binary)
/// </code></summary>
internal readonly record struct ExtInfoMessage(IReadOnlyList<KeyValuePair<string, byte[]>> Extensions) : ISshMessage<ExtInfoMessage>
{
    /// <summary>Entries accepted in one message; OpenSSH's cap.</summary>
    public const int MaxEntries = 1024;

    public static MessageId Id => MessageId.ExtInfo;

    public static ExtInfoMessage Read(ref SshReader reader)
    {
        uint count = reader.ReadUInt32();
        // Each entry takes eight bytes at least, so a lie about the count shows before anything is allocated.
        if (count > MaxEntries || count > (uint)reader.Remaining / 8)
            throw SshException.Protocol($"SSH_MSG_EXT_INFO with too many entries ({count})");
        var entries = new KeyValuePair<string, byte[]>[count];
        for (int i = 0; i < entries.Length; i++)
            entries[i] = new(reader.ReadName(), reader.ReadString().ToArray());
        reader.EnsureEnd();
        return new ExtInfoMessage(entries);
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32((uint)Extensions.Count);
        foreach (var (name, value) in Extensions)
        {
            writer.WriteString(name);
            writer.WriteString(value);
        }
    }
}

/// <summary>SSH2_MSG_PING: asks for a PONG with the same data (OpenSSH PROTOCOL, section 1.9).
/// <code>
/// byte      SSH2_MSG_PING (192)
/// string    data
/// </code></summary>
internal readonly record struct PingMessage(ReadOnlyMemory<byte> Data) : ISshMessage<PingMessage>
{
    public static MessageId Id => MessageId.Ping;

    public static PingMessage Read(ref SshReader reader) => new(reader.ReadString().ToArray());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Data.Span);
    }
}

/// <summary>SSH2_MSG_PONG: the answer to a PING.
/// <code>
/// byte      SSH2_MSG_PONG (193)
/// string    data of the PING
/// </code></summary>
internal readonly record struct PongMessage(ReadOnlyMemory<byte> Data) : ISshMessage<PongMessage>
{
    public static MessageId Id => MessageId.Pong;

    public static PongMessage Read(ref SshReader reader) => new(reader.ReadString().ToArray());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteString(Data.Span);
    }
}
