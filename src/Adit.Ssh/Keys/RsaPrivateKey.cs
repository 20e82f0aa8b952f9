using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The private half of an RSA key.</summary>
internal sealed class RsaPrivateKey : PrivateKey
{
    private readonly RSA _rsa; // signing takes no state of the object: several threads may sign at once

    private RsaPrivateKey(RSA rsa, RsaPublicKey publicKey)
        : base(publicKey) => _rsa = rsa;

    private RsaPublicKey Public => (RsaPublicKey)PublicKey;

    public static RsaPrivateKey Generate(int bits)
    {
        if (bits < RsaPublicKey.MinBits)
            throw PublicKey.Invalid($"Invalid RSA key length: minimum is {RsaPublicKey.MinBits} bits");
        if (bits > RsaPublicKey.MaxBits)
            throw PublicKey.Invalid($"Invalid RSA key length: maximum is {RsaPublicKey.MaxBits} bits");
        if (bits % 8 != 0)
            throw PublicKey.Invalid("Invalid RSA key length: it must be a multiple of 8");
        return Adopt(RSA.Create(bits));
    }

    /// <summary>Takes the key over from a file format that the platform reads. Throws a protocol error when its numbers are out of bounds.</summary>
    public static RsaPrivateKey Adopt(RSA rsa)
    {
        try
        {
            var parameters = rsa.ExportParameters(false);
            return new RsaPrivateKey(rsa, RsaPublicKey.Create(parameters.Exponent, parameters.Modulus));
        }
        catch
        {
            rsa.Dispose();
            throw;
        }
    }

    // mpint n | mpint e | mpint d | mpint iqmp | mpint p | mpint q
    public static RsaPrivateKey Read(ref SshReader reader)
    {
        var n = reader.ReadMpint();
        var e = reader.ReadMpint();
        var publicKey = RsaPublicKey.Create(e, n);
        int size = n.Length;
        int half = (size + 1) / 2;
        var parameters = new RSAParameters { Modulus = n.ToArray(), Exponent = e.ToArray() };
        RSA? rsa = null;
        try
        {
            parameters.D = ReadPadded(ref reader, size);
            parameters.InverseQ = ReadPadded(ref reader, half);
            parameters.P = ReadPadded(ref reader, half);
            parameters.Q = ReadPadded(ref reader, half);
            parameters.DP = SecretNumber.ReduceByPredecessor(parameters.D, parameters.P);
            parameters.DQ = SecretNumber.ReduceByPredecessor(parameters.D, parameters.Q);
            rsa = RSA.Create();
            rsa.ImportParameters(parameters);
            return new RsaPrivateKey(rsa, publicKey);
        }
        catch
        {
            rsa?.Dispose();
            throw;
        }
        finally
        {
            Erase(parameters);
        }
    }

    private static byte[] ReadPadded(ref SshReader reader, int size)
    {
        var number = reader.ReadMpint(size);
        var padded = new byte[size];
        number.CopyTo(padded.AsSpan(size - number.Length));
        return padded;
    }

    private protected override byte[] SignCore(string algorithm, ReadOnlySpan<byte> data) =>
        _rsa.SignData(data, RsaPublicKey.HashOf(algorithm), RSASignaturePadding.Pkcs1);

    private protected override void WritePublicFields(ref SshWriter writer)
    {
        writer.WriteMpint(Public.Modulus);
        writer.WriteMpint(Public.Exponent);
    }

    private protected override void WriteSecretFields(ref SshWriter writer)
    {
        var parameters = _rsa.ExportParameters(true);
        writer.WriteMpint(parameters.D);
        writer.WriteMpint(parameters.InverseQ);
        writer.WriteMpint(parameters.P);
        writer.WriteMpint(parameters.Q);
        Erase(parameters);
    }

    private static void Erase(RSAParameters parameters)
    {
        CryptographicOperations.ZeroMemory(parameters.D);
        CryptographicOperations.ZeroMemory(parameters.P);
        CryptographicOperations.ZeroMemory(parameters.Q);
        CryptographicOperations.ZeroMemory(parameters.DP);
        CryptographicOperations.ZeroMemory(parameters.DQ);
        CryptographicOperations.ZeroMemory(parameters.InverseQ);
    }

    protected override void Dispose(bool disposing) => _rsa.Dispose();
}
