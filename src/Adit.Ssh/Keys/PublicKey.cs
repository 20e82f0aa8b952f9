using System.Buffers.Text;
using System.Security.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>A public key or certificate in SSH's wire form. Immutable; equal when the blobs are equal.</summary>
public abstract class PublicKey : IEquatable<PublicKey>
{
    /// <summary>Longest wire blob that is looked at. The longest real ones are RSA certificates with many principals.</summary>
    internal const int MaxBlobLength = 64 * 1024;

    private readonly byte[] _blob;

    private protected PublicKey(string keyType, byte[] blob)
    {
        KeyType = keyType;
        _blob = blob;
    }

    /// <summary>The name inside the blob: "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", …, or a "…-cert-v01@openssh.com" form.</summary>
    public string KeyType { get; }

    /// <summary>The wire form.</summary>
    public ReadOnlyMemory<byte> Blob => _blob;

    /// <summary>Size in bits, as ssh-keygen prints it.</summary>
    public abstract int Bits { get; }

    /// <summary>The short name that ssh-keygen and the logs print: "ED25519", "ECDSA", "RSA", "ED25519-SK", "ED25519-CERT", ….</summary>
    public abstract string TypeName { get; }

    /// <summary>Signature algorithms this key can be used with, best first: for ssh-rsa "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"; for a certificate its certificate forms.</summary>
    public abstract IReadOnlyList<string> SignatureAlgorithms { get; }

    /// <summary>The key without a certificate around it: for a certificate the key it certifies, otherwise this.</summary>
    public virtual PublicKey PlainKey => this;

    /// <summary>"SHA256:" and unpadded base64, as ssh-keygen -l prints it. For a certificate: of the key it certifies.</summary>
    public virtual string Fingerprint => "SHA256:" + Convert.ToBase64String(SHA256.HashData(_blob)).TrimEnd('=');

    /// <summary>"MD5:" and colon-separated hex, as ssh-keygen -l -E md5 prints it. For a certificate: of the key it certifies.</summary>
    public virtual string FingerprintMd5 =>
        "MD5:" + string.Join(':', MD5.HashData(_blob).Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)));

    /// <summary>Checks a signature blob (string algorithm, string signature) over <paramref name="data"/>. <paramref name="algorithm"/> is the agreed
    /// algorithm (a certificate form stands for its plain one); a blob that names another one is refused. Never throws for a bad signature.</summary>
    public virtual bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        string plain = KeyAlgorithms.ToPlain(algorithm);
        if (!SignatureAlgorithms.Contains(plain))
            return false;
        try
        {
            var reader = new SshReader(signature);
            if (reader.ReadName() != plain)
                return false;
            bool valid = VerifySignature(plain, data, ref reader);
            return valid && reader.AtEnd;
        }
        catch (Exception e) when (e is SshException { Error: SshError.ProtocolError } or CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Reads what follows the algorithm's name in a signature blob and checks it. May throw a protocol error or a <see cref="CryptographicException"/>.</summary>
    private protected abstract bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature);

    /// <summary>Parses a wire blob. Throws <see cref="SshException"/> (<see cref="SshError.InvalidKey"/>) when it is malformed, of an unknown type, or out of bounds.</summary>
    public static PublicKey Parse(ReadOnlySpan<byte> blob)
    {
        if (blob.Length > MaxBlobLength)
            throw Invalid($"key of {blob.Length} bytes is longer than the {MaxBlobLength} allowed");
        try
        {
            var reader = new SshReader(blob);
            string type = reader.ReadName();
            var key = ReadFields(type, blob, ref reader);
            reader.EnsureEnd();
            return key;
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            throw Invalid("invalid key: " + e.Message, e);
        }
    }

    /// <summary>Parses one line "type base64 [comment]", as in a .pub file. A type other than the blob's own is refused.</summary>
    /// <param name="line">The line, without leading options.</param>
    /// <param name="comment">The rest of the line behind the key; may be empty. It is not escaped.</param>
    public static PublicKey ParseText(ReadOnlySpan<char> line, out string comment)
    {
        line = line.Trim(" \t\r\n");
        int space = line.IndexOfAny(' ', '\t');
        if (space < 0)
            throw Invalid("not a public key: expected \"type base64 comment\"");
        var type = line[..space];
        var rest = line[space..].TrimStart(" \t");
        int end = rest.IndexOfAny(' ', '\t');
        var base64 = end < 0 ? rest : rest[..end];
        comment = end < 0 ? "" : rest[end..].Trim(" \t").ToString();
        if (!Base64.IsValid(base64, out int length) || length > MaxBlobLength)
            throw Invalid("not a public key: the base64 is malformed or too long");
        var blob = new byte[length];
        if (!Convert.TryFromBase64Chars(base64, blob, out int written))
            throw Invalid("not a public key: the base64 is malformed");
        var key = Parse(blob.AsSpan(0, written));
        if (!type.SequenceEqual(key.KeyType))
            throw Invalid("the declared key type differs from the type inside the key");
        return key;
    }

    /// <summary>"type base64 comment", as in a .pub file, without a line end.</summary>
    public string ToText(string? comment = null)
    {
        string text = KeyType + " " + Convert.ToBase64String(_blob);
        return string.IsNullOrEmpty(comment) ? text : text + " " + comment;
    }

    public bool Equals(PublicKey? other) => other is not null && Blob.Span.SequenceEqual(other.Blob.Span);

    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_blob);
        return hash.ToHashCode();
    }

    /// <summary>The type and fingerprint, for logs: "ED25519 SHA256:…".</summary>
    public override string ToString() => TypeName + " " + Fingerprint;

    internal static SshException Invalid(string message, Exception? inner = null) => new(SshError.InvalidKey, message, inner);

    /// <summary>Reads what follows the type's name in <paramref name="blob"/>.</summary>
    private static PublicKey ReadFields(string type, ReadOnlySpan<byte> blob, ref SshReader reader)
    {
        switch (type)
        {
            case KeyAlgorithms.Ed25519:
                return Ed25519PublicKey.Read(blob, ref reader);
            case KeyAlgorithms.EcdsaNistP256 or KeyAlgorithms.EcdsaNistP384 or KeyAlgorithms.EcdsaNistP521:
                return EcdsaPublicKey.Read(NistCurve.OfKeyType(type)!, blob, ref reader);
            case KeyAlgorithms.Rsa:
                return RsaPublicKey.Read(blob, ref reader);
            case KeyAlgorithms.SecurityKeyEd25519 or KeyAlgorithms.SecurityKeyEcdsa:
                return SecurityKeyPublicKey.Read(type, ref reader);
            default:
                return KeyAlgorithms.IsCertificate(type) ? Certificate.Read(type, blob, ref reader) : throw Invalid("unknown or unsupported key type");
        }
    }
}
