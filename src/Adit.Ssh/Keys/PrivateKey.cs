using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>A private key in memory. Safe for use by several threads at once; disposing it erases the secret.</summary>
public abstract class PrivateKey : ISigner, IDisposable
{
    /// <summary>ssh-keygen's default size of an RSA key.</summary>
    public const int DefaultRsaBits = 3072;

    private protected PrivateKey(PublicKey publicKey) => PublicKey = publicKey;

    /// <summary>The public half; never a certificate.</summary>
    public PublicKey PublicKey { get; }

    /// <summary>The comment from the key's file; may be empty. It is not escaped.</summary>
    public string Comment { get; set; } = "";

    /// <summary>True: it lies in memory.</summary>
    public bool SignsAtOnce => true;

    /// <summary>Makes a new key.</summary>
    /// <param name="type">"ed25519", "ecdsa", "rsa", or a key type's full name.</param>
    /// <param name="bits">Size; 0 for the default. Ed25519 has one size only; ECDSA 256 (default), 384 or 521; RSA 1024–16384 in steps of 8 (default 3072).</param>
    /// <exception cref="SshException"><see cref="SshError.InvalidKey"/> for an unknown type or size.</exception>
    public static PrivateKey Generate(string type, int bits = 0)
    {
        switch (type)
        {
            case "ed25519" or KeyAlgorithms.Ed25519:
                return Ed25519PrivateKey.Generate();
            case "rsa" or KeyAlgorithms.Rsa:
                return RsaPrivateKey.Generate(bits == 0 ? DefaultRsaBits : bits);
            case "ecdsa":
                var curve = NistCurve.OfBits(bits == 0 ? 256 : bits)
                    ?? throw PublicKey.Invalid("Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits");
                return EcdsaPrivateKey.Generate(curve);
            case KeyAlgorithms.EcdsaNistP256 or KeyAlgorithms.EcdsaNistP384 or KeyAlgorithms.EcdsaNistP521:
                return EcdsaPrivateKey.Generate(NistCurve.OfKeyType(type)!);
            default:
                throw PublicKey.Invalid($"unknown key type {type}");
        }
    }

    /// <summary>Signs <paramref name="data"/> and returns the signature blob (string algorithm, string signature). A certificate form of
    /// <paramref name="algorithm"/> signs with its plain one. SHA-1 ("ssh-rsa") is used only when asked for by that name.</summary>
    /// <exception cref="SshException"><see cref="SshError.InvalidKey"/> when this key has no such algorithm or the signature cannot be made.</exception>
    public byte[] Sign(string algorithm, ReadOnlySpan<byte> data)
    {
        string plain = KeyAlgorithms.ToPlain(algorithm);
        if (!PublicKey.SignatureAlgorithms.Contains(plain))
            throw PublicKey.Invalid($"a key of type {PublicKey.KeyType} cannot sign with {algorithm}");
        try
        {
            return SignatureBlob.Create(plain, SignCore(plain, data));
        }
        catch (CryptographicException e)
        {
            throw PublicKey.Invalid("error in libcrypto: " + e.Message, e);
        }
    }

    public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Sign(algorithm, data.Span));
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);

    /// <summary>What goes into the second string of the signature blob.</summary>
    private protected abstract byte[] SignCore(string algorithm, ReadOnlySpan<byte> data);

    /// <summary>Writes the fields of an openssh-key-v1 file and of the agent's "add identity" message, the key type's name first.</summary>
    internal void WriteFields(ref SshWriter writer)
    {
        writer.WriteString(PublicKey.KeyType);
        WritePublicFields(ref writer);
        WriteSecretFields(ref writer);
    }

    private protected abstract void WritePublicFields(ref SshWriter writer);

    private protected abstract void WriteSecretFields(ref SshWriter writer);

    /// <summary>Writes the fields that an agent wants behind a certificate.</summary>
    internal virtual void WriteFieldsBehindCertificate(ref SshWriter writer) => WriteSecretFields(ref writer);

    /// <summary>Reads what <see cref="WriteFields"/> writes. Throws a protocol error when it is malformed, <see cref="SshError.InvalidKey"/>
    /// when the halves do not belong together or the type is unknown.</summary>
    internal static PrivateKey ReadFields(ref SshReader reader)
    {
        string type = reader.ReadName();
        try
        {
            return type switch
            {
                KeyAlgorithms.Ed25519 => Ed25519PrivateKey.Read(ref reader),
                KeyAlgorithms.Rsa => RsaPrivateKey.Read(ref reader),
                KeyAlgorithms.EcdsaNistP256 or KeyAlgorithms.EcdsaNistP384 or KeyAlgorithms.EcdsaNistP521 =>
                    EcdsaPrivateKey.Read(NistCurve.OfKeyType(type)!, ref reader),
                _ => throw PublicKey.Invalid("unknown or unsupported key type"),
            };
        }
        catch (CryptographicException e)
        {
            throw PublicKey.Invalid("error in libcrypto: " + e.Message, e);
        }
    }
}
