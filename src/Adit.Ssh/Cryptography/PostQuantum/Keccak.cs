using Adit.Ssh.Cryptography.Native;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>SHA-3 and SHAKE (FIPS 202), from libcrypto: the BCL has them on some platforms only.</summary>
internal static unsafe class Keccak
{
    public static void Sha3256(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output) =>
        Hash(NativeAlgorithms.Sha3256, isExtendable: false, first, second, output);

    public static void Sha3512(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output) =>
        Hash(NativeAlgorithms.Sha3512, isExtendable: false, first, second, output);

    public static void Shake128(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output) =>
        Hash(NativeAlgorithms.Shake128, isExtendable: true, first, second, output);

    public static void Shake256(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output) =>
        Hash(NativeAlgorithms.Shake256, isExtendable: true, first, second, output);

    /// <summary>Hashes the two inputs as one. A fixed-length hash writes its own length, which the output must have.</summary>
    private static void Hash(nint digest, bool isExtendable, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output)
    {
        using var context = new DigestContextHandle();
        using var lease = context.Lease();
        LibCrypto.Check(LibCrypto.EVP_DigestInit_ex(lease.Pointer, digest, 0));
        fixed (byte* one = first, two = second, result = output)
        {
            if (one != null)
                LibCrypto.Check(LibCrypto.EVP_DigestUpdate(lease.Pointer, one, (nuint)first.Length));
            if (two != null)
                LibCrypto.Check(LibCrypto.EVP_DigestUpdate(lease.Pointer, two, (nuint)second.Length));
            LibCrypto.Check(isExtendable
                ? LibCrypto.EVP_DigestFinalXOF(lease.Pointer, result, (nuint)output.Length)
                : LibCrypto.EVP_DigestFinal_ex(lease.Pointer, result, null));
        }
    }
}
