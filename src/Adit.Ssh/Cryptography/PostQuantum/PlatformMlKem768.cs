using System.Security.Cryptography;

namespace Adit.Ssh.Cryptography.PostQuantum;

/// <summary>ML-KEM-768 from the BCL, where the platform has it (OpenSSL 3.5 and later, recent Windows).</summary>
internal sealed class PlatformMlKem768 : Kem
{
    public override int PublicKeySize => MlKem768.EncapsulationKeySize;

    public override int CiphertextSize => MlKem768.CipherSize;

    /// <summary>The platform's where it has one, ours otherwise.</summary>
    public static Kem Best { get; } = MLKem.IsSupported ? new PlatformMlKem768() : new MlKem768();

    public override KemPrivateKey Generate(out byte[] publicKey)
    {
        var key = MLKem.GenerateKey(MLKemAlgorithm.MLKem768);
        publicKey = key.ExportEncapsulationKey();
        return new PrivateKey(key);
    }

    public override bool TryEncapsulate(ReadOnlySpan<byte> publicKey, Span<byte> ciphertext, Span<byte> secret)
    {
        try
        {
            using var key = MLKem.ImportEncapsulationKey(MLKemAlgorithm.MLKem768, publicKey);
            key.Encapsulate(ciphertext, secret);
            return true;
        }
        catch (CryptographicException)
        {
            return false; // a coefficient that is not below q
        }
    }

    private sealed class PrivateKey(MLKem key) : KemPrivateKey
    {
        public override void Decapsulate(ReadOnlySpan<byte> ciphertext, Span<byte> secret) => key.Decapsulate(ciphertext, secret);

        public override void Dispose() => key.Dispose();
    }
}
