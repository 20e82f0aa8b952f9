using System.Buffers.Binary;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>What sealing and opening with AES-GCM share: the key schedule, set once, and the nonce of RFC 5647, section 7.1.
/// <code>
/// nonce:  4 bytes fixed | uint64 invocation counter, plus one for every packet
/// frame:  uint32 packet_length (in clear, authenticated) | encrypted part | 16-byte tag
/// </code>
/// libcrypto is called directly: re-using its context costs a fraction of what one call to the BCL's AesGcm does.</summary>
internal sealed unsafe class AesGcmContext : IDisposable
{
    public const int NonceSize = 12;
    public const int TagSize = 16;
    public const int LengthSize = 4;

    private readonly CipherContextHandle _context = new();
    private readonly uint _fixed;
    private ulong _invocationCounter;

    public AesGcmContext(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, bool encrypt)
    {
        if (iv.Length != NonceSize)
            throw new ArgumentException("the IV has 12 bytes", nameof(iv));
        nint cipher = NativeAlgorithms.AesGcm(key.Length);
        using var lease = _context.Lease();
        fixed (byte* keyBytes = key)
            LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(lease.Pointer, cipher, 0, keyBytes, null, encrypt ? 1 : 0));
        _fixed = BinaryPrimitives.ReadUInt32BigEndian(iv);
        _invocationCounter = BinaryPrimitives.ReadUInt64BigEndian(iv[4..]);
    }

    public NativeLease Lease() => _context.Lease();

    /// <summary>Sets the next nonce. It is used up even when what follows fails. The counter is 64 bits wide: no connection lives to see it wrap.</summary>
    public void NextNonce(nint context)
    {
        byte* nonce = stackalloc byte[NonceSize];
        BinaryPrimitives.WriteUInt32BigEndian(new Span<byte>(nonce, 4), _fixed);
        BinaryPrimitives.WriteUInt64BigEndian(new Span<byte>(nonce + 4, 8), _invocationCounter);
        _invocationCounter = unchecked(_invocationCounter + 1);
        LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(context, 0, 0, null, nonce, -1));
    }

    public void Dispose() => _context.Dispose();
}

/// <summary>aes128-gcm@openssh.com and aes256-gcm@openssh.com (RFC 5647 as OpenSSH's PROTOCOL, section 1.6, amends it): the sending side.</summary>
internal sealed unsafe class AesGcmSealer(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv) : PacketSealer
{
    private readonly AesGcmContext _gcm = new(key, iv, encrypt: true);

    public override int BlockSize => 16;

    public override int TagLength => AesGcmContext.TagSize;

    public override bool LengthIsOutside => true;

    public override void Seal(uint sequenceNumber, Span<byte> frame)
    {
        int textLength = frame.Length - AesGcmContext.LengthSize - AesGcmContext.TagSize;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(textLength, nameof(frame));
        using var lease = _gcm.Lease();
        nint context = lease.Pointer;
        _gcm.NextNonce(context);
        int written;
        fixed (byte* bytes = frame)
        {
            byte* text = bytes + AesGcmContext.LengthSize;
            LibCrypto.Check(LibCrypto.EVP_CipherUpdate(context, null, &written, bytes, AesGcmContext.LengthSize));
            LibCrypto.Check(LibCrypto.EVP_CipherUpdate(context, text, &written, text, textLength));
            LibCrypto.Check(LibCrypto.EVP_CipherFinal_ex(context, text, &written));
            LibCrypto.Check(LibCrypto.EVP_CIPHER_CTX_ctrl(context, LibCrypto.ControlGetTag, AesGcmContext.TagSize, text + textLength));
        }
    }

    public override void Dispose() => _gcm.Dispose();
}

/// <summary>aes128-gcm@openssh.com and aes256-gcm@openssh.com: the receiving side.</summary>
internal sealed unsafe class AesGcmOpener(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv) : PacketOpener
{
    private readonly AesGcmContext _gcm = new(key, iv, encrypt: false);

    public override int BlockSize => 16;

    public override int TagLength => AesGcmContext.TagSize;

    public override bool LengthIsOutside => true;

    public override int HeaderLength => AesGcmContext.LengthSize;

    public override uint OpenLength(uint sequenceNumber, Span<byte> header) => BinaryPrimitives.ReadUInt32BigEndian(header);

    public override bool Open(uint sequenceNumber, Span<byte> frame)
    {
        int textLength = frame.Length - AesGcmContext.LengthSize - AesGcmContext.TagSize;
        if (textLength <= 0)
            return false;
        using var lease = _gcm.Lease();
        nint context = lease.Pointer;
        _gcm.NextNonce(context);
        int written;
        fixed (byte* bytes = frame)
        {
            byte* text = bytes + AesGcmContext.LengthSize;
            LibCrypto.Check(LibCrypto.EVP_CIPHER_CTX_ctrl(context, LibCrypto.ControlSetTag, AesGcmContext.TagSize, text + textLength));
            LibCrypto.Check(LibCrypto.EVP_CipherUpdate(context, null, &written, bytes, AesGcmContext.LengthSize));
            if (LibCrypto.EVP_CipherUpdate(context, text, &written, text, textLength) == 1
                && LibCrypto.EVP_CipherFinal_ex(context, text, &written) == 1)
            {
                return true;
            }
        }
        LibCrypto.ERR_clear_error();
        CryptographicOperations.ZeroMemory(frame); // GCM decrypts before it knows: nobody may see that text
        return false;
    }

    public override void Dispose() => _gcm.Dispose();
}
