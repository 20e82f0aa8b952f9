namespace Adit.Ssh.Keys;

/// <summary>A public key or certificate in SSH's wire form. Immutable; equal when the blobs are equal.</summary>
public abstract class PublicKey : IEquatable<PublicKey>
{
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

    /// <summary>Signature algorithms this key can be used with, best first: for ssh-rsa "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"; for a certificate its certificate forms.</summary>
    public abstract IReadOnlyList<string> SignatureAlgorithms { get; }

    /// <summary>"SHA256:" and unpadded base64, as ssh-keygen -l prints it. For a certificate: of the key it certifies.</summary>
    public virtual string Fingerprint => throw new NotImplementedException();

    /// <summary>Checks a signature blob (string algorithm, string signature) over <paramref name="data"/>. <paramref name="algorithm"/> is the agreed
    /// algorithm (a certificate form stands for its plain one); a blob that names another one is refused. Never throws for a bad signature.</summary>
    public abstract bool Verify(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature);

    /// <summary>Parses a wire blob. Throws <see cref="SshException"/> (<see cref="SshError.InvalidKey"/>) when it is malformed, of an unknown type, or out of bounds.</summary>
    public static PublicKey Parse(ReadOnlySpan<byte> blob) => throw new NotImplementedException();

    public bool Equals(PublicKey? other) => other is not null && Blob.Span.SequenceEqual(other.Blob.Span);

    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_blob);
        return hash.ToHashCode();
    }
}
