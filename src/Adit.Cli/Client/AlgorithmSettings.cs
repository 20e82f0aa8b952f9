using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Cryptography;

namespace Adit.Cli.Client;

/// <summary>What Ciphers, MACs, KexAlgorithms, HostKeyAlgorithms, PubkeyAcceptedAlgorithms and Compression come to.</summary>
internal static class AlgorithmSettings
{
    public static AlgorithmPreferences Build(ClientConfig config, LogOutput log)
    {
        var defaults = Algorithms.DefaultPreferences;
        return new AlgorithmPreferences
        {
            KeyExchange = Apply(config["KexAlgorithms"], AlgorithmKind.KeyExchange, defaults.KeyExchange, "Bad SSH2 KexAlgorithms", log),
            HostKey = Apply(config["HostKeyAlgorithms"], AlgorithmKind.HostKey, defaults.HostKey, "Bad key types", log),
            Ciphers = Apply(config["Ciphers"], AlgorithmKind.Cipher, defaults.Ciphers, "Bad SSH2 cipher spec", log),
            Macs = Apply(config["MACs"], AlgorithmKind.Mac, defaults.Macs, "Bad SSH2 MAC spec", log),
            PublicKey = Apply(config["PubkeyAcceptedAlgorithms"] ?? config["PubkeyAcceptedKeyTypes"], AlgorithmKind.HostKey, defaults.PublicKey, "Bad key types", log),
            Compression = config.IsYes("Compression", false) ? ["zlib@openssh.com", "none"] : ["none", "zlib@openssh.com"],
        };
    }

    /// <summary>CASignatureAlgorithms; null where it is not set.</summary>
    public static IReadOnlyList<string>? CertificateAuthority(ClientConfig config, LogOutput log) =>
        config["CASignatureAlgorithms"] is { } spec
            ? Apply(spec, AlgorithmKind.HostKey, [.. Algorithms.HostKey.Where(row => !row.IsCertificate && row.Name != "ssh-rsa").Select(row => row.Name)], "Bad key types", log)
            : null;

    private static IReadOnlyList<string> Apply(string? spec, AlgorithmKind kind, IReadOnlyList<string> defaults, string complaint, LogOutput log)
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

        return result.Succeeded
            ? result.Names
            : throw new SshException(SshError.Configuration, $"{complaint} '{spec}'.") { Hint = $"\"{result.BadName}\" is not available here. \"adit -Q {Topic(kind)}\" lists what is." };
    }

    private static string Topic(AlgorithmKind kind) => kind switch
    {
        AlgorithmKind.KeyExchange => "kex",
        AlgorithmKind.HostKey => "key-sig",
        AlgorithmKind.Cipher => "cipher",
        _ => "mac",
    };
}
