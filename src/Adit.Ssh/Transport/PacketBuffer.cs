using System.Buffers.Binary;
using System.Diagnostics;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>One outgoing packet over one pooled array. It has one owner at a time, and the last one calls <see cref="Return"/> exactly once.
/// <code>
/// | uint32 packet_length | byte padding_length | payload … | padding | tag |
///   0                      4                     5           room of at least TailRoom behind the payload
/// </code>
/// For channel data the payload begins with the nine bytes of SSH_MSG_CHANNEL_DATA's header, so a socket can receive straight into
/// <see cref="DataArea"/> and nothing is ever moved.</summary>
internal sealed class PacketBuffer
{
    /// <summary>Where the payload begins: behind packet_length and padding_length.</summary>
    public const int PayloadOffset = 5;

    /// <summary>byte SSH_MSG_CHANNEL_DATA, uint32 recipient channel, uint32 length.</summary>
    public const int DataHeaderLength = 9;

    /// <summary>byte SSH_MSG_CHANNEL_EXTENDED_DATA, uint32 recipient channel, uint32 data type code, uint32 length.</summary>
    public const int ExtendedDataHeaderLength = 13;

    /// <summary>Where the data of a channel-data packet begins.</summary>
    public const int DataOffset = PayloadOffset + DataHeaderLength;

    /// <summary>Padding (at most 255, in practice under 32) and the largest tag (64).</summary>
    public const int TailRoom = 96;

    private readonly PacketPool _pool;
    private bool _rented;

    internal PacketBuffer(PacketPool pool, int capacity)
    {
        _pool = pool;
        Array = GC.AllocateUninitializedArray<byte>(PayloadOffset + capacity + TailRoom);
        PayloadCapacity = capacity;
    }

    /// <summary>The whole array.</summary>
    public byte[] Array { get; }

    /// <summary>The largest payload it can hold.</summary>
    public int PayloadCapacity { get; }

    /// <summary>Memory it takes, this object and the array's header included.</summary>
    public int Footprint => Array.Length + 88;

    /// <summary>Bytes of payload in it.</summary>
    public int PayloadLength { get; set; }

    /// <summary>The next packet of the queue that holds this one.</summary>
    public PacketBuffer? Next { get; set; }

    /// <summary>What happens once it was sealed: new keys for everything behind it (only on SSH_MSG_NEWKEYS).</summary>
    public OutboundKeys? SwitchAfter { get; set; }

    /// <summary>Delayed compression begins behind this packet (only on SSH_MSG_USERAUTH_SUCCESS).</summary>
    public bool StartsCompression { get; set; }

    /// <summary>The payload, message number first.</summary>
    public Span<byte> Payload => Array.AsSpan(PayloadOffset, PayloadLength);

    public MessageId MessageId => (MessageId)Array[PayloadOffset];

    /// <summary>Where channel data goes before <see cref="SetChannelData"/>.</summary>
    public Memory<byte> DataArea(int length) => Array.AsMemory(DataOffset, length);

    /// <summary>The same before <see cref="SetChannelExtendedData"/>.</summary>
    public Memory<byte> ExtendedDataArea(int length) => Array.AsMemory(PayloadOffset + ExtendedDataHeaderLength, length);

    /// <summary>Makes the payload: byte SSH_MSG_CHANNEL_DATA, uint32 recipient channel, string data, over data that already lies in <see cref="DataArea"/>.</summary>
    public void SetChannelData(uint recipient, int length)
    {
        var header = Array.AsSpan(PayloadOffset, DataHeaderLength);
        header[0] = (byte)MessageId.ChannelData;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], recipient);
        BinaryPrimitives.WriteUInt32BigEndian(header[5..], (uint)length);
        PayloadLength = DataHeaderLength + length;
    }

    /// <summary>Makes the payload: byte SSH_MSG_CHANNEL_EXTENDED_DATA, uint32 recipient channel, uint32 data type code, string data, over data that already lies in
    /// <see cref="ExtendedDataArea"/>.</summary>
    public void SetChannelExtendedData(uint recipient, uint code, int length)
    {
        var header = Array.AsSpan(PayloadOffset, ExtendedDataHeaderLength);
        header[0] = (byte)MessageId.ChannelExtendedData;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], recipient);
        BinaryPrimitives.WriteUInt32BigEndian(header[5..], code);
        BinaryPrimitives.WriteUInt32BigEndian(header[9..], (uint)length);
        PayloadLength = ExtendedDataHeaderLength + length;
    }

    /// <summary>This packet, or, where its buffer is much too large for what is in it, a copy in a smaller one; this one is given back then. What waits takes about the memory it is worth so:
    /// sockets are read into buffers for a full packet, and a byte may be all that comes.</summary>
    public PacketBuffer Fit()
    {
        if (PayloadLength > PacketPool.PagePayload || PayloadCapacity <= (PayloadLength <= PacketPool.SmallPayload ? PacketPool.SmallPayload : PacketPool.PagePayload))
            return this;
        var copy = _pool.Copy(Payload);
        Return();
        return copy;
    }

    /// <summary>Gives the array back to its pool.</summary>
    public void Return()
    {
        Debug.Assert(_rented, "a packet buffer was returned twice");
        _pool.Return(this);
    }

    internal void OnRented()
    {
        Debug.Assert(!_rented, "a packet buffer was rented twice");
        _rented = true;
    }

    internal void OnReturned()
    {
        _rented = false;
        Next = null;
        SwitchAfter = null;
        StartsCompression = false;
        PayloadLength = 0;
    }
}
