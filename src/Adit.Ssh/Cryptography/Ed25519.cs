using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography;

/// <summary>Ed25519 signatures (RFC 8032, section 5.1), on raw keys.</summary>
internal static unsafe class Ed25519
{
    /// <summary>Bytes of a private key: the 32-byte seed of RFC 8032, what SSH key files put in front of the public key.</summary>
    public const int SeedSize = 32;

    public const int PublicKeySize = 32;

    public const int SignatureSize = 64;

    /// <summary>The public key that belongs to <paramref name="seed"/>.</summary>
    public static byte[] GetPublicKey(ReadOnlySpan<byte> seed)
    {
        using var key = RawKeys.ImportPrivate(LibCrypto.KeyTypeEd25519, seed, SeedSize);
        return RawKeys.ExportPublic(key, PublicKeySize);
    }

    /// <summary>Signs <paramref name="data"/> into the 64 bytes of <paramref name="signature"/>.</summary>
    public static void Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data, Span<byte> signature)
    {
        if (signature.Length != SignatureSize)
            throw new ArgumentException("an Ed25519 signature has 64 bytes", nameof(signature));
        using var key = RawKeys.ImportPrivate(LibCrypto.KeyTypeEd25519, seed, SeedSize);
        using var context = new DigestContextHandle();
        using var keyLease = key.Lease();
        using var lease = context.Lease();
        nuint length = SignatureSize;
        LibCrypto.Check(LibCrypto.EVP_DigestSignInit(lease.Pointer, null, 0, 0, keyLease.Pointer));
        fixed (byte* output = signature, input = data)
        {
            byte empty;
            LibCrypto.Check(LibCrypto.EVP_DigestSign(lease.Pointer, output, &length, input == null ? &empty : input, (nuint)data.Length));
        }
    }

    /// <summary>True when <paramref name="signature"/> is the signature of <paramref name="data"/> by <paramref name="publicKey"/>.
    /// Wrong lengths and points off the curve give false.</summary>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != PublicKeySize || signature.Length != SignatureSize)
            return false;
        using var key = RawKeys.ImportPublic(LibCrypto.KeyTypeEd25519, publicKey, PublicKeySize);
        using var context = new DigestContextHandle();
        using var keyLease = key.Lease();
        using var lease = context.Lease();
        LibCrypto.Check(LibCrypto.EVP_DigestVerifyInit(lease.Pointer, null, 0, 0, keyLease.Pointer));
        fixed (byte* input = data, tag = signature)
        {
            byte empty;
            if (LibCrypto.EVP_DigestVerify(lease.Pointer, tag, SignatureSize, input == null ? &empty : input, (nuint)data.Length) == 1)
                return true;
        }
        LibCrypto.ERR_clear_error();
        return false;
    }
}
