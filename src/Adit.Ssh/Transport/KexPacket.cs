using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>Whole payloads of key exchange messages, to and from bytes.</summary>
internal static class KexPacket
{
    /// <summary>Reads a payload whose number has been looked at already.</summary>
    public static T Parse<T>(ReadOnlySpan<byte> payload)
        where T : ISshMessage<T>
    {
        var reader = new SshReader(payload);
        reader.ReadByte();
        return T.Read(ref reader);
    }

    /// <summary>A message whose number depends on the method: the client's value.</summary>
    public static KexInitValueMessage ParseClientValue(ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload);
        return KexInitValueMessage.Read((MessageId)reader.ReadByte(), ref reader);
    }

    /// <summary>A message whose number depends on the method: the server's reply.</summary>
    public static KexReplyValueMessage ParseReply(ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload);
        return KexReplyValueMessage.Read((MessageId)reader.ReadByte(), ref reader);
    }

    public static void Send<T>(IKexSink sink, T message)
        where T : ISshMessage<T>
    {
        var writer = new SshWriter(1536);
        message.Write(ref writer);
        sink.SendKexPacket(writer.Written);
    }

    public static void Send(IKexSink sink, in KexInitValueMessage message)
    {
        var writer = new SshWriter(message.Value.Length + 8);
        message.Write(ref writer);
        sink.SendKexPacket(writer.Written);
    }

    public static void Send(IKexSink sink, in KexReplyValueMessage message)
    {
        var writer = new SshWriter(message.HostKey.Length + message.Value.Length + message.Signature.Length + 16);
        message.Write(ref writer);
        sink.SendKexPacket(writer.Written);
    }
}
