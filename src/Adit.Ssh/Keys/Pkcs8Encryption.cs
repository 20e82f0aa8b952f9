using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>EncryptedPrivateKeyInfo of PKCS#8 with PBES2 (RFC 8018, section 6.2): what OpenSSL and ssh-keygen -m PKCS8 write.</summary>
internal static class Pkcs8Encryption
{
    private const string Pbes2 = "1.2.840.113549.1.5.13";
    private const string Pbkdf2 = "1.2.840.113549.1.5.12";
    private const int MaxSaltSize = 1024;

    /// <summary>Returns PrivateKeyInfo. Throws <see cref="CryptographicException"/> when the padding is wrong: most likely a wrong passphrase.</summary>
    // SEQUENCE { SEQUENCE { pbes2, SEQUENCE { SEQUENCE { pbkdf2, … }, SEQUENCE { cipher, OCTET STRING iv } } }, OCTET STRING data }
    public static byte[] Decrypt(ReadOnlyMemory<byte> file, ReadOnlySpan<byte> passphrase)
    {
        AsnReader algorithm, outer;
        try
        {
            var whole = new AsnReader(file, AsnEncodingRules.BER);
            outer = whole.ReadSequence();
            whole.ThrowIfNotEmpty();
            algorithm = outer.ReadSequence();
            if (algorithm.ReadObjectIdentifier() != Pbes2)
                throw NotSupported();
            var parameters = algorithm.ReadSequence();
            return Decrypt(parameters.ReadSequence(), parameters.ReadSequence(), outer.ReadOctetString(), passphrase);
        }
        catch (AsnContentException e)
        {
            throw KeyFileError.InvalidFormat(e.Message, e);
        }
    }

    // pbkdf2, SEQUENCE { OCTET STRING salt, INTEGER iterations, [INTEGER key length], [SEQUENCE { prf, NULL }] }
    private static byte[] Decrypt(AsnReader kdf, AsnReader cipher, byte[] data, ReadOnlySpan<byte> passphrase)
    {
        if (kdf.ReadObjectIdentifier() != Pbkdf2)
            throw NotSupported();
        var parameters = kdf.ReadSequence();
        byte[] salt = parameters.ReadOctetString();
        if (salt.Length > MaxSaltSize)
            throw KeyFileError.InvalidFormat("the salt is too long");
        if (!parameters.TryReadInt32(out int iterations) || iterations is < 1 or > KeyFileContent.MaxPbkdf2Iterations)
            throw KeyFileError.InvalidFormat($"the number of PBKDF2 iterations is out of the range 1 to {KeyFileContent.MaxPbkdf2Iterations}");
        if (parameters.HasData && parameters.PeekTag() == Asn1Tag.Integer)
            parameters.ReadInteger();
        var hash = parameters.HasData ? HashOf(parameters.ReadSequence().ReadObjectIdentifier()) : HashAlgorithmName.SHA1;

        using var algorithm = CipherOf(cipher.ReadObjectIdentifier(), out int keySize);
        byte[] iv = cipher.ReadOctetString();
        if (iv.Length != algorithm.BlockSize / 8)
            throw KeyFileError.InvalidFormat("the IV has the wrong length");
        var key = Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, iterations, hash, keySize);
        try
        {
            algorithm.SetKey(key);
            return algorithm.DecryptCbc(data, iv);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static HashAlgorithmName HashOf(string oid) => oid switch
    {
        "1.2.840.113549.2.7" => HashAlgorithmName.SHA1,
        "1.2.840.113549.2.9" => HashAlgorithmName.SHA256,
        "1.2.840.113549.2.10" => HashAlgorithmName.SHA384,
        "1.2.840.113549.2.11" => HashAlgorithmName.SHA512,
        _ => throw NotSupported(),
    };

    private static SymmetricAlgorithm CipherOf(string oid, out int keySize)
    {
        keySize = oid switch
        {
            "2.16.840.1.101.3.4.1.2" => 16,
            "1.2.840.113549.3.7" or "2.16.840.1.101.3.4.1.22" => 24,
            "2.16.840.1.101.3.4.1.42" => 32,
            _ => throw NotSupported(),
        };
        return oid == "1.2.840.113549.3.7" ? TripleDES.Create() : Aes.Create();
    }

    private static SshException NotSupported() => new(SshError.InvalidKey, "unknown cipher")
    {
        Hint = "its PKCS#8 encryption is not PBES2 with PBKDF2 and AES-CBC or 3DES-CBC; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc",
    };
}
