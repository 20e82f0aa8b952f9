using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>The Poly1305 authenticator (RFC 8439, section 2.5). A key authenticates one message only. Used by one thread at a time.</summary>
internal sealed unsafe class Poly1305 : IDisposable
{
    public const int KeySize = 32;

    public const int TagSize = 16;

    private readonly MacContextHandle _context = new(NativeAlgorithms.Poly1305);

    /// <summary>Writes the 16-byte tag of <paramref name="data"/> under the 32-byte one-time <paramref name="key"/>.</summary>
    public void Compute(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data, Span<byte> tag)
    {
        if (key.Length != KeySize || tag.Length != TagSize)
            throw new ArgumentException("a Poly1305 key has 32 bytes and a tag 16");
        using var lease = _context.Lease();
        nuint length;
        fixed (byte* keyBytes = key, input = data, output = tag)
        {
            LibCrypto.Check(LibCrypto.EVP_MAC_init(lease.Pointer, keyBytes, KeySize, null));
            if (input != null)
                LibCrypto.Check(LibCrypto.EVP_MAC_update(lease.Pointer, input, (nuint)data.Length));
            LibCrypto.Check(LibCrypto.EVP_MAC_final(lease.Pointer, output, &length, TagSize));
        }
    }

    public void Dispose() => _context.Dispose();
}
