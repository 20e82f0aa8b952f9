using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The encryption of "Proc-Type: 4,ENCRYPTED" files (RFC 1421's headers, OpenSSL's key derivation: MD5, one pass, the IV as salt).
/// Read because such files exist; never written.</summary>
internal sealed class LegacyPemCipher
{
    private readonly Func<SymmetricAlgorithm> _create;
    private readonly int _keySize;
    private readonly byte[] _iv;

    private LegacyPemCipher(Func<SymmetricAlgorithm> create, int keySize, byte[] iv)
    {
        _create = create;
        _keySize = keySize;
        _iv = iv;
    }

    // DEK-Info: AES-128-CBC,hex of the IV
    public static LegacyPemCipher Parse(string info)
    {
        int comma = info.IndexOf(',');
        string name = comma < 0 ? info : info[..comma].Trim();
        (Func<SymmetricAlgorithm> create, int keySize, int ivSize) = name switch
        {
            "AES-128-CBC" => (Aes.Create, 16, 16),
            "AES-192-CBC" => (Aes.Create, 24, 16),
            "AES-256-CBC" => (Aes.Create, 32, 16),
            "DES-EDE3-CBC" => ((Func<SymmetricAlgorithm>)TripleDES.Create, 24, 8),
            _ => throw new SshException(SshError.InvalidKey, "unknown cipher") { Hint = $"it is encrypted with {PeerText.Escape(name, 40)}, which is not supported" },
        };
        byte[] iv;
        try
        {
            iv = Convert.FromHexString(info.AsSpan(comma + 1).Trim());
        }
        catch (FormatException)
        {
            throw KeyFileError.InvalidFormat("the IV in its DEK-Info header is malformed");
        }
        if (iv.Length != ivSize)
            throw KeyFileError.InvalidFormat("the IV in its DEK-Info header has the wrong length");
        return new LegacyPemCipher(create, keySize, iv);
    }

    /// <summary>Throws <see cref="CryptographicException"/> when the padding is wrong: most likely a wrong passphrase.</summary>
    public byte[] Decrypt(ReadOnlySpan<byte> data, ReadOnlySpan<byte> passphrase)
    {
        var key = DeriveKey(passphrase);
        using var algorithm = _create();
        try
        {
            algorithm.SetKey(key);
            return algorithm.DecryptCbc(data, _iv);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    // key = D1 | D2 | …   D1 = MD5(passphrase | salt)   Dn = MD5(Dn-1 | passphrase | salt)   salt = first 8 bytes of the IV
    private byte[] DeriveKey(ReadOnlySpan<byte> passphrase)
    {
        var key = new byte[_keySize];
        Span<byte> digest = stackalloc byte[MD5.HashSizeInBytes];
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        for (int at = 0; at < key.Length; at += digest.Length)
        {
            if (at > 0)
                md5.AppendData(digest);
            md5.AppendData(passphrase);
            md5.AppendData(_iv.AsSpan(0, 8));
            md5.GetHashAndReset(digest);
            digest[..Math.Min(digest.Length, key.Length - at)].CopyTo(key.AsSpan(at));
        }
        CryptographicOperations.ZeroMemory(digest);
        return key;
    }
}
