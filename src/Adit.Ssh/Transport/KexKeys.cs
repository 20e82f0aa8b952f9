using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Transport;

/// <summary>Keys derived from a finished exchange (RFC 4253, section 7.2):
/// <code>
/// K1 = HASH(K | H | X | session_id)      X = "A"…"F"
/// K2 = HASH(K | H | K1)   K3 = HASH(K | H | K1 | K2)   …   key = K1 | K2 | K3 | …
/// </code></summary>
internal static class KexKeys
{
    /// <summary>Fills <paramref name="key"/>.</summary>
    /// <param name="secret">K, encoded as it enters the hash.</param>
    /// <param name="letter">'A' and 'B': initial IV; 'C' and 'D': cipher key; 'E' and 'F': MAC key. The first of each is client to server.</param>
    public static void Derive(HashAlgorithmName hash, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> exchangeHash, char letter,
        ReadOnlySpan<byte> sessionId, Span<byte> key)
    {
        if (key.IsEmpty)
            return;
        using var digest = IncrementalHash.CreateHash(hash);
        Span<byte> block = stackalloc byte[64];
        block = block[..digest.HashLengthInBytes];
        try
        {
            digest.AppendData(secret);
            digest.AppendData(exchangeHash);
            digest.AppendData([(byte)letter]);
            digest.AppendData(sessionId);
            digest.GetHashAndReset(block);
            int done = Math.Min(block.Length, key.Length);
            block[..done].CopyTo(key);
            while (done < key.Length)
            {
                digest.AppendData(secret);
                digest.AppendData(exchangeHash);
                digest.AppendData(key[..done]);
                digest.GetHashAndReset(block);
                int count = Math.Min(block.Length, key.Length - done);
                block[..count].CopyTo(key[done..]);
                done += count;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(block);
        }
    }

    /// <summary>Makes the sealer for what <paramref name="sender"/> sends.</summary>
    public static PacketSealer CreateSealer(KexSecret secret, SshRole sender, DirectionAlgorithms algorithms)
    {
        using var keys = new DirectionKeys(secret, sender, algorithms);
        return keys.Cipher.CreateSealer(keys.Key, keys.Iv, keys.Mac, keys.MacKey);
    }

    /// <summary>Makes the opener for what <paramref name="sender"/> sends.</summary>
    public static PacketOpener CreateOpener(KexSecret secret, SshRole sender, DirectionAlgorithms algorithms)
    {
        using var keys = new DirectionKeys(secret, sender, algorithms);
        return keys.Cipher.CreateOpener(keys.Key, keys.Iv, keys.Mac, keys.MacKey);
    }

    /// <summary>One direction's keys, zeroed when done.</summary>
    private sealed class DirectionKeys : IDisposable
    {
        public DirectionKeys(KexSecret secret, SshRole sender, DirectionAlgorithms algorithms)
        {
            Cipher = Algorithms.FindCipher(algorithms.Cipher)
                ?? throw new SshException(SshError.NoCommonAlgorithm, $"cipher {algorithms.Cipher} is not implemented");
            Mac = algorithms.Mac is null ? null : Algorithms.FindMac(algorithms.Mac)
                ?? throw new SshException(SshError.NoCommonAlgorithm, $"MAC {algorithms.Mac} is not implemented");
            int offset = sender == SshRole.Client ? 0 : 1;
            Iv = Derive(secret, (char)('A' + offset), Cipher.IvSize);
            Key = Derive(secret, (char)('C' + offset), Cipher.KeySize);
            MacKey = Derive(secret, (char)('E' + offset), Mac?.KeySize ?? 0);
        }

        public CipherAlgorithm Cipher { get; }

        public MacAlgorithm? Mac { get; }

        public byte[] Iv { get; }

        public byte[] Key { get; }

        public byte[] MacKey { get; }

        public void Dispose()
        {
            CryptographicOperations.ZeroMemory(Iv);
            CryptographicOperations.ZeroMemory(Key);
            CryptographicOperations.ZeroMemory(MacKey);
        }

        private static byte[] Derive(KexSecret secret, char letter, int length)
        {
            // Pinned, so that the collector leaves no copy behind.
            byte[] key = GC.AllocateUninitializedArray<byte>(length, pinned: true);
            KexKeys.Derive(secret.Hash, secret.Secret, secret.ExchangeHash, letter, secret.SessionId, key);
            return key;
        }
    }
}

/// <summary>What both sides share after an exchange.</summary>
/// <param name="hash">The method's hash.</param>
/// <param name="secret">K, encoded as it enters the hash. Zeroed by <see cref="Dispose"/>.</param>
/// <param name="exchangeHash">H.</param>
/// <param name="sessionId">H of the connection's first exchange.</param>
internal sealed class KexSecret(HashAlgorithmName hash, byte[] secret, byte[] exchangeHash, byte[] sessionId) : IDisposable
{
    public HashAlgorithmName Hash => hash;

    public ReadOnlySpan<byte> Secret => secret;

    public byte[] ExchangeHash => exchangeHash;

    public byte[] SessionId => sessionId;

    public void Dispose() => CryptographicOperations.ZeroMemory(secret);
}
