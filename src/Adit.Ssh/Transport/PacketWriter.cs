using System.Buffers.Binary;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Transport;

/// <summary>Turns payloads into sealed frames (RFC 4253, section 6) in place. Used by one sender at a time.</summary>
/// <param name="pool">Where buffers come from.</param>
/// <param name="rekey">Counts what goes out.</param>
/// <param name="bare">Packets go to a process of the same machine that has the connection: in clear and without padding.</param>
internal sealed class PacketWriter(PacketPool pool, RekeyPolicy rekey, bool bare = false) : IDisposable
{
    private const int MinPadding = 4;
    private const int ClearBlockSize = 8;

    private PacketSealer? _sealer;
    private PacketCompressor? _compressor;
    private string _compression = "none";
    private volatile bool _authenticated;

    /// <summary>The number the next packet is sealed with.</summary>
    public uint Sequence { get; private set; }

    /// <summary>Login is done: delayed compression starts with the next packet, if it was agreed on.</summary>
    public void OnAuthenticated() => _authenticated = true;

    /// <summary>Compresses where that was agreed on, frames, pads and seals; returns the frame. <paramref name="packet"/> may be exchanged for another buffer.</summary>
    public ArraySegment<byte> Seal(ref PacketBuffer packet)
    {
        if (_authenticated && _compression != "none")
            Compress(ref packet);

        int length = packet.PayloadLength;
        int block = _sealer?.BlockSize ?? ClearBlockSize;
        int tag = _sealer?.TagLength ?? 0;
        int outside = _sealer is { LengthIsOutside: true } ? 4 : 0;
        int padding = block - ((PacketBuffer.PayloadOffset + length - outside) % block);
        if (padding < MinPadding)
            padding += block;
        if (bare)
            padding = 0;

        byte[] array = packet.Array;
        BinaryPrimitives.WriteUInt32BigEndian(array, (uint)(1 + length + padding));
        array[4] = (byte)padding;
        // Zeros: every mode here turns padding into keystream-masked bytes, so random ones would hide nothing more.
        array.AsSpan(PacketBuffer.PayloadOffset + length, padding).Clear();
        int total = PacketBuffer.PayloadOffset + length + padding + tag;
        var frame = array.AsSpan(0, total);
        _sealer?.Seal(Sequence, frame);

        Sequence = unchecked(Sequence + 1);
        rekey.Sent(total - tag);
        if (packet.SwitchAfter is { } keys)
            Switch(keys);
        if (packet.StartsCompression)
            _authenticated = true;
        return new ArraySegment<byte>(array, 0, total);
    }

    public void Dispose()
    {
        _sealer?.Dispose();
        _compressor?.Dispose();
    }

    private void Switch(OutboundKeys keys)
    {
        _sealer?.Dispose();
        _sealer = keys.Sealer;
        _compressor?.Dispose();
        _compressor = null;
        _compression = keys.Compression;
        if (keys.ResetSequence)
            Sequence = 0;
        rekey.OutboundKeyed(keys.Sealer.BlockSize);
    }

    private void Compress(ref PacketBuffer packet)
    {
        _compressor ??= new PacketCompressor();
        var compressed = _compressor.Compress(packet.Payload, pool);
        compressed.SwitchAfter = packet.SwitchAfter;
        compressed.StartsCompression = packet.StartsCompression;
        packet.Return();
        packet = compressed;
    }
}
