using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>bcrypt_pbkdf, OpenBSD's key derivation that protects openssh-key-v1 files: PBKDF2's shape with bcrypt in place of HMAC, and the
/// output bytes of each block spread over the whole key. Neither the platform nor libcrypto has it.</summary>
internal static class BcryptPbkdf
{
    /// <summary>Bytes that one block of bcrypt gives.</summary>
    private const int BlockSize = 32;

    /// <summary>Derives <paramref name="key"/>.</summary>
    /// <param name="passphrase">Not empty.</param>
    /// <param name="salt">Not empty.</param>
    /// <param name="rounds">At least 1. Each takes some milliseconds per 32 bytes of key.</param>
    /// <param name="key">1 to 1024 bytes, filled.</param>
    /// <param name="cancellationToken">Looked at between rounds.</param>
    public static void DeriveKey(ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, int rounds, Span<byte> key, CancellationToken cancellationToken = default)
    {
        if (passphrase.IsEmpty || salt.IsEmpty || rounds < 1 || key.IsEmpty || key.Length > BlockSize * BlockSize)
            throw new ArgumentException("bcrypt_pbkdf: a parameter is out of range");
        var blowfish = new Blowfish();
        Span<byte> password = stackalloc byte[SHA512.HashSizeInBytes];
        Span<byte> hashedSalt = stackalloc byte[SHA512.HashSizeInBytes];
        Span<byte> round = stackalloc byte[BlockSize];
        Span<byte> block = stackalloc byte[BlockSize];
        var countedSalt = new byte[salt.Length + 4];
        salt.CopyTo(countedSalt);
        try
        {
            SHA512.HashData(passphrase, password);
            int blocks = (key.Length + BlockSize - 1) / BlockSize;
            for (int count = 0; count < blocks; count++)
            {
                BinaryPrimitives.WriteUInt32BigEndian(countedSalt.AsSpan(salt.Length), (uint)count + 1);
                SHA512.HashData(countedSalt, hashedSalt);
                Hash(blowfish, password, hashedSalt, round);
                round.CopyTo(block);
                for (int i = 1; i < rounds; i++)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    SHA512.HashData(round, hashedSalt);
                    Hash(blowfish, password, hashedSalt, round);
                    for (int j = 0; j < BlockSize; j++)
                        block[j] ^= round[j];
                }
                // Block number count gives the bytes count, count + blocks, count + 2 · blocks, …
                for (int i = 0, at = count; at < key.Length; i++, at += blocks)
                    key[at] = block[i];
            }
        }
        finally
        {
            blowfish.Erase();
            CryptographicOperations.ZeroMemory(password);
            CryptographicOperations.ZeroMemory(hashedSalt);
            CryptographicOperations.ZeroMemory(round);
            CryptographicOperations.ZeroMemory(block);
        }
    }

    /// <summary>bcrypt with 64 rounds of key schedule over 64-byte inputs, and a text of its own.</summary>
    private static void Hash(Blowfish blowfish, ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, Span<byte> output)
    {
        blowfish.Reset();
        blowfish.Expand(salt, password);
        for (int i = 0; i < 64; i++)
        {
            blowfish.Expand([], salt);
            blowfish.Expand([], password);
        }
        Span<uint> text = stackalloc uint[BlockSize / 4];
        int at = 0;
        foreach (ref uint word in text)
            word = Blowfish.NextWord("OxychromaticBlowfishSwatDynamite"u8, ref at);
        for (int i = 0; i < 64; i++)
            blowfish.Encrypt(text);
        for (int i = 0; i < text.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(output[(4 * i)..], text[i]);
        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(text));
    }
}
