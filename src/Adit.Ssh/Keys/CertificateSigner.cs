namespace Adit.Ssh.Keys;

/// <summary>A key together with the certificate for it: shows the certificate, signs with the key.</summary>
public sealed class CertificateSigner : ISigner
{
    private readonly ISigner _key;
    private readonly Certificate _certificate;

    /// <exception cref="SshException"><see cref="SshError.InvalidKey"/> when the certificate is for another key.</exception>
    public CertificateSigner(ISigner key, Certificate certificate)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(certificate);
        if (!key.PublicKey.PlainKey.Equals(certificate.PlainKey))
        {
            throw new SshException(SshError.InvalidKey, "the certificate does not belong to the private key")
            {
                Hint = $"The certificate is for {certificate}, the key \"{key.Comment}\" is {key.PublicKey}.",
            };
        }
        _key = key;
        _certificate = certificate;
    }

    public PublicKey PublicKey => _certificate;

    public bool SignsAtOnce => _key.SignsAtOnce;

    public string Comment => _key.Comment;

    public ValueTask<byte[]> SignAsync(string algorithm, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        _key.SignAsync(KeyAlgorithms.ToPlain(algorithm), data, cancellationToken);
}
