using System.Security.Cryptography;
using static Adit.Ssh.Cryptography.PostQuantum.MlKemRing;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>ML-KEM-768 (FIPS 203), in constant time, for where the platform has none.
/// <code>
/// encapsulation key (1184):  ByteEncode_12 of t, 3 polynomials | rho (32)
/// decapsulation key (2400):  ByteEncode_12 of s, 3 polynomials (1152) | encapsulation key | H(encapsulation key) (32) | z (32)
/// ciphertext        (1088):  u, 3 polynomials of 10-bit coefficients (960) | v, one of 4-bit coefficients (128)
/// </code></summary>
internal sealed class MlKem768 : Kem
{
    public const int EncapsulationKeySize = 1184;
    public const int DecapsulationKeySize = 2400;
    public const int CipherSize = 1088;
    public const int SeedSize = 64;

    private const int K = 3;
    private const int VectorSize = K * 384;
    private const int CompressedVectorSize = K * 320;

    public override int PublicKeySize => EncapsulationKeySize;

    public override int CiphertextSize => CipherSize;

    public override KemPrivateKey Generate(out byte[] publicKey)
    {
        Span<byte> seed = stackalloc byte[SeedSize];
        RandomNumberGenerator.Fill(seed);
        byte[] key = GenerateKey(seed);
        CryptographicOperations.ZeroMemory(seed);
        publicKey = EncapsulationKeyOf(key).ToArray();
        return new PrivateKey(key);
    }

    public override bool TryEncapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> secret)
    {
        Span<byte> message = stackalloc byte[32];
        RandomNumberGenerator.Fill(message);
        bool good = TryEncapsulate(publicKey, message, ciphertext, secret);
        CryptographicOperations.ZeroMemory(message);
        return good;
    }

    /// <summary>ML-KEM.KeyGen_internal (algorithm 16) for the seed d || z: the decapsulation key.</summary>
    internal static byte[] GenerateKey(ReadOnlySpan<byte> seed)
    {
        var key = new byte[DecapsulationKeySize];
        Span<byte> rhoSigma = stackalloc byte[64];
        Keccak.Sha3512(seed[..32], [K], rhoSigma);
        ReadOnlySpan<byte> rho = rhoSigma[..32], sigma = rhoSigma[32..];
        Span<ushort> s = stackalloc ushort[K * N], t = stackalloc ushort[K * N], matrixEntry = stackalloc ushort[N];
        for (int i = 0; i < K; i++)
        {
            SampleSmall(sigma, (byte)i, s.Slice(i * N, N));
            Transform(s.Slice(i * N, N));
            SampleSmall(sigma, (byte)(K + i), t.Slice(i * N, N)); // the error e, to which A s is added
            Transform(t.Slice(i * N, N));
        }
        for (int i = 0; i < K; i++)
        {
            for (int j = 0; j < K; j++)
            {
                SampleUniform(rho, (byte)j, (byte)i, matrixEntry);
                MultiplyAdd(t.Slice(i * N, N), matrixEntry, s.Slice(j * N, N));
            }
        }
        Span<byte> publicKey = key.AsSpan(VectorSize, EncapsulationKeySize);
        for (int i = 0; i < K; i++)
        {
            Encode12(s.Slice(i * N, N), key.AsSpan(i * 384, 384));
            Encode12(t.Slice(i * N, N), publicKey.Slice(i * 384, 384));
        }
        rho.CopyTo(publicKey[VectorSize..]);
        Keccak.Sha3256(publicKey, [], key.AsSpan(VectorSize + EncapsulationKeySize, 32));
        seed[32..].CopyTo(key.AsSpan(DecapsulationKeySize - 32));
        s.Clear();
        t.Clear();
        CryptographicOperations.ZeroMemory(rhoSigma);
        return key;
    }

    internal static ReadOnlySpan<byte> EncapsulationKeyOf(ReadOnlySpan<byte> decapsulationKey) =>
        decapsulationKey.Slice(VectorSize, EncapsulationKeySize);

    /// <summary>The checks of section 7.2, then ML-KEM.Encaps_internal (algorithm 17). False when the key has the wrong length or a
    /// coefficient that is not below q.</summary>
    internal static bool TryEncapsulate(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, Span<byte> ciphertext, Span<byte> secret)
    {
        if (publicKey.Length != EncapsulationKeySize || !IsReduced(publicKey))
            return false;
        Span<byte> keyHash = stackalloc byte[32], secretAndCoins = stackalloc byte[64];
        Keccak.Sha3256(publicKey, [], keyHash);
        Keccak.Sha3512(message, keyHash, secretAndCoins);
        Encrypt(publicKey, message, secretAndCoins[32..], ciphertext);
        secretAndCoins[..32].CopyTo(secret);
        CryptographicOperations.ZeroMemory(secretAndCoins);
        return true;
    }

    /// <summary>ML-KEM.Decaps_internal (algorithm 18).</summary>
    internal static void Decapsulate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertext, Span<byte> secret)
    {
        if (key.Length != DecapsulationKeySize || ciphertext.Length != CipherSize || secret.Length != SecretSize)
            throw new ArgumentException("a key, ciphertext or secret of the wrong length");
        var publicKey = EncapsulationKeyOf(key);
        ReadOnlySpan<byte> keyHash = key.Slice(VectorSize + EncapsulationKeySize, 32), z = key[(DecapsulationKeySize - 32)..];
        Span<byte> message = stackalloc byte[32], secretAndCoins = stackalloc byte[64], rejected = stackalloc byte[32];
        Span<byte> again = stackalloc byte[CipherSize];
        Decrypt(key[..VectorSize], ciphertext, message);
        Keccak.Sha3512(message, keyHash, secretAndCoins);
        Keccak.Shake256(z, ciphertext, rejected);
        Encrypt(publicKey, message, secretAndCoins[32..], again);
        secretAndCoins[..32].CopyTo(secret);
        ConstantTime.Replace(ConstantTime.DifferenceMask(ciphertext, again), secret, rejected);
        CryptographicOperations.ZeroMemory(message);
        CryptographicOperations.ZeroMemory(secretAndCoins);
        CryptographicOperations.ZeroMemory(rejected);
        CryptographicOperations.ZeroMemory(again);
    }

    /// <summary>K-PKE.Encrypt (algorithm 14).</summary>
    private static void Encrypt(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> coins, Span<byte> ciphertext)
    {
        Span<ushort> y = stackalloc ushort[K * N], sum = stackalloc ushort[N], factor = stackalloc ushort[N];
        var rho = publicKey[VectorSize..];
        for (int i = 0; i < K; i++)
        {
            SampleSmall(coins, (byte)i, y.Slice(i * N, N));
            Transform(y.Slice(i * N, N));
        }
        for (int i = 0; i < K; i++) // u = A^T y + e1
        {
            sum.Clear();
            for (int j = 0; j < K; j++)
            {
                SampleUniform(rho, (byte)i, (byte)j, factor);
                MultiplyAdd(sum, factor, y.Slice(j * N, N));
            }
            InverseTransform(sum);
            SampleSmall(coins, (byte)(K + i), factor);
            Add(sum, factor);
            CompressEncode10(sum, ciphertext.Slice(i * 320, 320));
        }
        sum.Clear(); // v = t y + e2 + message
        for (int i = 0; i < K; i++)
        {
            Decode12(publicKey.Slice(i * 384, 384), factor);
            MultiplyAdd(sum, factor, y.Slice(i * N, N));
        }
        InverseTransform(sum);
        SampleSmall(coins, 2 * K, factor);
        Add(sum, factor);
        DecodeDecompress1(message, factor);
        Add(sum, factor);
        CompressEncode4(sum, ciphertext[CompressedVectorSize..]);
        y.Clear();
        sum.Clear();
        factor.Clear();
    }

    /// <summary>K-PKE.Decrypt (algorithm 15).</summary>
    private static void Decrypt(ReadOnlySpan<byte> secretVector, ReadOnlySpan<byte> ciphertext, Span<byte> message)
    {
        Span<ushort> s = stackalloc ushort[N], u = stackalloc ushort[N], w = stackalloc ushort[N], v = stackalloc ushort[N];
        w.Clear();
        for (int i = 0; i < K; i++)
        {
            DecodeDecompress10(ciphertext.Slice(i * 320, 320), u);
            Transform(u);
            Decode12(secretVector.Slice(i * 384, 384), s);
            MultiplyAdd(w, s, u);
        }
        InverseTransform(w);
        DecodeDecompress4(ciphertext[CompressedVectorSize..], v);
        SubtractFrom(v, w);
        CompressEncode1(w, message);
        s.Clear();
        w.Clear();
    }

    private static bool IsReduced(ReadOnlySpan<byte> publicKey)
    {
        Span<ushort> t = stackalloc ushort[N];
        bool reduced = true;
        for (int i = 0; i < K; i++)
            reduced &= Decode12(publicKey.Slice(i * 384, 384), t);
        return reduced;
    }

    private sealed class PrivateKey(byte[] key) : KemPrivateKey
    {
        public override void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> secret) => MlKem768.Decapsulate(key, ciphertext, secret);

        public override void Dispose() => CryptographicOperations.ZeroMemory(key);
    }
}
