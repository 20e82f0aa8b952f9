using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography;

/// <summary>curve25519-sha256 (RFC 8731). Q_C and Q_S are 32 bytes; K is the shared secret read as a big-endian number.</summary>
internal sealed class Curve25519KeyAgreement : KeyAgreement
{
    private readonly X25519KeyPair _pair = new();

    public override byte[] CreateInit() => _pair.PublicKey;

    public override byte[] Respond(ReadOnlySpan<byte> init, out byte[] secret)
    {
        secret = Finish(init);
        return _pair.PublicKey;
    }

    public override byte[] Finish(ReadOnlySpan<byte> reply)
    {
        Span<byte> shared = stackalloc byte[X25519.KeySize];
        _pair.Derive(reply, shared);
        byte[] secret = KeyAgreementSecret.AsMpint(shared);
        CryptographicOperations.ZeroMemory(shared);
        return secret;
    }

    public override void Dispose() => _pair.Dispose();
}

/// <summary>A fresh X25519 key pair for one exchange.</summary>
internal sealed class X25519KeyPair : IDisposable
{
    private readonly byte[] _privateKey = RandomNumberGenerator.GetBytes(X25519.KeySize);
    private bool _spent;

    public X25519KeyPair() => PublicKey = X25519.GetPublicKey(_privateKey);

    public byte[] PublicKey { get; }

    /// <summary>Fills <paramref name="secret"/> (32 bytes) and forgets the private key. Throws <see cref="SshException"/> for a value of the
    /// wrong length or one that makes the secret zero.</summary>
    public void Derive(ReadOnlySpan<byte> peerPublicKey, Span<byte> secret)
    {
        ObjectDisposedException.ThrowIf(_spent, this);
        if (peerPublicKey.Length != X25519.KeySize)
            throw KeyAgreementError.Refused($"invalid X25519 public value: {peerPublicKey.Length} bytes");
        bool derived = X25519.TryDerive(_privateKey, peerPublicKey, secret);
        Dispose();
        if (!derived)
            throw KeyAgreementError.Refused("invalid X25519 public value: the shared secret is zero");
    }

    public void Dispose()
    {
        _spent = true;
        CryptographicOperations.ZeroMemory(_privateKey);
    }
}

/// <summary>ecdh-sha2-nistp256, -nistp384 and -nistp521 (RFC 5656, section 4). Q_C and Q_S are uncompressed points; K is the x coordinate.</summary>
/// <param name="curve">The named curve.</param>
/// <param name="fieldSize">Bytes of a coordinate.</param>
internal sealed class NistEcdhKeyAgreement(ECCurve curve, int fieldSize) : KeyAgreement
{
    private const byte Uncompressed = 4;

    private readonly ECDiffieHellman _key = ECDiffieHellman.Create(curve);

    public override byte[] CreateInit() => PublicValue();

    public override byte[] Respond(ReadOnlySpan<byte> init, out byte[] secret)
    {
        secret = Finish(init);
        return PublicValue();
    }

    public override byte[] Finish(ReadOnlySpan<byte> reply)
    {
        // RFC 5656 allows compressed points; nobody sends them, and OpenSSH refuses them too.
        if (reply.Length != 1 + 2 * fieldSize || reply[0] != Uncompressed)
            throw KeyAgreementError.Refused("invalid ECDH public value: not an uncompressed point of the curve's size");
        byte[]? shared = null;
        try
        {
            // Importing checks that the point is on the curve; the curves have no points of small order.
            using var peer = ECDiffieHellman.Create(new ECParameters
            {
                Curve = curve,
                Q = new ECPoint { X = reply.Slice(1, fieldSize).ToArray(), Y = reply[(1 + fieldSize)..].ToArray() },
            });
            using var peerKey = peer.PublicKey;
            shared = _key.DeriveRawSecretAgreement(peerKey);
            return KeyAgreementSecret.AsMpint(shared);
        }
        catch (CryptographicException e)
        {
            throw KeyAgreementError.Refused("invalid ECDH public value: not a point of the curve", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shared);
        }
    }

    public override void Dispose() => _key.Dispose();

    private byte[] PublicValue()
    {
        var point = _key.ExportParameters(includePrivateParameters: false).Q;
        return [Uncompressed, .. point.X!, .. point.Y!];
    }
}
