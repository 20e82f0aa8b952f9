using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;

namespace Adit.Ssh.Keys;

/// <summary>One of the curves that RFC 5656 requires, with what SSH ties to it.</summary>
internal sealed class NistCurve
{
    private readonly BigInteger _prime;
    private readonly BigInteger _b;

    private NistCurve(string name, int bits, HashAlgorithmName hash, ECCurve curve, string prime, string b)
    {
        Name = name;
        KeyType = "ecdsa-sha2-" + name;
        Bits = bits;
        Hash = hash;
        Curve = curve;
        _prime = Number(prime);
        _b = Number(b);
    }

    // Primes and coefficients: SEC 2 version 2.0, sections 2.4.2, 2.5.1 and 2.6.1. The coefficient a is -3 on all three.
    public static NistCurve P256 { get; } = new("nistp256", 256, HashAlgorithmName.SHA256, ECCurve.NamedCurves.nistP256,
        "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
        "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B");

    public static NistCurve P384 { get; } = new("nistp384", 384, HashAlgorithmName.SHA384, ECCurve.NamedCurves.nistP384,
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF0000000000000000FFFFFFFF",
        "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF");

    public static NistCurve P521 { get; } = new("nistp521", 521, HashAlgorithmName.SHA512, ECCurve.NamedCurves.nistP521,
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00");

    private static NistCurve[] All { get; } = [P256, P384, P521];

    /// <summary>"nistp256" and so on (RFC 5656, section 10.1).</summary>
    public string Name { get; }

    /// <summary>"ecdsa-sha2-nistp256" and so on; also the name of its signature algorithm.</summary>
    public string KeyType { get; }

    public int Bits { get; }

    /// <summary>Bytes of one coordinate, or of a private key.</summary>
    public int FieldSize => (Bits + 7) / 8;

    /// <summary>The hash that goes with the curve (RFC 5656, section 6.2.1).</summary>
    public HashAlgorithmName Hash { get; }

    public ECCurve Curve { get; }

    public static NistCurve? OfKeyType(string keyType) => All.FirstOrDefault(c => c.KeyType == keyType);

    public static NistCurve? OfBits(int bits) => All.FirstOrDefault(c => c.Bits == bits);

    /// <summary>The curve with this object identifier, or null.</summary>
    public static NistCurve? OfOid(Oid? oid) => All.FirstOrDefault(c => c.Curve.Oid.Value == oid?.Value || (oid?.Value is null && c.Curve.Oid.FriendlyName == oid?.FriendlyName));

    /// <summary>True when x and y are coordinates of a point on this curve: below the prime, and y² = x³ - 3x + b. The cofactor is 1, so every
    /// such point has the right order.</summary>
    public bool Contains(ReadOnlySpan<byte> x, ReadOnlySpan<byte> y)
    {
        var px = new BigInteger(x, isUnsigned: true, isBigEndian: true);
        var py = new BigInteger(y, isUnsigned: true, isBigEndian: true);
        if (px >= _prime || py >= _prime)
            return false;
        var difference = (py * py - (px * px * px - 3 * px + _b)) % _prime;
        return difference.IsZero;
    }

    private static BigInteger Number(string hex) => BigInteger.Parse("0" + hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
