using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>The little arithmetic on secret numbers that key files ask for. Branches and memory accesses do not depend on the values,
/// and temporaries are erased.</summary>
internal static class SecretNumber
{
    /// <summary>value mod (prime - 1), as long as <paramref name="prime"/>: the CRT exponents that openssh-key-v1 leaves out (RFC 8017, section 3.2).
    /// All numbers are unsigned and big-endian. Throws a protocol error when <paramref name="prime"/> is even or below 3.</summary>
    public static byte[] ReduceByPredecessor(ReadOnlySpan<byte> value, ReadOnlySpan<byte> prime)
    {
        var trimmed = prime.TrimStart((byte)0);
        if (trimmed.IsEmpty || (prime[^1] & 1) == 0 || (trimmed.Length == 1 && trimmed[0] == 1))
            throw SshException.Protocol("an RSA factor must be odd and greater than one");
        var modulus = new uint[(prime.Length + 3) / 4];
        for (int i = 0; i < prime.Length; i++)
            modulus[i / 4] |= (uint)prime[^(i + 1)] << (8 * (i % 4));
        modulus[0] -= 1; // the prime is odd

        var remainder = new uint[modulus.Length];
        var difference = new uint[modulus.Length];
        foreach (byte b in value)
        {
            for (int bit = 7; bit >= 0; bit--)
                ShiftIn((uint)(b >> bit) & 1, remainder, modulus, difference);
        }

        var result = new byte[prime.Length];
        for (int i = 0; i < result.Length; i++)
            result[^(i + 1)] = (byte)(remainder[i / 4] >> (8 * (i % 4)));
        Erase(modulus);
        Erase(remainder);
        Erase(difference);
        return result;
    }

    /// <summary>remainder = (2 · remainder + bit) mod modulus.</summary>
    private static void ShiftIn(uint bit, uint[] remainder, uint[] modulus, uint[] difference)
    {
        uint carry = bit;
        ulong borrow = 0;
        for (int i = 0; i < remainder.Length; i++)
        {
            uint word = remainder[i];
            remainder[i] = (word << 1) | carry;
            carry = word >> 31;
            ulong step = (ulong)remainder[i] - modulus[i] - borrow;
            difference[i] = (uint)step;
            borrow = step >> 63;
        }
        // Below the modulus: the subtraction borrowed and no bit was carried out.
        uint keep = (uint)-(int)((uint)borrow & ~carry & 1);
        for (int i = 0; i < remainder.Length; i++)
            remainder[i] = (remainder[i] & keep) | (difference[i] & ~keep);
    }

    private static void Erase(uint[] words) => CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words.AsSpan()));
}
