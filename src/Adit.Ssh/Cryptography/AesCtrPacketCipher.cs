using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>aes*-ctr (RFC 4344) with a MAC over what is sent, the -etm@openssh.com forms: the sending side.
/// <code>
/// frame:  uint32 packet_length (in clear) | encrypted part | mac over sequence number, length and encrypted part
/// </code></summary>
internal sealed class AesCtrEtmSealer(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm mac, ReadOnlySpan<byte> macKey) : PacketSealer
{
    private readonly AesCtr _cipher = new(key, iv);
    private readonly PacketMac _mac = new(mac, macKey);

    public override int BlockSize => AesCtr.BlockSize;

    public override int TagLength => _mac.TagLength;

    public override bool LengthIsOutside => true;

    public override void Seal(uint sequenceNumber, Span<byte> frame)
    {
        var packet = frame[..^_mac.TagLength];
        _cipher.Process(packet[4..]);
        _mac.Compute(sequenceNumber, packet, frame[packet.Length..]);
    }

    public override void Dispose()
    {
        _cipher.Dispose();
        _mac.Dispose();
    }
}

/// <summary>aes*-ctr with an -etm@openssh.com MAC: the receiving side.</summary>
internal sealed class AesCtrEtmOpener(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm mac, ReadOnlySpan<byte> macKey) : PacketOpener
{
    private readonly AesCtr _cipher = new(key, iv);
    private readonly PacketMac _mac = new(mac, macKey);

    public override int BlockSize => AesCtr.BlockSize;

    public override int TagLength => _mac.TagLength;

    public override bool LengthIsOutside => true;

    public override int HeaderLength => 4;

    public override uint OpenLength(uint sequenceNumber, Span<byte> header) => BinaryPrimitives.ReadUInt32BigEndian(header);

    public override bool Open(uint sequenceNumber, Span<byte> frame)
    {
        if (frame.Length <= 4 + _mac.TagLength)
            return false;
        var packet = frame[..^_mac.TagLength];
        if (!_mac.Verify(sequenceNumber, packet, frame[packet.Length..]))
            return false;
        _cipher.Process(packet[4..]);
        return true;
    }

    public override void Dispose()
    {
        _cipher.Dispose();
        _mac.Dispose();
    }
}

/// <summary>aes*-ctr with a MAC of RFC 4253, section 6.4: the sending side.
/// <code>
/// frame:  encrypted(uint32 packet_length | padding_length | payload | padding) | mac over sequence number and the packet in clear
/// </code></summary>
internal sealed class AesCtrSealer(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm mac, ReadOnlySpan<byte> macKey) : PacketSealer
{
    private readonly AesCtr _cipher = new(key, iv);
    private readonly PacketMac _mac = new(mac, macKey);

    public override int BlockSize => AesCtr.BlockSize;

    public override int TagLength => _mac.TagLength;

    public override bool LengthIsOutside => false;

    public override void Seal(uint sequenceNumber, Span<byte> frame)
    {
        var packet = frame[..^_mac.TagLength];
        _mac.Compute(sequenceNumber, packet, frame[packet.Length..]);
        _cipher.Process(packet);
    }

    public override void Dispose()
    {
        _cipher.Dispose();
        _mac.Dispose();
    }
}

/// <summary>aes*-ctr with a MAC of RFC 4253, section 6.4: the receiving side. The first block is decrypted by <see cref="OpenLength"/>, the rest by <see cref="Open"/>.</summary>
internal sealed class AesCtrOpener(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, MacAlgorithm mac, ReadOnlySpan<byte> macKey) : PacketOpener
{
    private readonly AesCtr _cipher = new(key, iv);
    private readonly PacketMac _mac = new(mac, macKey);

    public override int BlockSize => AesCtr.BlockSize;

    public override int TagLength => _mac.TagLength;

    public override bool LengthIsOutside => false;

    public override int HeaderLength => AesCtr.BlockSize;

    public override uint OpenLength(uint sequenceNumber, Span<byte> header)
    {
        _cipher.Process(header[..AesCtr.BlockSize]);
        return BinaryPrimitives.ReadUInt32BigEndian(header);
    }

    public override bool Open(uint sequenceNumber, Span<byte> frame)
    {
        if (frame.Length >= AesCtr.BlockSize + _mac.TagLength)
        {
            var packet = frame[..^_mac.TagLength];
            _cipher.Process(packet[AesCtr.BlockSize..]);
            if (_mac.Verify(sequenceNumber, packet, frame[packet.Length..]))
                return true;
        }
        CryptographicOperations.ZeroMemory(frame); // decrypted before it was verified: nobody may see that text
        return false;
    }

    public override void Dispose()
    {
        _cipher.Dispose();
        _mac.Dispose();
    }
}
