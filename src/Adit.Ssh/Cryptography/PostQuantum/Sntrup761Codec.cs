using static Adit.Ssh.Cryptography.PostQuantum.Sntrup761Ring;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>How Streamlined NTRU Prime 761 writes polynomials as bytes (NTRU Prime, round 3, section 3.1 "Encode" and "Decode").</summary>
internal static class Sntrup761Codec
{
    /// <summary>Bytes of a polynomial in R/3: four coefficients in a byte.</summary>
    public const int SmallSize = 191;

    /// <summary>Bytes of a polynomial in R/q.</summary>
    public const int FullSize = 1158;

    /// <summary>Bytes of a polynomial in R/q whose coefficients are multiples of 3.</summary>
    public const int RoundedSize = 1007;

    private const int HalfQ = (Q - 1) / 2;
    private const int FullModulus = Q;
    private const int RoundedModulus = (Q + 2) / 3;

    // While a pair's combined modulus is at least this, its lowest byte is written.
    private const uint Limit = 16384;

    public static void EncodeSmall(ReadOnlySpan<int> f, Span<byte> output)
    {
        for (int i = 0; i < SmallSize; i++)
        {
            int four = 0;
            for (int j = 0; j < 4 && 4 * i + j < P; j++)
                four |= (f[4 * i + j] + 1) << (2 * j);
            output[i] = (byte)four;
        }
    }

    public static void DecodeSmall(ReadOnlySpan<byte> input, Span<int> f)
    {
        for (int i = 0; i < P; i++)
            f[i] = ((input[i / 4] >> (2 * (i % 4))) & 3) - 1;
        f[P..].Clear();
    }

    public static void EncodeFull(ReadOnlySpan<int> f, Span<byte> output)
    {
        Span<uint> values = stackalloc uint[P], moduli = stackalloc uint[P];
        for (int i = 0; i < P; i++)
            values[i] = (uint)(f[i] + HalfQ);
        moduli.Fill(FullModulus);
        Encode(values, moduli, output[..FullSize]);
    }

    public static void DecodeFull(ReadOnlySpan<byte> input, Span<int> f)
    {
        Span<uint> values = stackalloc uint[P], moduli = stackalloc uint[P];
        moduli.Fill(FullModulus);
        Decode(input[..FullSize], moduli, values);
        for (int i = 0; i < P; i++)
            f[i] = (int)values[i] - HalfQ;
        f[P..].Clear();
    }

    /// <summary>Rounds every coefficient to the nearest multiple of 3 and writes that.</summary>
    public static void RoundEncode(ReadOnlySpan<int> f, Span<byte> output)
    {
        Span<uint> values = stackalloc uint[P], moduli = stackalloc uint[P];
        for (int i = 0; i < P; i++)
            values[i] = (uint)((f[i] - Freeze3(f[i]) + HalfQ) * 10923) >> 15; // a third, exactly
        moduli.Fill(RoundedModulus);
        Encode(values, moduli, output[..RoundedSize]);
        values.Clear();
    }

    public static void DecodeRounded(ReadOnlySpan<byte> input, Span<int> f)
    {
        Span<uint> values = stackalloc uint[P], moduli = stackalloc uint[P];
        moduli.Fill(RoundedModulus);
        Decode(input[..RoundedSize], moduli, values);
        for (int i = 0; i < P; i++)
            f[i] = (int)values[i] * 3 - HalfQ;
        f[P..].Clear();
    }

    /// <summary>Writes numbers below their moduli as one number in mixed radix, pair by pair. The values may be secret, the moduli are not.</summary>
    private static void Encode(Span<uint> values, Span<uint> moduli, Span<byte> output)
    {
        int written = 0;
        for (int count = values.Length; count > 1; count = (count + 1) / 2)
        {
            for (int i = 0; i + 1 < count; i += 2)
            {
                uint modulus = moduli[i] * moduli[i + 1], value = values[i] + moduli[i] * values[i + 1];
                for (; modulus >= Limit; modulus = (modulus + 255) / 256, value >>= 8)
                    output[written++] = (byte)value;
                moduli[i / 2] = modulus;
                values[i / 2] = value;
            }
            if (count % 2 != 0)
            {
                moduli[count / 2] = moduli[count - 1];
                values[count / 2] = values[count - 1];
            }
        }
        for (uint modulus = moduli[0], value = values[0]; modulus > 1; modulus = (modulus + 255) / 256, value >>= 8)
            output[written++] = (byte)value;
    }

    /// <summary>Reads what <see cref="Encode"/> wrote; any bytes give numbers below the moduli. The input is public: here is division.</summary>
    private static void Decode(ReadOnlySpan<byte> input, ReadOnlySpan<uint> moduli, Span<uint> values)
    {
        int count = moduli.Length;
        if (count == 1)
        {
            uint number = 0;
            for (int i = input.Length - 1; i >= 0; i--)
                number = number << 8 | input[i];
            values[0] = number % moduli[0];
            return;
        }
        int half = (count + 1) / 2, read = 0;
        Span<uint> low = stackalloc uint[half], weight = stackalloc uint[half], pairModuli = stackalloc uint[half], pairs = stackalloc uint[half];
        for (int i = 0; i + 1 < count; i += 2)
        {
            uint modulus = moduli[i] * moduli[i + 1];
            low[i / 2] = 0;
            weight[i / 2] = 1;
            for (; modulus >= Limit; modulus = (modulus + 255) / 256)
            {
                low[i / 2] += input[read++] * weight[i / 2];
                weight[i / 2] *= 256;
            }
            pairModuli[i / 2] = modulus;
        }
        if (count % 2 != 0)
            pairModuli[half - 1] = moduli[count - 1];
        Decode(input[read..], pairModuli, pairs);
        for (int i = 0; i + 1 < count; i += 2)
        {
            uint value = low[i / 2] + weight[i / 2] * pairs[i / 2];
            values[i] = value % moduli[i];
            values[i + 1] = value / moduli[i] % moduli[i + 1];
        }
        if (count % 2 != 0)
            values[count - 1] = pairs[half - 1];
    }
}
