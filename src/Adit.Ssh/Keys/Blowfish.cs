using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>Blowfish with bcrypt's expensive key schedule (Provos and Mazières, "A Future-Adaptable Password Scheme", 1999). Only for
/// <see cref="BcryptPbkdf"/>: its table look-ups depend on the key, which is inherent in the cipher.</summary>
internal sealed class Blowfish
{
    private readonly uint[] _p = new uint[BlowfishTables.PLength];
    private readonly uint[] _s = new uint[BlowfishTables.SLength];

    /// <summary>Back to the digits of pi.</summary>
    public void Reset()
    {
        BlowfishTables.P.CopyTo(_p);
        BlowfishTables.S.CopyTo(_s);
    }

    /// <summary>Mixes the key into the P-array, then replaces both arrays by a chain of encryptions into which <paramref name="salt"/> is mixed.</summary>
    /// <param name="salt">A multiple of 8 bytes; or empty for none.</param>
    /// <param name="key">A multiple of 4 bytes.</param>
    public void Expand(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> key)
    {
        int at = 0;
        for (int i = 0; i < _p.Length; i++)
            _p[i] ^= NextWord(key, ref at);

        at = 0;
        uint left = 0, right = 0;
        Fill(_p, salt, ref at, ref left, ref right);
        Fill(_s, salt, ref at, ref left, ref right);
    }

    /// <summary>Encrypts pairs of words in place, each pair on its own.</summary>
    public void Encrypt(Span<uint> words)
    {
        for (int i = 0; i < words.Length; i += 2)
            Encipher(ref words[i], ref words[i + 1]);
    }

    public void Erase()
    {
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_p.AsSpan()));
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(_s.AsSpan()));
    }

    /// <summary>The next big-endian word of data that repeats without end.</summary>
    public static uint NextWord(ReadOnlySpan<byte> data, ref int at)
    {
        uint word = BinaryPrimitives.ReadUInt32BigEndian(data[at..]);
        at = at + 4 == data.Length ? 0 : at + 4;
        return word;
    }

    private void Fill(Span<uint> target, ReadOnlySpan<byte> salt, ref int at, ref uint left, ref uint right)
    {
        for (int i = 0; i < target.Length; i += 2)
        {
            if (!salt.IsEmpty)
            {
                left ^= NextWord(salt, ref at);
                right ^= NextWord(salt, ref at);
            }
            Encipher(ref left, ref right);
            target[i] = left;
            target[i + 1] = right;
        }
    }

    private void Encipher(ref uint left, ref uint right)
    {
        ReadOnlySpan<uint> p = _p;
        ReadOnlySpan<uint> s0 = _s.AsSpan(0, 256), s1 = _s.AsSpan(256, 256), s2 = _s.AsSpan(512, 256), s3 = _s.AsSpan(768, 256);
        uint l = left, r = right;
        for (int i = 0; i < 16; i += 2)
        {
            l ^= p[i];
            r ^= ((s0[(int)(l >> 24)] + s1[(byte)(l >> 16)]) ^ s2[(byte)(l >> 8)]) + s3[(byte)l];
            r ^= p[i + 1];
            l ^= ((s0[(int)(r >> 24)] + s1[(byte)(r >> 16)]) ^ s2[(byte)(r >> 8)]) + s3[(byte)r];
        }
        left = r ^ p[17];
        right = l ^ p[16];
    }
}
