using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>The formats that OpenSSL writes: PKCS#1 (RFC 8017, appendix A.1.2), SEC1 (RFC 5915) and PKCS#8 (RFC 5958), plain and encrypted.</summary>
internal sealed class PemKeyContent : KeyFileContent
{
    /// <summary>More than the largest RSA key allowed takes.</summary>
    private const int MaxSize = 16 * 1024;

    private const string RsaLabel = "RSA PRIVATE KEY";
    private const string EcLabel = "EC PRIVATE KEY";
    private const string Pkcs8Label = "PRIVATE KEY";
    private const string EncryptedPkcs8Label = "ENCRYPTED PRIVATE KEY";

    private readonly LegacyPemCipher? _cipher;

    private PemKeyContent(PemBlock block, LegacyPemCipher? cipher)
        : base(block) => _cipher = cipher;

    public override bool IsEncrypted => _cipher is not null || Block.Label == EncryptedPkcs8Label;

    public static PemKeyContent Parse(PemBlock block)
    {
        if (block.Label is not (RsaLabel or EcLabel or Pkcs8Label or EncryptedPkcs8Label))
            throw KeyFileError.Unsupported($"a block of type \"{block.Label}\" is not supported");
        if (block.Data.Length is 0 or > MaxSize)
            throw KeyFileError.InvalidFormat($"{block.Data.Length} bytes cannot be a key of this format");
        bool encrypted = block.Headers.TryGetValue("Proc-Type", out string? type) && type.Replace(" ", "") == "4,ENCRYPTED";
        if (!encrypted)
            return new PemKeyContent(block, null);
        if (!block.Headers.TryGetValue("DEK-Info", out string? info))
            throw KeyFileError.InvalidFormat("the DEK-Info header is missing");
        return new PemKeyContent(block, LegacyPemCipher.Parse(info));
    }

    protected override PrivateKey OpenCore(ReadOnlySpan<byte> passphrase, CancellationToken cancellationToken)
    {
        if (!IsEncrypted)
            return ReadPlain(Block.Label, Block.Data);
        byte[]? plain = null;
        try
        {
            plain = _cipher is not null ? _cipher.Decrypt(Block.Data, passphrase) : Pkcs8Encryption.Decrypt(Block.Data, passphrase);
            return ReadPlain(_cipher is not null ? Block.Label : Pkcs8Label, plain);
        }
        catch (CryptographicException)
        {
            // No checksum tells a wrong passphrase from a damaged file: the padding is wrong, or what comes out is no ASN.1.
            throw KeyFileError.WrongPassphrase("the passphrase does not open it");
        }
        catch (System.Formats.Asn1.AsnContentException) when (plain is not null)
        {
            throw KeyFileError.WrongPassphrase("the passphrase does not open it");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private static PrivateKey ReadPlain(string label, ReadOnlySpan<byte> data) => label switch
    {
        RsaLabel => ReadRsa(data, static (RSA rsa, ReadOnlySpan<byte> source, out int read) => rsa.ImportRSAPrivateKey(source, out read)),
        EcLabel => ReadEc(data, static (ECDsa ecdsa, ReadOnlySpan<byte> source, out int read) => ecdsa.ImportECPrivateKey(source, out read)),
        _ => Pkcs8Key.Read(data),
    };

    public static PrivateKey ReadRsa(ReadOnlySpan<byte> data, Import<RSA> import) => RsaPrivateKey.Adopt(Imported(RSA.Create(), data, import));

    public static PrivateKey ReadEc(ReadOnlySpan<byte> data, Import<ECDsa> import)
    {
        try
        {
            return EcdsaPrivateKey.TryAdopt(Imported(ECDsa.Create(), data, import)) ?? throw OtherCurve();
        }
        catch (PlatformNotSupportedException) // a curve that the platform does not know
        {
            throw OtherCurve();
        }

        static SshException OtherCurve() => KeyFileError.Unsupported("its elliptic curve is not one of nistp256, nistp384, nistp521");
    }

    private static T Imported<T>(T algorithm, ReadOnlySpan<byte> data, Import<T> import)
        where T : AsymmetricAlgorithm
    {
        try
        {
            import(algorithm, data, out int read);
            return read == data.Length ? algorithm : throw new CryptographicException("bytes are left over behind the key");
        }
        catch
        {
            algorithm.Dispose();
            throw;
        }
    }

    public delegate void Import<T>(T algorithm, ReadOnlySpan<byte> source, out int bytesRead);
}
