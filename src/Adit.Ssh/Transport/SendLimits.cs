namespace Adit.Ssh.Transport;

/// <summary>What may wait in a <see cref="SendQueue"/>: the bound on what a peer that does not read makes us hold.</summary>
internal static class SendLimits
{
    /// <summary>Memory of the packets that one lane may have waiting, buffers and all (eight full ones of 32 KiB): a byte in a packet of its own takes <see cref="PacketBuffer.Footprint"/>.</summary>
    public const int LaneBytes = 8 * 33 * 1024;

    /// <summary>The same of all lanes before each is held to one packet, of up to 32 KiB.</summary>
    public const int AllLanesBytes = 2 * 1024 * 1024;

    /// <summary>The same before that packet is held to 4 KiB.</summary>
    public const int AllLanesFullPackets = 16 * 1024 * 1024;

    /// <summary>Memory of the control messages that may wait, buffers and all: 32,768 of the smallest. They are answers to the peer, so a peer that asks and
    /// does not read ends here. What it asked is no measure: an answer of one byte takes <see cref="PacketBuffer.Footprint"/>, a pong what its ping carried.</summary>
    public const int ControlBytes = 8 * 1024 * 1024;

    /// <summary>The same before login, where nobody has much to ask for and during a key exchange nothing leaves.</summary>
    public const int ControlBytesBeforeLogin = 256 * 1024;

    /// <summary>Control messages that may wait before login, however small.</summary>
    public const int ControlMessagesBeforeLogin = 64;

    /// <summary>Bytes of data for which a lane has room.</summary>
    /// <param name="queued">Memory of the packets that it has waiting.</param>
    /// <param name="all">The same of all lanes.</param>
    public static int Room(int queued, long all)
    {
        if (queued == 0)
            return (all < AllLanesBytes ? LaneBytes : all < AllLanesFullPackets ? PacketPool.MediumPayload : PacketPool.PagePayload) - PacketBuffer.DataHeaderLength;
        int room = LaneBytes - queued;
        // Not for a little at a time: that would make small packets of a stream that is fast.
        return all < AllLanesBytes && room >= PacketPool.MediumPayload ? room : 0;
    }
}
