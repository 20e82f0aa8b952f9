using System.Runtime.CompilerServices;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>A key encapsulation mechanism whose shared secret has 32 bytes.</summary>
internal abstract class Kem
{
    public const int SecretSize = 32;

    public abstract int PublicKeySize { get; }

    public abstract int CiphertextSize { get; }

    /// <summary>A fresh key pair; <paramref name="publicKey"/> has <see cref="PublicKeySize"/> bytes.</summary>
    public abstract KemPrivateKey Generate(out byte[] publicKey);

    /// <summary>Makes a secret for whoever holds the private key. False for a public key that is not one; its length is the caller's to check.</summary>
    public abstract bool TryEncapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> secret);
}

/// <summary>The private half of a <see cref="Kem"/> key pair.</summary>
internal abstract class KemPrivateKey : IDisposable
{
    /// <summary>The secret in <paramref name="ciphertext"/>, whose length is the caller's to check. A ciphertext that was tampered with gives another
    /// secret, not an error (implicit rejection).</summary>
    public abstract void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> secret);

    public abstract void Dispose();
}

/// <summary>Comparison and choice without a branch or a memory access that depends on the data.</summary>
internal static class ConstantTime
{
    /// <summary>-1 when the two differ, 0 when they are equal. Both have the same length.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    public static int DifferenceMask(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.Length != other.Length)
            throw new ArgumentException("the lengths differ");
        int difference = 0;
        for (int i = 0; i < one.Length; i++)
            difference |= one[i] ^ other[i];
        return -difference >> 31;
    }

    /// <summary>Replaces <paramref name="target"/> by <paramref name="other"/> where <paramref name="mask"/> is -1; leaves it where it is 0.</summary>
    public static void Replace(int mask, Span<byte> target, ReadOnlySpan<byte> other)
    {
        for (int i = 0; i < target.Length; i++)
            target[i] ^= (byte)(mask & (target[i] ^ other[i]));
    }
}
