using System.Numerics;
using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>ssh-rsa (RFC 4253, section 6.6) with the signature algorithms of RFC 8332.</summary>
internal sealed class RsaPublicKey : PublicKey
{
    public const int MinBits = 1024;
    public const int MaxBits = 16384;

    private static readonly string[] Algorithms = [KeyAlgorithms.RsaSha512, KeyAlgorithms.RsaSha256, KeyAlgorithms.Rsa];

    private readonly byte[] _exponent;
    private readonly byte[] _modulus;

    private RsaPublicKey(byte[] blob, byte[] exponent, byte[] modulus)
        : base(KeyAlgorithms.Rsa, blob)
    {
        _exponent = exponent;
        _modulus = modulus;
        Bits = BitLength(modulus);
    }

    public override int Bits { get; }

    public override string TypeName => "RSA";

    public override IReadOnlyList<string> SignatureAlgorithms => Algorithms;

    public ReadOnlySpan<byte> Exponent => _exponent;

    public ReadOnlySpan<byte> Modulus => _modulus;

    // string "ssh-rsa" | mpint e | mpint n
    public static RsaPublicKey Read(ReadOnlySpan<byte> blob, ref SshReader reader)
    {
        var (exponent, modulus) = ReadNumbers(ref reader);
        return new RsaPublicKey(blob.ToArray(), exponent, modulus);
    }

    /// <summary>Throws a protocol error when the numbers are out of bounds.</summary>
    public static RsaPublicKey Create(ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> modulus)
    {
        exponent = exponent.TrimStart((byte)0);
        modulus = modulus.TrimStart((byte)0);
        Check(exponent, modulus);
        var writer = new SshWriter(64 + exponent.Length + modulus.Length);
        writer.WriteString(KeyAlgorithms.Rsa);
        writer.WriteMpint(exponent);
        writer.WriteMpint(modulus);
        return new RsaPublicKey(writer.ToArray(), exponent.ToArray(), modulus.ToArray());
    }

    /// <summary>The hash of a signature algorithm that RSA keys have.</summary>
    public static HashAlgorithmName HashOf(string algorithm) => algorithm switch
    {
        KeyAlgorithms.RsaSha512 => HashAlgorithmName.SHA512,
        KeyAlgorithms.RsaSha256 => HashAlgorithmName.SHA256,
        _ => HashAlgorithmName.SHA1,
    };

    private static (byte[] Exponent, byte[] Modulus) ReadNumbers(ref SshReader reader)
    {
        var exponent = reader.ReadMpint(MaxBits / 8);
        var modulus = reader.ReadMpint(MaxBits / 8);
        Check(exponent, modulus);
        return (exponent.ToArray(), modulus.ToArray());
    }

    /// <summary>Bounds before arithmetic: sizes, parity, 1 &lt; e &lt; n.</summary>
    private static void Check(ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> modulus)
    {
        int bits = BitLength(modulus);
        if (bits < MinBits)
            throw new SshException(SshError.InvalidKey, $"Invalid key length: RSA key of {bits} bits, at least {MinBits} are required");
        if (bits > MaxBits)
            throw new SshException(SshError.InvalidKey, $"Invalid key length: RSA key of {bits} bits, at most {MaxBits} are allowed");
        if ((modulus[^1] & 1) == 0)
            throw SshException.Protocol("the RSA modulus is even");
        bool isOne = exponent.Length == 1 && exponent[0] == 1;
        if (exponent.IsEmpty || isOne || (exponent[^1] & 1) == 0)
            throw SshException.Protocol("the RSA exponent must be odd and greater than one");
        if (exponent.Length > modulus.Length || (exponent.Length == modulus.Length && exponent.SequenceCompareTo(modulus) >= 0))
            throw SshException.Protocol("the RSA exponent is not smaller than the modulus");
    }

    private static int BitLength(ReadOnlySpan<byte> number) =>
        number.IsEmpty ? 0 : number.Length * 8 - BitOperations.LeadingZeroCount((uint)number[0]) + 24;

    // string signature (as long as the modulus)
    private protected override bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature)
    {
        var value = signature.ReadString(_modulus.Length);
        // Some signers drop leading zero bytes; the number is the same.
        var padded = new byte[_modulus.Length];
        value.CopyTo(padded.AsSpan(padded.Length - value.Length));
        using var rsa = RSA.Create(new RSAParameters { Exponent = _exponent, Modulus = _modulus });
        return rsa.VerifyData(data, padded, HashOf(algorithm), RSASignaturePadding.Pkcs1);
    }
}
