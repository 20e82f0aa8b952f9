using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>ecdsa-sha2-nistp256, -nistp384 and -nistp521 (RFC 5656).</summary>
internal sealed class EcdsaPublicKey : PublicKey
{
    private const byte Uncompressed = 4;

    private readonly string[] _algorithms;
    private readonly byte[] _point;

    private EcdsaPublicKey(NistCurve curve, byte[] blob, byte[] point)
        : base(curve.KeyType, blob)
    {
        Curve = curve;
        _point = point;
        _algorithms = [curve.KeyType];
    }

    public NistCurve Curve { get; }

    public override int Bits => Curve.Bits;

    public override string TypeName => "ECDSA";

    public override IReadOnlyList<string> SignatureAlgorithms => _algorithms;

    /// <summary>04 | x | y (SEC 1, section 2.3.3).</summary>
    public ReadOnlySpan<byte> Point => _point;

    // string "ecdsa-sha2-nistp256" | string "nistp256" | string Q
    public static EcdsaPublicKey Read(NistCurve curve, ReadOnlySpan<byte> blob, ref SshReader reader) =>
        new(curve, blob.ToArray(), ReadPoint(curve, ref reader).ToArray());

    public static EcdsaPublicKey Create(NistCurve curve, ReadOnlySpan<byte> x, ReadOnlySpan<byte> y)
    {
        var point = new byte[1 + 2 * curve.FieldSize];
        point[0] = Uncompressed;
        x.CopyTo(point.AsSpan(1 + curve.FieldSize - x.Length));
        y.CopyTo(point.AsSpan(point.Length - y.Length));
        var writer = new SshWriter(256);
        writer.WriteString(curve.KeyType);
        WritePoint(curve, point, ref writer);
        return new EcdsaPublicKey(curve, writer.ToArray(), point);
    }

    // string curve | string Q
    public static void WritePoint(NistCurve curve, ReadOnlySpan<byte> point, ref SshWriter writer)
    {
        writer.WriteString(curve.Name);
        writer.WriteString(point);
    }

    /// <summary>Reads the curve's name and the point; the name must be the one in the key's type and the point on the curve.</summary>
    public static ReadOnlySpan<byte> ReadPoint(NistCurve curve, ref SshReader reader)
    {
        if (reader.ReadName() != curve.Name)
            throw SshException.Protocol("the curve differs from the one in the key's type");
        int size = curve.FieldSize;
        var point = reader.ReadString(1 + 2 * size);
        if (point.Length != 1 + 2 * size || point[0] != Uncompressed)
            throw SshException.Protocol("the point is not an uncompressed point of this curve");
        if (!curve.Contains(point.Slice(1, size), point[(1 + size)..]))
            throw SshException.Protocol("the point is not on the curve");
        return point;
    }

    public ECParameters Parameters() => ParametersOf(Curve, _point);

    /// <summary>Checks a signature of RFC 5656, section 3.1.2; what is read is the string that holds it.</summary>
    // string { mpint r | mpint s }
    public static bool VerifySignature(NistCurve curve, scoped ReadOnlySpan<byte> point, scoped ReadOnlySpan<byte> data, ref SshReader signature)
    {
        int size = curve.FieldSize;
        var inner = new SshReader(signature.ReadString());
        var pair = new byte[2 * size];
        var r = inner.ReadMpint(size);
        r.CopyTo(pair.AsSpan(size - r.Length));
        var s = inner.ReadMpint(size);
        s.CopyTo(pair.AsSpan(2 * size - s.Length));
        inner.EnsureEnd();
        using var ecdsa = ECDsa.Create(ParametersOf(curve, point));
        return ecdsa.VerifyData(data, pair, curve.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    private protected override bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature) =>
        VerifySignature(Curve, _point, data, ref signature);

    private static ECParameters ParametersOf(NistCurve curve, ReadOnlySpan<byte> point) => new()
    {
        Curve = curve.Curve,
        Q = { X = point.Slice(1, curve.FieldSize).ToArray(), Y = point[(1 + curve.FieldSize)..].ToArray() },
    };
}
