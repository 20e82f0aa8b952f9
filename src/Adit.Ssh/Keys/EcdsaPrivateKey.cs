using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The private half of an ECDSA key.</summary>
internal sealed class EcdsaPrivateKey : PrivateKey
{
    private readonly ECDsa _ecdsa; // signing takes no state of the object: several threads may sign at once

    private EcdsaPrivateKey(ECDsa ecdsa, EcdsaPublicKey publicKey)
        : base(publicKey) => _ecdsa = ecdsa;

    private NistCurve Curve => ((EcdsaPublicKey)PublicKey).Curve;

    public static EcdsaPrivateKey Generate(NistCurve curve)
    {
        var ecdsa = ECDsa.Create(curve.Curve);
        var q = ecdsa.ExportParameters(false).Q;
        return new EcdsaPrivateKey(ecdsa, EcdsaPublicKey.Create(curve, q.X, q.Y));
    }

    /// <summary>Takes the key over from a file format that the platform reads. Null when it is on another curve; <paramref name="ecdsa"/> is then disposed.</summary>
    public static EcdsaPrivateKey? TryAdopt(ECDsa ecdsa)
    {
        var parameters = ecdsa.ExportParameters(false);
        var curve = parameters.Curve.IsNamed ? NistCurve.OfOid(parameters.Curve.Oid) : null;
        if (curve is not null)
            return new EcdsaPrivateKey(ecdsa, EcdsaPublicKey.Create(curve, parameters.Q.X, parameters.Q.Y));
        ecdsa.Dispose();
        return null;
    }

    // string curve | string Q | mpint d
    public static EcdsaPrivateKey Read(NistCurve curve, ref SshReader reader)
    {
        var point = EcdsaPublicKey.ReadPoint(curve, ref reader);
        var number = reader.ReadMpint(curve.FieldSize);
        int size = curve.FieldSize;
        var d = new byte[size];
        number.CopyTo(d.AsSpan(size - number.Length));
        ECDsa? ecdsa = null;
        try
        {
            // Without Q the platform computes it from d, which shows whether the halves belong together.
            ecdsa = ECDsa.Create(new ECParameters { Curve = curve.Curve, D = d });
            var q = ecdsa.ExportParameters(false).Q;
            var publicKey = EcdsaPublicKey.Create(curve, q.X, q.Y);
            if (!publicKey.Point.SequenceEqual(point))
                throw PublicKey.Invalid("the private key does not belong to the public key beside it");
            return new EcdsaPrivateKey(ecdsa, publicKey);
        }
        catch
        {
            ecdsa?.Dispose();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(d);
        }
    }

    // mpint r | mpint s
    private protected override byte[] SignCore(string algorithm, ReadOnlySpan<byte> data)
    {
        var pair = _ecdsa.SignData(data, Curve.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        var writer = new SshWriter(pair.Length + 10);
        writer.WriteMpint(pair.AsSpan(0, pair.Length / 2));
        writer.WriteMpint(pair.AsSpan(pair.Length / 2));
        return writer.ToArray();
    }

    private protected override void WritePublicFields(ref SshWriter writer) =>
        EcdsaPublicKey.WritePoint(Curve, ((EcdsaPublicKey)PublicKey).Point, ref writer);

    private protected override void WriteSecretFields(ref SshWriter writer)
    {
        var parameters = _ecdsa.ExportParameters(true);
        writer.WriteMpint(parameters.D);
        CryptographicOperations.ZeroMemory(parameters.D);
    }

    protected override void Dispose(bool disposing) => _ecdsa.Dispose();
}
