using System.Buffers.Binary;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Forwarding;

/// <summary>What the channels of tunnel devices carry (OpenSSH PROTOCOL, section 2.3): one packet in one SSH_MSG_CHANNEL_DATA, whose string is its length. Packets of the network
/// layer have their address family in front, by OpenBSD's numbers; Ethernet frames stand alone.</summary>
internal static class TunnelFrames
{
    public const string ChannelType = "tun@openssh.com";

    /// <summary>Any unit, as the open message says it.</summary>
    public const uint AnyUnit = 0x7fffffff;

    /// <summary>The highest unit that can be asked for.</summary>
    public const uint HighestUnit = 0x7ffffffd;

    /// <summary>The largest packet a device can have, and more than that.</summary>
    public const int LargestPacket = 65536;

    /// <summary>Bytes in front of a packet of the network layer.</summary>
    public const int FamilyLength = 4;

    private const uint Ipv4 = 2, Ipv6 = 24;

    /// <summary>The modes' numbers on the wire.</summary>
    public static uint Number(TunnelMode mode) => mode == TunnelMode.Ethernet ? 2u : 1u;

    /// <summary>Null for a number that is no mode.</summary>
    public static TunnelMode? Mode(uint number) => number switch
    {
        1 => TunnelMode.PointToPoint,
        2 => TunnelMode.Ethernet,
        _ => null,
    };

    /// <summary>The type's own part of the open message.</summary>
    /// <param name="mode">What kind of device.</param>
    /// <param name="unit">The peer's device; negative for any.</param>
    public static byte[] OpenData(TunnelMode mode, int unit)
    {
        var writer = new SshWriter(8);
        writer.WriteUInt32(Number(mode));
        writer.WriteUInt32(unit < 0 ? AnyUnit : (uint)unit);
        return writer.ToArray();
    }

    /// <summary>Writes what comes in front of a packet that begins at <see cref="FamilyLength"/>.</summary>
    public static void WriteFamily(Span<byte> frame) => BinaryPrimitives.WriteUInt32BigEndian(frame, frame[FamilyLength] >> 4 == 6 ? Ipv6 : Ipv4);

    /// <summary>The packet in the data of one message, or nothing where there is none: too short, or of a family that does not fit what the packet is.</summary>
    public static ReadOnlySpan<byte> Packet(TunnelMode mode, ReadOnlySpan<byte> data)
    {
        if (mode == TunnelMode.Ethernet)
            return data.Length <= LargestPacket ? data : default;
        if (data.Length <= FamilyLength || data.Length > FamilyLength + LargestPacket)
            return default;
        uint family = BinaryPrimitives.ReadUInt32BigEndian(data);
        int version = data[FamilyLength] >> 4;
        return (family == Ipv4 && version == 4) || (family == Ipv6 && version == 6) ? data[FamilyLength..] : default;
    }
}
