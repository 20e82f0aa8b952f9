using Adit.Ssh.Keys;

namespace Adit.Ssh.Authentication;

/// <summary>See <see cref="Credential.PrivateKeyFile"/>.</summary>
internal sealed class KeyFileCredential(string path, Func<string, CancellationToken, ValueTask<string?>>? passphrase) : PublicKeyCredential
{
    private readonly string _path = ExpandHome(path);

    internal override string Name => _path;

    internal override bool IsOptional => !File.Exists(_path);

    internal override async ValueTask<OpenedKeys> OpenAsync(CancellationToken cancellationToken)
    {
        var signer = await KeyFileSigner.OpenAsync(_path, passphrase, cancellationToken: cancellationToken).ConfigureAwait(false);
        return new OpenedKeys([signer], signer);
    }

    /// <summary>"~/name" is in the home directory, as everywhere in OpenSSH's own files.</summary>
    private static string ExpandHome(string path) => path.StartsWith("~/", StringComparison.Ordinal)
        ? Path.Join(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
        : path;
}
