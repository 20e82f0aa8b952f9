using System.Runtime.CompilerServices;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>Arithmetic of FIPS 203 on polynomials of 256 coefficients modulo q = 3329. Coefficients are always in [0, q). Nothing here divides,
/// branches or indexes by a coefficient: each may be secret.</summary>
internal static class MlKemRing
{
    public const int N = 256;
    public const int Q = 3329;

    private const ushort InverseOf128 = 3303; // 128 * 3303 = 1 mod q

    // zeta ^ BitRev7(i) and zeta ^ (2 * BitRev7(i) + 1) for zeta = 17 (FIPS 203, appendix A)
    private static readonly ushort[] Zetas = PowersOfZeta(i => BitReverse7(i));
    private static readonly ushort[] Gammas = PowersOfZeta(i => 2 * BitReverse7(i) + 1);

    /// <summary>x mod q, for any x below 2^32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Reduce(uint x)
    {
        // Barrett: 1290167 = floor(2^32 / q), so the quotient is right or one too small.
        uint quotient = (uint)(((ulong)x * 1290167) >> 32);
        return SubtractOnce(x - quotient * Q);
    }

    /// <summary>x mod q, for x below 2q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint SubtractOnce(uint x)
    {
        uint difference = x - Q;
        return difference + (Q & (uint)((int)difference >> 31));
    }

    /// <summary>NTT, in place (algorithm 9).</summary>
    public static void Transform(Span<ushort> f)
    {
        f = f[..N];
        int k = 1;
        for (int length = 128; length >= 2; length /= 2)
        {
            for (int start = 0; start < N; start += 2 * length)
            {
                uint zeta = Zetas[k++];
                for (int j = start; j < start + length; j++)
                {
                    uint t = Reduce(zeta * f[j + length]);
                    uint u = f[j];
                    f[j + length] = (ushort)SubtractOnce(u + Q - t);
                    f[j] = (ushort)SubtractOnce(u + t);
                }
            }
        }
    }

    /// <summary>The inverse of <see cref="Transform"/> (algorithm 10).</summary>
    public static void InverseTransform(Span<ushort> f)
    {
        f = f[..N];
        int k = 127;
        for (int length = 2; length <= 128; length *= 2)
        {
            for (int start = 0; start < N; start += 2 * length)
            {
                uint zeta = Zetas[k--];
                for (int j = start; j < start + length; j++)
                {
                    uint t = f[j], u = f[j + length];
                    f[j] = (ushort)SubtractOnce(t + u);
                    f[j + length] = (ushort)Reduce(zeta * (u + Q - t));
                }
            }
        }
        foreach (ref ushort coefficient in f)
            coefficient = (ushort)Reduce((uint)coefficient * InverseOf128);
    }

    /// <summary>Adds the product of two transformed polynomials to <paramref name="sum"/> (algorithms 11 and 12).</summary>
    public static void MultiplyAdd(Span<ushort> sum, ReadOnlySpan<ushort> f, ReadOnlySpan<ushort> g)
    {
        for (int i = 0; i < N / 2; i++)
        {
            uint a0 = f[2 * i], a1 = f[2 * i + 1], b0 = g[2 * i], b1 = g[2 * i + 1];
            sum[2 * i] = (ushort)Reduce(sum[2 * i] + a0 * b0 + Reduce(a1 * b1) * Gammas[i]);
            sum[2 * i + 1] = (ushort)Reduce(sum[2 * i + 1] + a0 * b1 + a1 * b0);
        }
    }

    public static void Add(Span<ushort> sum, ReadOnlySpan<ushort> f)
    {
        for (int i = 0; i < N; i++)
            sum[i] = (ushort)SubtractOnce((uint)sum[i] + f[i]);
    }

    /// <summary>result = f - result</summary>
    public static void SubtractFrom(ReadOnlySpan<ushort> f, Span<ushort> result)
    {
        for (int i = 0; i < N; i++)
            result[i] = (ushort)SubtractOnce((uint)f[i] + Q - result[i]);
    }

    /// <summary>Compress_d: round(2^d / q * x) mod 2^d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Compress(uint x, int d)
    {
        // floor((2^d x + (q-1)/2) / q); 330282857 = ceil(2^40 / q) makes the division a multiplication that is exact for what occurs here.
        ulong numerator = ((ulong)x << d) + Q / 2;
        return (uint)((numerator * 330282857) >> 40) & ((1u << d) - 1);
    }

    /// <summary>Decompress_d: round(q / 2^d * y).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Decompress(uint y, int d) => (y * Q + (1u << (d - 1))) >> d;

    /// <summary>ByteEncode_12: two coefficients in three bytes.</summary>
    public static void Encode12(ReadOnlySpan<ushort> f, Span<byte> output)
    {
        for (int i = 0; i < N / 2; i++)
        {
            uint pair = f[2 * i] | (uint)f[2 * i + 1] << 12;
            output[3 * i] = (byte)pair;
            output[3 * i + 1] = (byte)(pair >> 8);
            output[3 * i + 2] = (byte)(pair >> 16);
        }
    }

    /// <summary>ByteDecode_12. False when a coefficient is not below q; it is reduced then.</summary>
    public static bool Decode12(ReadOnlySpan<byte> input, Span<ushort> f)
    {
        uint tooLarge = 0;
        for (int i = 0; i < N / 2; i++)
        {
            uint pair = input[3 * i] | (uint)input[3 * i + 1] << 8 | (uint)input[3 * i + 2] << 16;
            uint low = pair & 0xfff, high = pair >> 12;
            tooLarge |= (Q - 1 - low) | (Q - 1 - high);
            f[2 * i] = (ushort)SubtractOnce(low);
            f[2 * i + 1] = (ushort)SubtractOnce(high);
        }
        return tooLarge >> 31 == 0;
    }

    /// <summary>Compress_10, then ByteEncode_10: four coefficients in five bytes.</summary>
    public static void CompressEncode10(ReadOnlySpan<ushort> f, Span<byte> output)
    {
        for (int i = 0; i < N / 4; i++)
        {
            ulong four = 0;
            for (int j = 0; j < 4; j++)
                four |= (ulong)Compress(f[4 * i + j], 10) << (10 * j);
            for (int j = 0; j < 5; j++)
                output[5 * i + j] = (byte)(four >> (8 * j));
        }
    }

    /// <summary>ByteDecode_10, then Decompress_10.</summary>
    public static void DecodeDecompress10(ReadOnlySpan<byte> input, Span<ushort> f)
    {
        for (int i = 0; i < N / 4; i++)
        {
            ulong four = 0;
            for (int j = 0; j < 5; j++)
                four |= (ulong)input[5 * i + j] << (8 * j);
            for (int j = 0; j < 4; j++)
                f[4 * i + j] = (ushort)Decompress((uint)(four >> (10 * j)) & 0x3ff, 10);
        }
    }

    /// <summary>Compress_4, then ByteEncode_4: two coefficients in a byte.</summary>
    public static void CompressEncode4(ReadOnlySpan<ushort> f, Span<byte> output)
    {
        for (int i = 0; i < N / 2; i++)
            output[i] = (byte)(Compress(f[2 * i], 4) | Compress(f[2 * i + 1], 4) << 4);
    }

    /// <summary>ByteDecode_4, then Decompress_4.</summary>
    public static void DecodeDecompress4(ReadOnlySpan<byte> input, Span<ushort> f)
    {
        for (int i = 0; i < N / 2; i++)
        {
            f[2 * i] = (ushort)Decompress(input[i] & 15u, 4);
            f[2 * i + 1] = (ushort)Decompress((uint)input[i] >> 4, 4);
        }
    }

    /// <summary>Compress_1, then ByteEncode_1: eight coefficients in a byte.</summary>
    public static void CompressEncode1(ReadOnlySpan<ushort> f, Span<byte> output)
    {
        for (int i = 0; i < N / 8; i++)
        {
            uint eight = 0;
            for (int j = 0; j < 8; j++)
                eight |= Compress(f[8 * i + j], 1) << j;
            output[i] = (byte)eight;
        }
    }

    /// <summary>ByteDecode_1, then Decompress_1.</summary>
    public static void DecodeDecompress1(ReadOnlySpan<byte> input, Span<ushort> f)
    {
        for (int i = 0; i < N; i++)
            f[i] = (ushort)Decompress(((uint)input[i / 8] >> (i % 8)) & 1, 1);
    }

    /// <summary>SampleNTT (algorithm 7): a uniform polynomial, already transformed, from a public seed and two indices.</summary>
    public static void SampleUniform(ReadOnlySpan<byte> seed, byte first, byte second, Span<ushort> f)
    {
        // 256 of 448 candidates are needed and each is good with probability 0.81: the second round practically never happens.
        Span<byte> stream = stackalloc byte[672];
        for (int size = stream.Length; ; size *= 2)
        {
            if (size > stream.Length)
                stream = new byte[size];
            Keccak.Shake128(seed, [first, second], stream);
            int count = 0;
            for (int i = 0; i < stream.Length && count < N; i += 3)
            {
                int low = stream[i] | (stream[i + 1] & 15) << 8, high = stream[i + 1] >> 4 | stream[i + 2] << 4;
                if (low < Q)
                    f[count++] = (ushort)low;
                if (high < Q && count < N)
                    f[count++] = (ushort)high;
            }
            if (count == N)
                return;
        }
    }

    /// <summary>SamplePolyCBD_2 (algorithm 8) over PRF(seed, index): small coefficients, -2 to 2.</summary>
    public static void SampleSmall(ReadOnlySpan<byte> seed, byte index, Span<ushort> f)
    {
        Span<byte> stream = stackalloc byte[N / 2];
        Keccak.Shake256(seed, [index], stream);
        for (int i = 0; i < N / 2; i++)
        {
            // Each bit pair's number of ones: four fields of two bits.
            uint bits = stream[i];
            uint sums = (bits & 0x55) + ((bits >> 1) & 0x55);
            f[2 * i] = (ushort)SubtractOnce((sums & 3) + Q - ((sums >> 2) & 3));
            f[2 * i + 1] = (ushort)SubtractOnce(((sums >> 4) & 3) + Q - ((sums >> 6) & 3));
        }
        stream.Clear();
    }

    private static ushort[] PowersOfZeta(Func<int, int> exponent)
    {
        var powers = new ushort[128];
        for (int i = 0; i < powers.Length; i++)
        {
            uint power = 1;
            for (int n = exponent(i); n > 0; n--)
                power = power * 17 % Q;
            powers[i] = (ushort)power;
        }
        return powers;
    }

    private static int BitReverse7(int value)
    {
        int reversed = 0;
        for (int bit = 0; bit < 7; bit++)
            reversed |= ((value >> bit) & 1) << (6 - bit);
        return reversed;
    }
}
