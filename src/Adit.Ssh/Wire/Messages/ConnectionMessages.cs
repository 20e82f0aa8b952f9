namespace Adit.Ssh.Wire.Messages;

/// <summary>SSH_MSG_CHANNEL_OPEN (RFC 4254, section 5.1).
/// <code>byte 90 | string channel type | uint32 sender channel | uint32 initial window size | uint32 maximum packet size | … channel type specific data</code></summary>
internal readonly ref struct ChannelOpenMessage
{
    public required string ChannelType { get; init; }

    public required uint SenderChannel { get; init; }

    public required uint InitialWindow { get; init; }

    public required uint MaximumPacket { get; init; }

    public ReadOnlySpan<byte> TypeData { get; init; }

    public static ChannelOpenMessage Read(ref SshReader reader) => new()
    {
        ChannelType = reader.ReadName(),
        SenderChannel = reader.ReadUInt32(),
        InitialWindow = reader.ReadUInt32(),
        MaximumPacket = reader.ReadUInt32(),
        TypeData = reader.Rest,
    };

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(MessageId.ChannelOpen);
        writer.WriteString(ChannelType);
        writer.WriteUInt32(SenderChannel);
        writer.WriteUInt32(InitialWindow);
        writer.WriteUInt32(MaximumPacket);
        writer.WriteBytes(TypeData);
    }
}

/// <summary>SSH_MSG_CHANNEL_OPEN_CONFIRMATION (RFC 4254, section 5.1).
/// <code>byte 91 | uint32 recipient channel | uint32 sender channel | uint32 initial window size | uint32 maximum packet size | … channel type specific data</code></summary>
internal readonly record struct ChannelOpenConfirmationMessage(uint Recipient, uint SenderChannel, uint InitialWindow, uint MaximumPacket)
    : ISshMessage<ChannelOpenConfirmationMessage>
{
    public static MessageId Id => MessageId.ChannelOpenConfirmation;

    public static ChannelOpenConfirmationMessage Read(ref SshReader reader) =>
        new(reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadUInt32());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32(Recipient);
        writer.WriteUInt32(SenderChannel);
        writer.WriteUInt32(InitialWindow);
        writer.WriteUInt32(MaximumPacket);
    }
}

/// <summary>SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254, section 5.1).
/// <code>byte 92 | uint32 recipient channel | uint32 reason code | string description | string language tag</code></summary>
internal readonly record struct ChannelOpenFailureMessage(uint Recipient, uint Reason, string Description) : ISshMessage<ChannelOpenFailureMessage>
{
    public static MessageId Id => MessageId.ChannelOpenFailure;

    public static ChannelOpenFailureMessage Read(ref SshReader reader)
    {
        var message = new ChannelOpenFailureMessage(reader.ReadUInt32(), reader.ReadUInt32(), reader.ReadText(4096));
        if (!reader.AtEnd)
            reader.ReadString(); // language tag; some old peers leave it out
        return message;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32(Recipient);
        writer.WriteUInt32(Reason);
        writer.WriteString(Description);
        writer.WriteString("");
    }
}

/// <summary>SSH_MSG_CHANNEL_WINDOW_ADJUST (RFC 4254, section 5.2).
/// <code>byte 93 | uint32 recipient channel | uint32 bytes to add</code></summary>
internal readonly record struct ChannelWindowAdjustMessage(uint Recipient, uint BytesToAdd) : ISshMessage<ChannelWindowAdjustMessage>
{
    public static MessageId Id => MessageId.ChannelWindowAdjust;

    public static ChannelWindowAdjustMessage Read(ref SshReader reader) => new(reader.ReadUInt32(), reader.ReadUInt32());

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Id);
        writer.WriteUInt32(Recipient);
        writer.WriteUInt32(BytesToAdd);
    }
}

/// <summary>The messages that carry nothing but a channel: SSH_MSG_CHANNEL_EOF (96), CLOSE (97), SUCCESS (99), FAILURE (100) (RFC 4254, sections 5.3 and 5.4).
/// <code>byte 96 | 97 | 99 | 100, uint32 recipient channel</code></summary>
internal readonly record struct ChannelSignalMessage(MessageId Signal, uint Recipient)
{
    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(Signal);
        writer.WriteUInt32(Recipient);
    }
}

/// <summary>SSH_MSG_CHANNEL_REQUEST (RFC 4254, section 5.4).
/// <code>byte 98 | uint32 recipient channel | string request type | boolean want reply | … type-specific data</code></summary>
internal readonly ref struct ChannelRequestMessage
{
    public required uint Recipient { get; init; }

    public required string RequestType { get; init; }

    public required bool WantReply { get; init; }

    public ReadOnlySpan<byte> Data { get; init; }

    public static ChannelRequestMessage Read(ref SshReader reader) => new()
    {
        Recipient = reader.ReadUInt32(),
        RequestType = reader.ReadName(),
        WantReply = reader.ReadBoolean(),
        Data = reader.Rest,
    };

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(MessageId.ChannelRequest);
        writer.WriteUInt32(Recipient);
        writer.WriteString(RequestType);
        writer.WriteBoolean(WantReply);
        writer.WriteBytes(Data);
    }
}

/// <summary>SSH_MSG_GLOBAL_REQUEST (RFC 4254, section 4). Replies carry no id: they come in the order of the requests.
/// <code>byte 80 | string request name | boolean want reply | … request-specific data</code></summary>
internal readonly ref struct GlobalRequestMessage
{
    public required string Name { get; init; }

    public required bool WantReply { get; init; }

    public ReadOnlySpan<byte> Data { get; init; }

    public static GlobalRequestMessage Read(ref SshReader reader) => new()
    {
        Name = reader.ReadName(),
        WantReply = reader.ReadBoolean(),
        Data = reader.Rest,
    };

    public void Write(ref SshWriter writer)
    {
        writer.WriteMessageId(MessageId.GlobalRequest);
        writer.WriteString(Name);
        writer.WriteBoolean(WantReply);
        writer.WriteBytes(Data);
    }
}

/// <summary>What a direct-tcpip (RFC 4254, section 7.2) or forwarded-tcpip channel open carries: for the first the destination, for the second the listening
/// address as it was requested, and in both who connected.
/// <code>string host | uint32 port | string originator address | uint32 originator port</code></summary>
internal readonly record struct TcpipChannelData(string Host, uint Port, string OriginatorHost, uint OriginatorPort)
{
    public static TcpipChannelData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var result = new TcpipChannelData(reader.ReadText(1025), reader.ReadUInt32(), reader.ReadText(1025), reader.ReadUInt32());
        reader.EnsureEnd();
        return result;
    }

    public void Write(ref SshWriter writer)
    {
        writer.WriteString(Host);
        writer.WriteUInt32(Port);
        writer.WriteString(OriginatorHost);
        writer.WriteUInt32(OriginatorPort);
    }
}

/// <summary>What the global requests tcpip-forward and cancel-tcpip-forward carry (RFC 4254, section 7.1). A request for port 0 is answered with the port that was given:
/// <c>uint32 port</c>; other requests with nothing.
/// <code>string address to bind | uint32 port</code></summary>
internal readonly record struct TcpipForwardData(string Host, uint Port)
{
    public const string Listen = "tcpip-forward";
    public const string Cancel = "cancel-tcpip-forward";

    public static TcpipForwardData Read(ReadOnlySpan<byte> data)
    {
        var reader = new SshReader(data);
        var result = new TcpipForwardData(reader.ReadText(1025), reader.ReadUInt32());
        reader.EnsureEnd();
        return result;
    }

    public byte[] ToArray()
    {
        var writer = new SshWriter(64);
        writer.WriteString(Host);
        writer.WriteUInt32(Port);
        return writer.ToArray();
    }
}
