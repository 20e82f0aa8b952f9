using System.Buffers.Binary;
using Adit.Ssh.Connection;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Forwarding;

/// <summary>Takes the messages of the agent protocol out of a channel's bytes, however they were cut.</summary>
// uint32 length | byte type | contents
internal sealed class AgentFrames(InboundBytes bytes)
{
    private const int FirstPiece = 4096;

    private readonly byte[] _head = new byte[4];

    /// <summary>The next message, its type first; null at the end of the stream between two messages. Throws <see cref="SshException"/>
    /// (<see cref="SshError.ProtocolError"/>) for a length that no message has and for an end within a message; and what
    /// <see cref="InboundBytes.ReadAsync"/> throws.</summary>
    public async ValueTask<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        int got = await FillAsync(_head, cancellationToken).ConfigureAwait(false);
        if (got == 0)
            return null;
        if (got < _head.Length)
            throw SshException.Protocol("the stream to the agent ended within a message");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(_head);
        if (length is 0 or > AgentConnection.MaxMessageLength)
            throw SshException.Protocol($"a message of {length} bytes for the agent");
        // Room is made as the bytes come: a length alone costs nothing.
        var message = new byte[Math.Min(length, FirstPiece)];
        for (int filled = 0; ;)
        {
            int count = await FillAsync(message.AsMemory(filled), cancellationToken).ConfigureAwait(false);
            filled += count;
            if (filled < message.Length)
                throw SshException.Protocol("the stream to the agent ended within a message");
            if (filled == length)
                return message;
            Array.Resize(ref message, (int)Math.Min(length, 4L * message.Length));
        }
    }

    /// <summary>Fills the buffer; less at the end of the stream.</summary>
    private async ValueTask<int> FillAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int filled = 0;
        while (filled < buffer.Length)
        {
            int count = await bytes.ReadAsync(buffer[filled..], cancellationToken).ConfigureAwait(false);
            if (count == 0)
                break;
            filled += count;
        }
        return filled;
    }
}
