using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>ssh-ed25519 (RFC 8709).</summary>
internal sealed class Ed25519PublicKey : PublicKey
{
    private static readonly string[] Algorithms = [KeyAlgorithms.Ed25519];

    private readonly byte[] _key;

    private Ed25519PublicKey(byte[] blob, byte[] key)
        : base(KeyAlgorithms.Ed25519, blob) => _key = key;

    public override int Bits => 256;

    public override string TypeName => "ED25519";

    public override IReadOnlyList<string> SignatureAlgorithms => Algorithms;

    /// <summary>The 32 bytes of RFC 8032.</summary>
    public ReadOnlySpan<byte> Key => _key;

    // string "ssh-ed25519" | string key (32 bytes)
    public static Ed25519PublicKey Read(ReadOnlySpan<byte> blob, ref SshReader reader) =>
        new(blob.ToArray(), ReadKey(ref reader).ToArray());

    public static Ed25519PublicKey Create(ReadOnlySpan<byte> key)
    {
        var writer = new SshWriter(64);
        writer.WriteString(KeyAlgorithms.Ed25519);
        writer.WriteString(key);
        return new Ed25519PublicKey(writer.ToArray(), key.ToArray());
    }

    /// <summary>Reads the key's string and checks its length.</summary>
    public static ReadOnlySpan<byte> ReadKey(ref SshReader reader)
    {
        var key = reader.ReadString(Ed25519.PublicKeySize);
        return key.Length == Ed25519.PublicKeySize ? key : throw SshException.Protocol("an Ed25519 key has 32 bytes");
    }

    // string signature (64 bytes)
    private protected override bool VerifySignature(string algorithm, ReadOnlySpan<byte> data, ref SshReader signature) =>
        Ed25519.Verify(_key, data, signature.ReadString(Ed25519.SignatureSize));
}
