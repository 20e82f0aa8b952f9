using System.Security.Cryptography;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Keys;

/// <summary>The private half of ssh-ed25519: the 32-byte seed of RFC 8032.</summary>
internal sealed class Ed25519PrivateKey : PrivateKey
{
    private readonly byte[] _seed;
    private bool _disposed;

    private Ed25519PrivateKey(byte[] seed, Ed25519PublicKey publicKey)
        : base(publicKey) => _seed = seed;

    private Ed25519PublicKey Public => (Ed25519PublicKey)PublicKey;

    public static Ed25519PrivateKey Generate()
    {
        Span<byte> seed = stackalloc byte[Ed25519.SeedSize];
        RandomNumberGenerator.Fill(seed);
        var key = FromSeed(seed);
        CryptographicOperations.ZeroMemory(seed);
        return key;
    }

    /// <param name="seed">32 bytes; copied.</param>
    public static Ed25519PrivateKey FromSeed(ReadOnlySpan<byte> seed) =>
        new(seed.ToArray(), Ed25519PublicKey.Create(Ed25519.GetPublicKey(seed)));

    // string public key (32 bytes) | string seed and public key (64 bytes)
    public static Ed25519PrivateKey Read(ref SshReader reader)
    {
        var publicKey = Ed25519PublicKey.ReadKey(ref reader);
        var pair = reader.ReadString(Ed25519.SeedSize + Ed25519.PublicKeySize);
        if (pair.Length != Ed25519.SeedSize + Ed25519.PublicKeySize)
            throw SshException.Protocol("an Ed25519 private key has 64 bytes");
        var key = FromSeed(pair[..Ed25519.SeedSize]);
        // A public half that does not belong to the seed would make signatures that give the seed away.
        if (key.Public.Key.SequenceEqual(publicKey) && key.Public.Key.SequenceEqual(pair[Ed25519.SeedSize..]))
            return key;
        key.Dispose();
        throw PublicKey.Invalid("the private key does not belong to the public key beside it");
    }

    private protected override byte[] SignCore(string algorithm, ReadOnlySpan<byte> data)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var signature = new byte[Ed25519.SignatureSize];
        Ed25519.Sign(_seed, data, signature);
        return signature;
    }

    private protected override void WritePublicFields(ref SshWriter writer) => writer.WriteString(Public.Key);

    private protected override void WriteSecretFields(ref SshWriter writer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int mark = writer.BeginString();
        writer.WriteBytes(_seed);
        writer.WriteBytes(Public.Key);
        writer.EndString(mark);
    }

    // For this type the public key comes again, although the certificate has it.
    internal override void WriteFieldsBehindCertificate(ref SshWriter writer)
    {
        WritePublicFields(ref writer);
        WriteSecretFields(ref writer);
    }

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        CryptographicOperations.ZeroMemory(_seed);
    }
}
