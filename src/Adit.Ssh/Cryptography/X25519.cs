using System.Security.Cryptography;
using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>The X25519 function (RFC 7748), on raw keys.</summary>
internal static unsafe class X25519
{
    /// <summary>Bytes of a private key, a public key and a shared secret.</summary>
    public const int KeySize = 32;

    /// <summary>The public value that belongs to 32 random bytes.</summary>
    public static byte[] GetPublicKey(ReadOnlySpan<byte> privateKey)
    {
        using var key = RawKeys.ImportPrivate(LibCrypto.KeyTypeX25519, privateKey, KeySize);
        return RawKeys.ExportPublic(key, KeySize);
    }

    /// <summary>Computes the shared secret. False, with <paramref name="secret"/> cleared, when it is all zero: the peer's value is then a point of
    /// small order, and the secret one that anybody knows (RFC 7748, section 6.1).</summary>
    public static bool TryDerive(ReadOnlySpan<byte> privateKey, ReadOnlySpan<byte> peerPublicKey, Span<byte> secret)
    {
        if (secret.Length != KeySize)
            throw new ArgumentException("an X25519 secret has 32 bytes", nameof(secret));
        using var own = RawKeys.ImportPrivate(LibCrypto.KeyTypeX25519, privateKey, KeySize);
        using var peer = RawKeys.ImportPublic(LibCrypto.KeyTypeX25519, peerPublicKey, KeySize);
        using var ownLease = own.Lease();
        using var peerLease = peer.Lease();
        using var context = new KeyContextHandle(LibCrypto.EVP_PKEY_CTX_new(ownLease.Pointer, 0));
        using var lease = context.Lease();
        LibCrypto.Check(LibCrypto.EVP_PKEY_derive_init(lease.Pointer));
        nuint length = KeySize;
        bool derived;
        fixed (byte* output = secret)
        {
            derived = LibCrypto.EVP_PKEY_derive_set_peer(lease.Pointer, peerLease.Pointer) == 1
                && LibCrypto.EVP_PKEY_derive(lease.Pointer, output, &length) == 1
                && length == KeySize;
        }
        Span<byte> zero = stackalloc byte[KeySize];
        zero.Clear();
        if (derived && !CryptographicOperations.FixedTimeEquals(secret, zero))
            return true;
        LibCrypto.ERR_clear_error();
        CryptographicOperations.ZeroMemory(secret);
        return false;
    }
}
