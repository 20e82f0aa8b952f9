using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Service;

/// <summary>Loads the host keys and host certificates that sshd_config(5) names.</summary>
public static class HostKeyFiles
{
    /// <summary>Read when the configuration names none, as far as they exist.</summary>
    public static IReadOnlyList<string> Standard { get; } =
        ["/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key"];

    /// <summary>The files in use.</summary>
    public static IReadOnlyList<string> PathsOf(SshdConfig config) => config.Get(K.HostKey) is [_, ..] named ? [.. named.Where(path => path != "none")] : Standard;

    /// <summary>As <see cref="Load"/>; keys of which there is only the public half, in the file that is named or beside it, are used through HostKeyAgent where it has them.</summary>
    public static async Task<IReadOnlyList<ISigner>> LoadAsync(SshdConfig config, ILogger logger, CancellationToken cancellationToken = default)
    {
        var named = config.Get(LoginKeywords.HostKeyAgent);
        var socket = named.StartsWith('$') ? Environment.GetEnvironmentVariable(named[1..].Trim('{', '}'))
            : named == "SSH_AUTH_SOCK" ? SshAgent.DefaultSocketPath
            : SshdOptions.NoneIsNull(named);
        if (socket is null)
        {
            if (SshdOptions.NoneIsNull(named) is not null)
            {
                logger.LogError("Could not connect to agent \"{Socket}\": {Reason}", named, "agent not present");
            }

            return Load(config, logger);
        }

        try
        {
            return Load(config, logger, await new SshAgent(socket).ListAsync(cancellationToken).ConfigureAwait(false)); // the agent lives as long as its keys are used
        }
        catch (Exception error) when (error is SshException or IOException or System.Net.Sockets.SocketException)
        {
            logger.LogError("Could not connect to agent \"{Socket}\": {Reason}", named, error.Message.Replace("Error connecting to agent: ", "", StringComparison.Ordinal));
            return Load(config, logger);
        }
    }

    private static ISigner? OfAgent(string path, IReadOnlyList<ISigner> agent)
    {
        foreach (var file in agent.Count == 0 ? [] : new[] { path, path + ".pub" })
        {
            try
            {
                var key = KeyFile.ReadPublicKey(file, out _);
                if (agent.FirstOrDefault(signer => signer.PublicKey.Equals(key)) is { } found)
                {
                    return found;
                }
            }
            catch (SshException)
            {
                // Not a public key: the other file may be.
            }
        }

        return null;
    }

    /// <summary>The keys, each followed by its certificate. A file that cannot be used is logged (as an error where the configuration names it) and left out; the
    /// result is empty when none could be read.</summary>
    public static IReadOnlyList<ISigner> Load(SshdConfig config, ILogger logger, IReadOnlyList<ISigner>? agent = null)
    {
        var level = config.IsSet(K.HostKey) ? LogLevel.Error : LogLevel.Debug;
        var signers = new List<ISigner>();
        foreach (var path in PathsOf(config).Distinct())
        {
            if (OfAgent(path, agent ?? []) is { } held)
            {
                logger.LogDebug("will rely on agent for hostkey {Path}", path);
                signers.Add(held);
                continue;
            }

            try
            {
                var key = KeyFile.ReadPrivateKey(path);
                if (signers.Any(signer => signer.PublicKey.Equals(key.PublicKey)))
                {
                    key.Dispose();
                    continue;
                }

                logger.LogDebug("private host key #{Number}: {Type} {Fingerprint}", signers.Count, key.PublicKey.KeyType, key.PublicKey.Fingerprint);
                signers.Add(key);
            }
            catch (SshException error)
            {
                // A file that is not there needs no second line. Too open a file is worth an error even where nobody named it: the others could be reading it.
                if (File.Exists(path))
                {
                    logger.Log(error.Message.Contains("too open", StringComparison.Ordinal) ? LogLevel.Error : level, "{Message}", error.Message.Replace("Load key \"", "Unable to load host key \"", StringComparison.Ordinal));
                }

                logger.Log(level, "Unable to load host key: {Path}", path);
                if (error.Hint is { } hint && level == LogLevel.Error)
                {
                    logger.LogInformation("adit: {Hint}", hint);
                }
            }
        }

        foreach (var path in config.Get(K.HostCertificate).Where(path => path != "none").Distinct())
        {
            AddCertificate(signers, path, logger);
        }

        return signers;
    }

    private static void AddCertificate(List<ISigner> signers, string path, ILogger logger)
    {
        try
        {
            if (KeyFile.ReadPublicKey(path, out _) is not Certificate certificate)
            {
                logger.LogError("Certificate file is not a certificate: {Path}", path);
                return;
            }

            var index = signers.FindIndex(signer => signer.PublicKey.Equals(certificate.PlainKey));
            if (index < 0)
            {
                logger.LogError("No matching private key for certificate: {Path}", path);
                return;
            }

            signers.Insert(index + 1, new CertificateSigner(signers[index], certificate));
            logger.LogDebug("host certificate: {Certificate}", certificate);
        }
        catch (SshException error)
        {
            var file = $"Load key \"{path}\": ";
            logger.LogError("Could not load host certificate \"{Path}\": {Message}", path, error.Message.StartsWith(file, StringComparison.Ordinal) ? error.Message[file.Length..] : error.Message);
        }
    }
}
