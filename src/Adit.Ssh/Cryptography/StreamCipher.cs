using System.Buffers.Binary;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>A cipher that XORs a key stream into data in place. One instance per key, used by one thread at a time.</summary>
internal abstract unsafe class StreamCipher : IDisposable
{
    private readonly CipherContextHandle _context = new();

    private protected StreamCipher(nint cipher, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv)
    {
        using var lease = _context.Lease();
        fixed (byte* keyBytes = key, ivBytes = iv)
            LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(lease.Pointer, cipher, 0, keyBytes, ivBytes, 1));
    }

    /// <summary>Encrypts or decrypts the next bytes of the stream in place.</summary>
    public void Process(Span<byte> data)
    {
        if (data.IsEmpty)
            return;
        using var lease = _context.Lease();
        int length;
        fixed (byte* bytes = data)
            LibCrypto.Check(LibCrypto.EVP_CipherUpdate(lease.Pointer, bytes, &length, bytes, data.Length));
    }

    /// <summary>Starts again under the same key at the place that <paramref name="iv"/> (16 bytes) names.</summary>
    private protected void Restart(ReadOnlySpan<byte> iv)
    {
        using var lease = _context.Lease();
        fixed (byte* ivBytes = iv)
            LibCrypto.Check(LibCrypto.EVP_CipherInit_ex(lease.Pointer, 0, 0, null, ivBytes, -1));
    }

    public void Dispose() => _context.Dispose();
}

/// <summary>AES in counter mode (RFC 4344, section 4): the initial counter block is the IV; it counts up as one 128-bit number.</summary>
internal sealed class AesCtr : StreamCipher
{
    public const int BlockSize = 16;

    /// <param name="key">16, 24 or 32 bytes.</param>
    /// <param name="iv">16 bytes.</param>
    public AesCtr(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv)
        : base(NativeAlgorithms.AesCtr(key.Length), key, iv.Length == BlockSize ? iv : throw new ArgumentException("the IV has 16 bytes", nameof(iv)))
    {
    }
}

/// <summary>ChaCha20 in its original form, with a 64-bit counter and a 64-bit nonce, as chacha20-poly1305@openssh.com uses it.</summary>
internal sealed class ChaCha20 : StreamCipher
{
    public const int KeySize = 32;

    /// <param name="key">32 bytes.</param>
    public ChaCha20(ReadOnlySpan<byte> key)
        : base(NativeAlgorithms.ChaCha20, key.Length == KeySize ? key : throw new ArgumentException("the key has 32 bytes", nameof(key)), new byte[16])
    {
    }

    /// <summary>Goes to block <paramref name="counter"/> (64 bytes each) of the stream for <paramref name="nonce"/>, which is 8 bytes.</summary>
    public void Seek(ulong counter, ReadOnlySpan<byte> nonce)
    {
        if (nonce.Length != 8)
            throw new ArgumentException("the nonce has 8 bytes", nameof(nonce));
        Span<byte> iv = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(iv, counter);
        nonce.CopyTo(iv[8..]);
        Restart(iv);
    }
}
