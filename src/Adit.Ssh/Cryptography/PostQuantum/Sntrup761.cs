using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using static Adit.Ssh.Cryptography.PostQuantum.Sntrup761Codec;
using static Adit.Ssh.Cryptography.PostQuantum.Sntrup761Ring;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>The key encapsulation mechanism sntrup761 (Streamlined NTRU Prime, round 3), in constant time.
/// <code>
/// public key  (1158):  h = g / (3 f) in R/q
/// private key (1763):  f (191) | 1/g in R/3 (191) | public key | rho, for rejection (191) | hash of the public key (32)
/// ciphertext  (1039):  h r, rounded to multiples of 3 (1007) | confirmation (32)
/// Every hash is the first half of SHA-512 over a byte that tells its use and the data.
/// </code></summary>
internal sealed class Sntrup761 : Kem
{
    public const int KeySize = FullSize;
    public const int CipherSize = RoundedSize + HashSize;
    public const int SecretKeySize = SmallSize + SmallSize + FullSize + SmallSize + HashSize;

    private const int HashSize = 32;

    /// <summary>Nonzero coefficients of f and r.</summary>
    private const int Weight = 286;

    // What the hashes are for.
    private const byte ForRejectedSecret = 0;
    private const byte ForSecret = 1;
    private const byte ForConfirmation = 2;
    private const byte ForInput = 3;
    private const byte ForPublicKey = 4;

    public static Sntrup761 Instance { get; } = new();

    /// <summary>Where random bytes come from; tests put a known stream here.</summary>
    internal delegate void RandomSource(Span<byte> bytes);

    public override int PublicKeySize => KeySize;

    public override int CiphertextSize => CipherSize;

    public override KemPrivateKey Generate(out byte[] publicKey)
    {
        byte[] key = GenerateKey(RandomNumberGenerator.Fill);
        publicKey = PublicKeyOf(key).ToArray();
        return new PrivateKey(key);
    }

    // Any bytes are a public key: there is nothing to refuse.
    public override bool TryEncapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> secret)
    {
        Encapsulate(RandomNumberGenerator.Fill, publicKey, ciphertext, secret);
        return true;
    }

    internal static ReadOnlySpan<byte> PublicKeyOf(ReadOnlySpan<byte> privateKey) => privateKey.Slice(2 * SmallSize, FullSize);

    internal static byte[] GenerateKey(RandomSource random)
    {
        var key = new byte[SecretKeySize];
        Span<byte> f = key.AsSpan(0, SmallSize), inverse = key.AsSpan(SmallSize, SmallSize);
        Span<byte> publicKey = key.AsSpan(2 * SmallSize, FullSize), rho = key.AsSpan(2 * SmallSize + FullSize, SmallSize);
        Span<int> small = stackalloc int[Size], other = stackalloc int[Size], full = stackalloc int[Size];
        do
        {
            RandomSmall(random, small); // g
        }
        while (!TryReciprocal(other, small));
        EncodeSmall(other, inverse);
        RandomShort(random, other); // f
        EncodeSmall(other, f);
        Reciprocal3(full, other);
        MultiplyQ(other, full, small);
        EncodeFull(other, publicKey);
        random(rho);
        Hash(ForPublicKey, publicKey, [], key.AsSpan(SecretKeySize - HashSize));
        small.Clear();
        other.Clear();
        full.Clear();
        return key;
    }

    internal static void Encapsulate(RandomSource random, ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> secret)
    {
        Span<int> r = stackalloc int[Size];
        Span<byte> input = stackalloc byte[SmallSize], keyHash = stackalloc byte[HashSize];
        RandomShort(random, r);
        EncodeSmall(r, input);
        Hash(ForPublicKey, publicKey, [], keyHash);
        Encrypt(r, input, publicKey, keyHash, ciphertext);
        HashSecret(ForSecret, input, ciphertext, secret);
        r.Clear();
        CryptographicOperations.ZeroMemory(input);
    }

    internal static void Decapsulate(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertext, Span<byte> secret)
    {
        if (key.Length != SecretKeySize || ciphertext.Length != CipherSize || secret.Length != SecretSize)
            throw new ArgumentException("a key, ciphertext or secret of the wrong length");
        var rho = key.Slice(2 * SmallSize + FullSize, SmallSize);
        Span<int> r = stackalloc int[Size];
        Span<byte> input = stackalloc byte[SmallSize], again = stackalloc byte[CipherSize];
        Decrypt(key, ciphertext, r);
        EncodeSmall(r, input);
        Encrypt(r, input, PublicKeyOf(key), key[(SecretKeySize - HashSize)..], again);
        int differs = ConstantTime.DifferenceMask(ciphertext, again);
        ConstantTime.Replace(differs, input, rho);
        HashSecret((byte)(ForSecret + differs), input, ciphertext, secret); // ForRejectedSecret where differs is -1
        r.Clear();
        CryptographicOperations.ZeroMemory(input);
        CryptographicOperations.ZeroMemory(again);
    }

    /// <summary>c = round(h r), and the confirmation of r.</summary>
    private static void Encrypt(ReadOnlySpan<int> r, ReadOnlySpan<byte> input, ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> keyHash, Span<byte> ciphertext)
    {
        Span<int> h = stackalloc int[Size], product = stackalloc int[Size];
        DecodeFull(publicKey, h);
        MultiplyQ(product, h, r);
        RoundEncode(product, ciphertext);
        Span<byte> inputHash = stackalloc byte[HashSize];
        Hash(ForInput, input, [], inputHash);
        Hash(ForConfirmation, inputHash, keyHash, ciphertext[RoundedSize..]);
        product.Clear();
        CryptographicOperations.ZeroMemory(inputHash);
    }

    /// <summary>r = (3 f c in R/q, then in R/3) / g, or a fixed polynomial of the right weight when that has another weight.</summary>
    private static void Decrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> ciphertext, Span<int> r)
    {
        Span<int> c = stackalloc int[Size], small = stackalloc int[Size], product = stackalloc int[Size];
        DecodeRounded(ciphertext, c);
        DecodeSmall(key[..SmallSize], small);
        MultiplyQ(product, c, small);
        for (int i = 0; i < P; i++)
            product[i] = Freeze3(FreezeQ(3 * product[i]));
        DecodeSmall(key.Slice(SmallSize, SmallSize), small);
        Multiply3(c, product, small);
        int weight = 0;
        for (int i = 0; i < P; i++)
            weight += c[i] & 1;
        int wrong = NonzeroMask(weight - Weight);
        for (int i = 0; i < P; i++)
        {
            int instead = i < Weight ? 1 : 0; // the place is no secret
            r[i] = c[i] ^ (wrong & (c[i] ^ instead));
        }
        r[P..].Clear();
        c.Clear();
        small.Clear();
        product.Clear();
    }

    private static void HashSecret(byte use, ReadOnlySpan<byte> input, ReadOnlySpan<byte> ciphertext, Span<byte> secret)
    {
        Span<byte> inputHash = stackalloc byte[HashSize];
        Hash(ForInput, input, [], inputHash);
        Hash(use, inputHash, ciphertext, secret);
        CryptographicOperations.ZeroMemory(inputHash);
    }

    private static void Hash(byte use, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> output)
    {
        Span<byte> data = stackalloc byte[1 + first.Length + second.Length], hash = stackalloc byte[SHA512.HashSizeInBytes];
        data[0] = use;
        first.CopyTo(data[1..]);
        second.CopyTo(data[(1 + first.Length)..]);
        SHA512.HashData(data, hash);
        hash[..HashSize].CopyTo(output);
        CryptographicOperations.ZeroMemory(data);
        CryptographicOperations.ZeroMemory(hash);
    }

    /// <summary>Coefficients uniform in -1 to 1.</summary>
    private static void RandomSmall(RandomSource random, Span<int> f)
    {
        Span<uint> numbers = stackalloc uint[P];
        RandomNumbers(random, numbers);
        for (int i = 0; i < P; i++)
            f[i] = (int)(((numbers[i] & 0x3fffffff) * 3) >> 30) - 1;
        f[P..].Clear();
        numbers.Clear();
    }

    /// <summary>Exactly <see cref="Weight"/> coefficients that are not zero: numbers that carry them in their two lowest bits are sorted.</summary>
    private static void RandomShort(RandomSource random, Span<int> f)
    {
        Span<uint> numbers = stackalloc uint[P];
        RandomNumbers(random, numbers);
        for (int i = 0; i < Weight; i++)
            numbers[i] &= ~1u; // 0 or 2: becomes -1 or 1
        for (int i = Weight; i < P; i++)
            numbers[i] = (numbers[i] & ~3u) | 1; // becomes 0
        Sort(numbers);
        for (int i = 0; i < P; i++)
            f[i] = (int)(numbers[i] & 3) - 1;
        f[P..].Clear();
        numbers.Clear();
    }

    private static void RandomNumbers(RandomSource random, Span<uint> numbers)
    {
        random(MemoryMarshal.AsBytes(numbers));
        if (!BitConverter.IsLittleEndian)
            BinaryPrimitives.ReverseEndianness(numbers, numbers);
    }

    /// <summary>Sorts by Batcher's merge exchange (Knuth, volume 3, algorithm 5.2.2M): which places are compared does not depend on the numbers.</summary>
    internal static void Sort(Span<uint> numbers)
    {
        int top = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)numbers.Length) / 2;
        for (int p = top; p > 0; p /= 2)
        {
            for (int q = top, r = 0, d = p; ; d = q - p, q /= 2, r = p)
            {
                for (int i = 0; i < numbers.Length - d; i++)
                {
                    if ((i & p) == r)
                        Order(ref numbers[i], ref numbers[i + d]);
                }
                if (q == p)
                    break;
            }
        }
    }

    private static void Order(ref uint low, ref uint high)
    {
        uint wrong = (uint)(((long)high - low) >> 63);
        uint change = wrong & (low ^ high);
        low ^= change;
        high ^= change;
    }

    private sealed class PrivateKey(byte[] key) : KemPrivateKey
    {
        public override void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> secret) => Sntrup761.Decapsulate(key, ciphertext, secret);

        public override void Dispose() => CryptographicOperations.ZeroMemory(key);
    }
}
