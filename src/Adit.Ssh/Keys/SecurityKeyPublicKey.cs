using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>A key on a FIDO token (OpenSSH's PROTOCOL.u2f): an Ed25519 or P-256 key that signs a statement about the data. A signature counts
/// only when the token says that somebody touched it.</summary>
internal sealed class SecurityKeyPublicKey : PublicKey
{
    private const byte UserPresent = 1;
    private const byte UserVerified = 4;

    private const int MaxApplicationLength = 1024;

    private readonly string[] _algorithms;
    private readonly NistCurve? _curve; // null for Ed25519
    private readonly byte[] _key;
    private readonly byte[] _applicationHash;

    private SecurityKeyPublicKey(string keyType, NistCurve? curve, byte[] key, string application, byte[] blob)
        : base(keyType, blob)
    {
        _curve = curve;
        _key = key;
        _algorithms = [keyType];
        _applicationHash = SHA256.HashData(Encoding.UTF8.GetBytes(application));
    }

    public override int Bits => 256;

    public override string TypeName => _curve is null ? "ED25519-SK" : "ECDSA-SK";

    public override IReadOnlyList<string> SignatureAlgorithms => _algorithms;

    /// <summary>Reads what follows the type's name. The blob is made anew, because a certificate holds the same fields.</summary>
    // string type | string key | string application                     (Ed25519)
    // string type | string "nistp256" | string Q | string application   (ECDSA)
    public static SecurityKeyPublicKey Read(string keyType, ref SshReader reader)
    {
        var curve = keyType == KeyAlgorithms.SecurityKeyEcdsa ? NistCurve.P256 : null;
        byte[] key = (curve is null ? Ed25519PublicKey.ReadKey(ref reader) : EcdsaPublicKey.ReadPoint(curve, ref reader)).ToArray();
        string application = reader.ReadUtf8(MaxApplicationLength);
        var writer = new SshWriter(256);
        writer.WriteString(keyType);
        if (curve is null)
            writer.WriteString(key);
        else
            EcdsaPublicKey.WritePoint(curve, key, ref writer);
        writer.WriteString(application);
        return new SecurityKeyPublicKey(keyType, curve, key, application, writer.ToArray());
    }

    /// <summary>True only for a signature that says that the token was touched.</summary>
    public override bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        Verify(algorithm, data, signature, out var stated) && stated.HasFlag(SecurityKeyDemands.Touch);

    /// <summary>Checks the signature alone, and says what the token states in it.</summary>
    public bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature, out SecurityKeyDemands stated)
    {
        stated = SecurityKeyDemands.None;
        if (!base.Verify(algorithm, data, signature))
            return false;
        var reader = new SshReader(signature);
        reader.ReadName();
        reader.ReadString();
        byte flags = reader.ReadByte();
        if ((flags & UserPresent) != 0)
            stated |= SecurityKeyDemands.Touch;
        if ((flags & UserVerified) != 0)
            stated |= SecurityKeyDemands.Verification;
        return true;
    }

    // string signature | byte flags | uint32 counter
    // signed: SHA-256(application) | byte flags | uint32 counter | SHA-256(data)
    private protected override bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature)
    {
        var start = signature;
        signature.ReadString();
        byte flags = signature.ReadByte();
        uint counter = signature.ReadUInt32();

        Span<byte> signed = stackalloc byte[2 * SHA256.HashSizeInBytes + 5];
        _applicationHash.CopyTo(signed);
        signed[SHA256.HashSizeInBytes] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(signed[(SHA256.HashSizeInBytes + 1)..], counter);
        SHA256.HashData(data, signed[(SHA256.HashSizeInBytes + 5)..]);
        return _curve is null
            ? Ed25519.Verify(_key, signed, start.ReadString(Ed25519.SignatureSize))
            : EcdsaPublicKey.VerifySignature(_curve, _key, signed, ref start);
    }
}
