using System.Formats.Asn1;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>PrivateKeyInfo of PKCS#8 (RFC 5958), Ed25519 as in RFC 8410.</summary>
internal static class Pkcs8Key
{
    private const string RsaOid = "1.2.840.113549.1.1.1";
    private const string EcOid = "1.2.840.10045.2.1";
    private const string Ed25519Oid = "1.3.101.112";

    // SEQUENCE { INTEGER version, SEQUENCE { OBJECT IDENTIFIER algorithm, parameters }, OCTET STRING key, [0] attributes, [1] public key }
    public static PrivateKey Read(ReadOnlySpan<byte> data)
    {
        AsnDecoder.ReadSequence(data, AsnEncodingRules.BER, out int offset, out int length, out int read);
        if (read != data.Length)
            throw new CryptographicException("bytes are left over behind the key");
        var info = data.Slice(offset, length);
        AsnDecoder.ReadInteger(info, AsnEncodingRules.BER, out read);
        info = info[read..];
        AsnDecoder.ReadSequence(info, AsnEncodingRules.BER, out offset, out length, out read);
        string oid = AsnDecoder.ReadObjectIdentifier(info.Slice(offset, length), AsnEncodingRules.BER, out _);
        switch (oid)
        {
            case RsaOid:
                return PemKeyContent.ReadRsa(data, static (RSA rsa, ReadOnlySpan<byte> source, out int count) => rsa.ImportPkcs8PrivateKey(source, out count));
            case EcOid:
                return PemKeyContent.ReadEc(data, static (ECDsa ecdsa, ReadOnlySpan<byte> source, out int count) => ecdsa.ImportPkcs8PrivateKey(source, out count));
            case Ed25519Oid:
                return ReadEd25519(info[read..]);
            default:
                throw KeyFileError.Unsupported($"a PKCS#8 key with algorithm {oid} is not supported");
        }
    }

    // OCTET STRING { OCTET STRING seed (32 bytes) }
    private static Ed25519PrivateKey ReadEd25519(ReadOnlySpan<byte> fields)
    {
        var outer = Octets(fields);
        var seed = Octets(outer);
        return seed.Length == Ed25519.SeedSize
            ? Ed25519PrivateKey.FromSeed(seed)
            : throw new CryptographicException("an Ed25519 seed has 32 bytes");
    }

    private static ReadOnlySpan<byte> Octets(ReadOnlySpan<byte> data) =>
        AsnDecoder.TryReadPrimitiveOctetString(data, AsnEncodingRules.BER, out var value, out _)
            ? value
            : throw new CryptographicException("an octet string is in pieces");
}
