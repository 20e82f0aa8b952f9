using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Cli.Client;

/// <summary>A key file that may be offered.</summary>
/// <param name="Path">The private key, or the public half of a key that the agent holds.</param>
/// <param name="IsDefault">Nobody named it: when it is not there, nothing is said.</param>
internal sealed record IdentityFile(string Path, bool IsDefault);

/// <summary>The keys of a login in ssh(1)'s order: certificates; the agent's keys that also stand in an IdentityFile; the agent's other keys, unless
/// IdentitiesOnly; the files whose key no agent holds.</summary>
internal sealed class KeyOrder(
    IReadOnlyList<IdentityFile> identityFiles,
    IReadOnlyList<string> certificateFiles,
    SshAgent? agent,
    bool identitiesOnly,
    Func<string, CancellationToken, ValueTask<string?>>? askPassphrase,
    LogOutput log,
    int requiredRsaSize = 0,
    AgentKeyAdder? adder = null) : IDisposable
{
    private readonly List<KeyFileSigner> _opened = [];

    /// <summary>An identity file with what is known of it without its passphrase.</summary>
    private sealed record Identity(string Path, PublicKey? PublicKey);

    public async Task<IReadOnlyList<Credential>> BuildAsync(CancellationToken cancellationToken)
    {
        var identities = ReadIdentities();
        var agentKeys = await ListAgentAsync(cancellationToken).ConfigureAwait(false);
        var order = new List<Credential>();
        foreach (var certificate in ReadCertificates(identities))
        {
            if (await FindSignerAsync(certificate, identities, agentKeys, cancellationToken).ConfigureAwait(false) is { } signer)
            {
                order.Add(Credential.Key(signer));
            }
        }

        bool IsListed(ISigner key) => identities.Exists(identity => identity.PublicKey is { } known && known.PlainKey.Equals(key.PublicKey.PlainKey));
        order.AddRange(agentKeys.Where(IsListed).Select(Credential.Key));
        if (!identitiesOnly)
        {
            order.AddRange(agentKeys.Where(key => !IsListed(key)).Select(Credential.Key));
        }

        foreach (var identity in identities)
        {
            var isHeld = identity.PublicKey is { } known && agentKeys.Any(key => key.PublicKey.PlainKey.Equals(known.PlainKey));
            if (!isHeld)
            {
                order.Add(Credential.PrivateKeyFile(identity.Path, askPassphrase, adder?.For(identity.Path)));
            }
        }

        return order;
    }

    /// <summary>Erases the private keys it opened.</summary>
    public void Dispose() => _opened.ForEach(signer => signer.Dispose());

    private List<Identity> ReadIdentities()
    {
        var identities = new List<Identity>();
        foreach (var (path, isDefault) in identityFiles)
        {
            var publicKey = TryReadPublicKey(path) ?? TryReadPublicKey(path + ".pub");
            log.Write(OpenSshLogLevel.Debug1, $"identity file {path} type {KeyTypeNumber.Of(publicKey)}");
            log.Write(OpenSshLogLevel.Debug1, $"identity file {path}-cert type {KeyTypeNumber.Of(TryReadPublicKey(path + "-cert.pub"))}");
            if (publicKey is not null && IsTooShort(publicKey, path))
            {
                continue;
            }

            if (publicKey is not null || File.Exists(path))
            {
                identities.Add(new Identity(path, publicKey));
            }
            else if (!isDefault)
            {
                log.Write(OpenSshLogLevel.Info, $"no such identity: {path}: No such file or directory");
            }
        }

        return identities;
    }

    /// <summary>The certificates that were named, or else those that lie beside the identity files.</summary>
    private List<Certificate> ReadCertificates(List<Identity> identities)
    {
        var certificates = new List<Certificate>();
        foreach (var path in certificateFiles.Count > 0 ? certificateFiles : identities.Select(identity => identity.Path + "-cert.pub"))
        {
            if (TryReadPublicKey(path) is Certificate certificate)
            {
                certificates.Add(certificate);
            }
            else if (certificateFiles.Count > 0)
            {
                log.Write(OpenSshLogLevel.Info, File.Exists(path) ? $"Load key \"{path}\": not a certificate" : $"no such certificate: {path}: No such file or directory");
            }
        }

        return certificates;
    }

    /// <summary>RequiredRSASize holds for keys of one's own too.</summary>
    private bool IsTooShort(PublicKey key, string name)
    {
        if (key.PlainKey.KeyType != "ssh-rsa" || key.PlainKey.Bits >= requiredRsaSize)
        {
            return false;
        }

        log.Write(OpenSshLogLevel.Info, $"Skipping RSA key {PeerText.Escape(name, 255)}: {key.PlainKey.Bits} bits are fewer than RequiredRSASize ({requiredRsaSize})");
        return true;
    }

    private async ValueTask<IReadOnlyList<ISigner>> ListAgentAsync(CancellationToken cancellationToken)
    {
        if (agent is null)
        {
            return [];
        }

        try
        {
            var keys = await agent.ListAsync(cancellationToken).ConfigureAwait(false);
            return [.. keys.Where(key => !IsTooShort(key.PublicKey, key.Comment))];
        }
        catch (SshException e)
        {
            log.Write(OpenSshLogLevel.Debug1, $"get_agent_identities: {e.Message}");
            return [];
        }
    }

    /// <summary>Who can sign for a certificate: the agent (with the certificate or the key alone), else the identity file with its key.</summary>
    private async ValueTask<ISigner?> FindSignerAsync(
        Certificate certificate, List<Identity> identities, IReadOnlyList<ISigner> agentKeys, CancellationToken cancellationToken)
    {
        if (agentKeys.FirstOrDefault(key => key.PublicKey.Equals(certificate)) is { } same)
        {
            return same;
        }

        if (agentKeys.FirstOrDefault(key => key.PublicKey.Equals(certificate.PlainKey)) is { } plain)
        {
            return new CertificateSigner(plain, certificate);
        }

        foreach (var identity in identities.Where(identity => identity.PublicKey is { } known && known.PlainKey.Equals(certificate.PlainKey)))
        {
            try
            {
                var signer = await KeyFileSigner.OpenAsync(identity.Path, askPassphrase, used: adder?.For(identity.Path), cancellationToken: cancellationToken).ConfigureAwait(false);
                _opened.Add(signer);
                return new CertificateSigner(signer, certificate);
            }
            catch (SshException e)
            {
                log.Write(OpenSshLogLevel.Debug1, e.Message);
            }
        }

        log.Write(OpenSshLogLevel.Debug1, $"no private key for certificate {PeerText.Escape(certificate.ToString() ?? "", 255)}");
        return null;
    }

    private static PublicKey? TryReadPublicKey(string path)
    {
        try
        {
            return KeyFile.ReadPublicKey(path, out _);
        }
        catch (SshException)
        {
            return null; // not there, or encrypted throughout: the private key tells, when its turn comes
        }
    }
}
