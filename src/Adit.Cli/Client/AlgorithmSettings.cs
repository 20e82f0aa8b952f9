using Adit.Cli.Diagnostics;
using Adit.Ssh.Cryptography;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>What Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms, PubkeyAcceptedAlgorithms and Compression come to. The lists were checked when they were read.</summary>
internal static class AlgorithmSettings
{
    public static AlgorithmPreferences Build(SshConfigValues config, LogOutput log)
    {
        var defaults = Algorithms.DefaultPreferences;
        return new AlgorithmPreferences
        {
            KeyExchange = Apply(config.Get(SshConfigKeywords.KexAlgorithms), AlgorithmKind.KeyExchange, defaults.KeyExchange, log),
            HostKey = Apply(config.Get(SshConfigKeywords.HostKeyAlgorithms), AlgorithmKind.HostKey, defaults.HostKey, log),
            Ciphers = Apply(config.Get(SshConfigKeywords.Ciphers), AlgorithmKind.Cipher, defaults.Ciphers, log),
            Macs = Apply(config.Get(SshConfigKeywords.Macs), AlgorithmKind.Mac, defaults.Macs, log),
            PublicKey = Apply(config.Get(SshConfigKeywords.PubkeyAcceptedAlgorithms), AlgorithmKind.HostKey, defaults.PublicKey, log),
            Compression = config.Get(SshConfigKeywords.Compression) ? ["zlib@openssh.com", "none"] : ["none", "zlib@openssh.com"],
        };
    }

    /// <summary>CASignatureAlgorithms; null where it is not set.</summary>
    public static IReadOnlyList<string>? CertificateAuthority(SshConfigValues config, LogOutput log) =>
        config.Get(SshConfigKeywords.CASignatureAlgorithms) is { } spec
            ? Apply(spec, AlgorithmKind.HostKey, [.. Algorithms.HostKey.Where(row => !row.IsCertificate && row.Name != "ssh-rsa").Select(row => row.Name)], log)
            : null;

    /// <summary>True where a list of host key algorithms is to be taken as it stands, not reordered by what known_hosts has.</summary>
    public static bool IsFixedOrder(string? spec) => spec is not (null or ['+' or '-', ..]);

    private static IReadOnlyList<string> Apply(string? spec, AlgorithmKind kind, IReadOnlyList<string> defaults, LogOutput log)
    {
        if (spec is null)
        {
            return defaults;
        }

        var result = Algorithms.ApplySpec(kind, defaults, spec);
        foreach (var name in result.Skipped)
        {
            log.Write(OpenSshLogLevel.Debug1, $"algorithm {name} is not available here: left out");
        }

        return result.Names;
    }
}
