using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>See <see cref="Credential.PrivateKeyFile"/>.</summary>
internal sealed class KeyFileCredential(
    string path, Func<string, CancellationToken, ValueTask<string?>>? passphrase, Func<PrivateKey, CancellationToken, ValueTask>? used) : PublicKeyCredential
{
    private readonly string _path = ExpandHome(path);

    internal override string Name => _path;

    internal override bool IsOptional => !File.Exists(_path);

    internal override bool OpensSilently => !KeyFileSigner.AsksToOpen(_path);

    internal override async ValueTask<OpenedKeys> OpenAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken)
    {
        var signer = await KeyFileSigner.OpenAsync(_path, passphrase, used: used, cancellationToken: cancellationToken).ConfigureAwait(false);
        var certified = FindCertificate(signer, logger);
        return new OpenedKeys(certified is null ? [signer] : [certified, signer], signer);
    }

    /// <summary>The key with the certificate beside its file, where there is one for it.</summary>
    private CertificateSigner? FindCertificate(KeyFileSigner signer, ILogger logger)
    {
        string certificatePath = _path + "-cert.pub";
        if (!File.Exists(certificatePath))
            return null;
        try
        {
            return KeyFile.ReadPublicKey(certificatePath, out _) is Certificate certificate ? new CertificateSigner(signer, certificate) : null;
        }
        catch (SshException e)
        {
            logger.LogWarning("{Reason}", PeerText.Escape(e.Message));
            return null;
        }
    }

    /// <summary>"~/name" is in the home directory, as everywhere in OpenSSH's own files.</summary>
    private static string ExpandHome(string path) => path.StartsWith("~/", StringComparison.Ordinal)
        ? Path.Join(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
        : path;
}
