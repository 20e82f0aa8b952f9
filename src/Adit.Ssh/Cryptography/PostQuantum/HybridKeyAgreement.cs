using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>A key encapsulation mechanism together with X25519, so that the secret is safe as long as either is: mlkem768x25519-sha256
/// (draft-ietf-sshm-mlkem-hybrid-kex) and sntrup761x25519-sha512 (draft-ietf-sshm-ntruprime-ssh).
/// <code>
/// C_INIT  = KEM public key | X25519 public key
/// S_REPLY = KEM ciphertext | X25519 public key
/// K       = string HASH(KEM secret | X25519 secret)
/// </code></summary>
internal sealed class HybridKeyAgreement(Kem kem, HashAlgorithmName hash) : KeyAgreement
{
    private readonly X25519KeyPair _pair = new();
    private KemPrivateKey? _kemKey;

    public override byte[] CreateInit()
    {
        _kemKey?.Dispose();
        _kemKey = kem.Generate(out byte[] publicKey);
        return [.. publicKey, .. _pair.PublicKey];
    }

    public override byte[] Respond(ReadOnlySpan<byte> init, out byte[] secret)
    {
        if (init.Length != kem.PublicKeySize + X25519.KeySize)
            throw KeyAgreementError.Refused($"invalid hybrid public value: {init.Length} bytes");
        var reply = new byte[kem.CiphertextSize + X25519.KeySize];
        Span<byte> secrets = stackalloc byte[Kem.SecretSize + X25519.KeySize];
        try
        {
            _pair.Derive(init[kem.PublicKeySize..], secrets[Kem.SecretSize..]);
            if (!kem.TryEncapsulate(init[..kem.PublicKeySize], reply.AsSpan(0, kem.CiphertextSize), secrets[..Kem.SecretSize]))
                throw KeyAgreementError.Refused("invalid hybrid public value: not an encapsulation key");
            _pair.PublicKey.CopyTo(reply.AsSpan(kem.CiphertextSize));
            secret = Combine(secrets);
            return reply;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    public override byte[] Finish(ReadOnlySpan<byte> reply)
    {
        ObjectDisposedException.ThrowIf(_kemKey is null, this);
        if (reply.Length != kem.CiphertextSize + X25519.KeySize)
            throw KeyAgreementError.Refused($"invalid hybrid public value: {reply.Length} bytes");
        Span<byte> secrets = stackalloc byte[Kem.SecretSize + X25519.KeySize];
        try
        {
            _pair.Derive(reply[kem.CiphertextSize..], secrets[Kem.SecretSize..]);
            _kemKey.Decapsulate(reply[..kem.CiphertextSize], secrets[..Kem.SecretSize]);
            return Combine(secrets);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
            Dispose();
        }
    }

    public override void Dispose()
    {
        _pair.Dispose();
        _kemKey?.Dispose();
        _kemKey = null;
    }

    private byte[] Combine(ReadOnlySpan<byte> secrets)
    {
        Span<byte> combined = stackalloc byte[SHA512.HashSizeInBytes];
        int length = CryptographicOperations.HashData(hash, secrets, combined);
        byte[] secret = KeyAgreementSecret.AsString(combined[..length]);
        CryptographicOperations.ZeroMemory(combined);
        return secret;
    }
}
