using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>What sealing and opening with chacha20-poly1305@openssh.com share (OpenSSH's PROTOCOL.chacha20poly1305).
/// <code>
/// key:    32 bytes K_2 (packet) | 32 bytes K_1 (length)
/// nonce:  the packet's sequence number as uint64, for both keys
/// frame:  uint32 packet_length under K_1, block 0 | the rest under K_2, from block 1 | Poly1305 tag over both, as sent
/// The tag's key is the first 32 bytes of K_2's block 0.
/// </code></summary>
internal sealed unsafe class ChaChaPolyContext : IDisposable
{
    public const int KeySize = 64;
    public const int TagSize = Poly1305.TagSize;
    public const int LengthSize = 4;

    private const int ChaChaBlockSize = 64;

    private readonly CipherContextHandle _packet = new();
    private readonly CipherContextHandle _length = new();
    private readonly MacContextHandle _mac = new(NativeAlgorithms.Poly1305);

    public ChaChaPolyContext(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeySize)
            throw new ArgumentException("the key has 64 bytes", nameof(key));
        Initialize(_packet, key[..32]);
        Initialize(_length, key[32..]);
    }

    public NativeLease LeasePacket() => _packet.Lease();

    /// <summary>Encrypts or decrypts the 4 bytes of packet_length.</summary>
    public void ProcessLength(uint sequenceNumber, byte* input, byte* output)
    {
        using var lease = _length.Lease();
        Seek(lease.Pointer, sequenceNumber);
        int written;
        LibCrypto.Check(LibCrypto.EVP_CipherUpdate(lease.Pointer, output, &written, input, LengthSize));
    }

    /// <summary>Starts the packet: takes block 0 for the tag's key into <paramref name="macKey"/> (64 bytes, of which 32 count) and stands at block 1.</summary>
    public static void Start(nint packet, uint sequenceNumber, byte* macKey)
    {
        Seek(packet, sequenceNumber);
        new Span<byte>(macKey, ChaChaBlockSize).Clear();
        Process(packet, macKey, ChaChaBlockSize);
    }

    public static void Process(nint packet, byte* data, int length)
    {
        int written;
        LibCrypto.Check(LibCrypto.EVP_CipherUpdate(packet, data, &written, data, length));
    }

    public void Tag(byte* macKey, byte* data, int length, byte* tag)
    {
        using var lease = _mac.Lease();
        nuint written;
        LibCrypto.Check(LibCrypto.EVP_MAC_init(lease.Pointer, macKey, Poly1305.KeySize, null));
        LibCrypto.Check(LibCrypto.EVP_MAC_update(lease.Pointer, data, (nuint)length));
        LibCrypto.Check(LibCrypto.EVP_MAC_final(lease.Pointer, tag, &written, TagSize));
        CryptographicOperations.ZeroMemory(new Span<byte>(macKey, ChaChaBlockSize));
    }

    public void Dispose()
    {
        _packet.Dispose();
        _length.Dispose();
        _mac.Dispose();
    }

    private static void Initialize(CipherContextHandle context, ReadOnlySpan<byte> key)
    {
        using var lease = context.Lease();
        fixed (byte* bytes = key)
            LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(lease.Pointer, NativeAlgorithms.ChaCha20, 0, bytes, null, 1));
    }

    /// <summary>Goes to block 0 of the stream for this packet.</summary>
    private static void Seek(nint context, uint sequenceNumber)
    {
        byte* iv = stackalloc byte[16]; // uint64 block counter, little-endian | 8-byte nonce
        *(ulong*)iv = 0;
        BinaryPrimitives.WriteUInt64BigEndian(new Span<byte>(iv + 8, 8), sequenceNumber);
        LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(context, 0, 0, null, iv, -1));
    }
}

/// <summary>chacha20-poly1305@openssh.com: the sending side. Its nonce is the sequence number, so it insists that these count up and end before they repeat.</summary>
internal sealed unsafe class ChaChaPolySealer(ReadOnlySpan<byte> key) : PacketSealer
{
    private readonly ChaChaPolyContext _chacha = new(key);
    private ulong _packets;
    private uint _next;

    public override int BlockSize => 8;

    public override int TagLength => ChaChaPolyContext.TagSize;

    public override bool LengthIsOutside => true;

    public override void Seal(uint sequenceNumber, Span<byte> frame)
    {
        int dataLength = frame.Length - ChaChaPolyContext.TagSize;
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(dataLength, ChaChaPolyContext.LengthSize, nameof(frame));
        TakeNonce(sequenceNumber);
        using var lease = _chacha.LeasePacket();
        byte* macKey = stackalloc byte[64];
        fixed (byte* bytes = frame)
        {
            _chacha.ProcessLength(sequenceNumber, bytes, bytes);
            ChaChaPolyContext.Start(lease.Pointer, sequenceNumber, macKey);
            ChaChaPolyContext.Process(lease.Pointer, bytes + ChaChaPolyContext.LengthSize, dataLength - ChaChaPolyContext.LengthSize);
            _chacha.Tag(macKey, bytes, dataLength, bytes + dataLength);
        }
    }

    public override void Dispose() => _chacha.Dispose();

    private void TakeNonce(uint sequenceNumber)
    {
        if (_packets != 0 && (sequenceNumber != _next || _packets > uint.MaxValue))
            throw new InvalidOperationException("the packet's sequence number would use a nonce again");
        _packets++;
        _next = unchecked(sequenceNumber + 1);
    }
}

/// <summary>chacha20-poly1305@openssh.com: the receiving side.</summary>
internal sealed unsafe class ChaChaPolyOpener(ReadOnlySpan<byte> key) : PacketOpener
{
    private readonly ChaChaPolyContext _chacha = new(key);

    public override int BlockSize => 8;

    public override int TagLength => ChaChaPolyContext.TagSize;

    public override bool LengthIsOutside => true;

    public override int HeaderLength => ChaChaPolyContext.LengthSize;

    // The header stays as it came: the tag is over the encrypted length.
    public override uint OpenLength(uint sequenceNumber, Span<byte> header)
    {
        byte* length = stackalloc byte[ChaChaPolyContext.LengthSize];
        fixed (byte* bytes = header[..ChaChaPolyContext.LengthSize])
            _chacha.ProcessLength(sequenceNumber, bytes, length);
        return BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(length, ChaChaPolyContext.LengthSize));
    }

    public override bool Open(uint sequenceNumber, Span<byte> frame)
    {
        int dataLength = frame.Length - ChaChaPolyContext.TagSize;
        if (dataLength <= ChaChaPolyContext.LengthSize)
            return false;
        using var lease = _chacha.LeasePacket();
        byte* macKey = stackalloc byte[64];
        Span<byte> tag = stackalloc byte[ChaChaPolyContext.TagSize];
        fixed (byte* bytes = frame, tagBytes = tag)
        {
            ChaChaPolyContext.Start(lease.Pointer, sequenceNumber, macKey);
            _chacha.Tag(macKey, bytes, dataLength, tagBytes);
            if (!CryptographicOperations.FixedTimeEquals(tag, frame[dataLength..]))
                return false;
            ChaChaPolyContext.Process(lease.Pointer, bytes + ChaChaPolyContext.LengthSize, dataLength - ChaChaPolyContext.LengthSize);
        }
        return true;
    }

    public override void Dispose() => _chacha.Dispose();
}
