using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.OpenSsh;

/// <summary>How host keys are looked up, asked about and recorded. Names are those of ssh_config(5).</summary>
public sealed class KnownHostsOptions
{
    /// <summary>StrictHostKeyChecking.</summary>
    public HostKeyPolicy Policy { get; set; } = HostKeyPolicy.Ask;

    /// <summary>UserKnownHostsFile: read in this order; new keys are added to the first. Null for ~/.ssh/known_hosts and ~/.ssh/known_hosts2; empty for none.</summary>
    public IReadOnlyList<string>? UserFiles { get; set; }

    /// <summary>GlobalKnownHostsFile: read after the user's. Null for /etc/ssh/ssh_known_hosts and ssh_known_hosts2.</summary>
    public IReadOnlyList<string>? GlobalFiles { get; set; }

    /// <summary>HashKnownHosts: names are added as hashes.</summary>
    public bool HashKnownHosts { get; set; }

    /// <summary>HostKeyAlias: the name to look up and record in place of the host's; no port is put to it.</summary>
    public string? HostKeyAlias { get; set; }

    /// <summary>CheckHostIP: the address is looked up and recorded too.</summary>
    public bool CheckHostIP { get; set; }

    /// <summary>NoHostAuthenticationForLocalhost: any key of a loopback address is accepted.</summary>
    public bool NoHostAuthenticationForLocalhost { get; set; }

    /// <summary>CASignatureAlgorithms: what a host certificate may be signed with. Null for all but SHA-1.</summary>
    public IReadOnlyList<string>? CASignatureAlgorithms { get; set; }

    /// <summary>RevokedHostKeys: files of keys that are refused whatever else is known. Where one cannot be read every key is refused.</summary>
    public IReadOnlyList<string> RevokedHostKeys { get; set; } = [];

    /// <summary>KnownHostsCommand: is asked besides the files and answers with lines as in known_hosts; null or nothing where it knows nothing. Called where files are read,
    /// so it must not take long; the key exchange waits for it.</summary>
    public Func<KnownHostsQuery, string?>? Command { get; set; }

    /// <summary>FingerprintHash: "SHA256" or "MD5".</summary>
    public string FingerprintHash { get; set; } = "SHA256";

    /// <summary>VisualHostKey: draws a picture of a key, several lines without an end; null where none is wanted.</summary>
    public Func<PublicKey, string>? Draw { get; set; }

    internal string Fingerprint(PublicKey key) => FingerprintHash.Equals("MD5", StringComparison.OrdinalIgnoreCase) ? key.FingerprintMd5 : key.Fingerprint;

    /// <summary>Asks a person, for <see cref="HostKeyPolicy.Ask"/>: gets the whole prompt, returns the line that was typed, or null where nobody can be asked
    /// (a null callback is the same: the key is then refused, as with BatchMode).</summary>
    public Func<string, CancellationToken, ValueTask<string?>>? Confirm { get; set; }

    /// <summary>Gets the lines meant for a person ("Warning: Permanently added …", the block about a changed key), one by one and in order.
    /// Null sends them to <see cref="Logger"/>, at Error and Warning.</summary>
    public Action<string>? Warn { get; set; }

    public ILogger Logger { get; set; } = NullLogger.Instance;

    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>The options that resolved ssh_config values stand for. <see cref="Confirm"/>, <see cref="Warn"/> and <see cref="Logger"/> are left to the caller.</summary>
    public static KnownHostsOptions FromConfig(SshConfigValues values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new KnownHostsOptions
        {
            Policy = values.Get(SshConfigKeywords.StrictHostKeyChecking),
            UserFiles = values.UserKnownHostsFiles,
            GlobalFiles = values.GlobalKnownHostsFiles,
            HashKnownHosts = values.Get(SshConfigKeywords.HashKnownHosts),
            HostKeyAlias = values.Get(SshConfigKeywords.HostKeyAlias),
            CheckHostIP = values.Get(SshConfigKeywords.CheckHostIP),
            NoHostAuthenticationForLocalhost = values.Get(SshConfigKeywords.NoHostAuthenticationForLocalhost),
            RevokedHostKeys = values.RevokedHostKeysFiles,
            CASignatureAlgorithms = values.IsSet(SshConfigKeywords.CASignatureAlgorithms)
                ? SshConfigRows.ApplyAlgorithms("CASignatureAlgorithms", AlgorithmKind.HostKey, values.Get(SshConfigKeywords.CASignatureAlgorithms))
                : null,
            FingerprintHash = values.Get(SshConfigKeywords.FingerprintHash) ?? "SHA256",
        };
    }

    internal IReadOnlyList<string> UserFilesOrDefault => UserFiles ?? [LocalUser.InHome(".ssh/known_hosts"), LocalUser.InHome(".ssh/known_hosts2")];

    internal IReadOnlyList<string> GlobalFilesOrDefault => GlobalFiles ?? ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
}
