using Adit.Ssh.Cryptography;

namespace Adit.Cli.CommandLine;

/// <summary>-Q: what this program can do, one name per line.</summary>
internal static class AlgorithmQuery
{
    private static readonly string[] Topics =
        ["cipher", "cipher-auth", "compression", "kex", "key", "key-cert", "key-plain", "key-sig", "key-ca-sign", "mac", "protocol-version", "sig"];

    /// <summary>The lines for a topic of ssh(1) or the configuration keyword whose values they are, in any case; null for anything else.</summary>
    public static IReadOnlyList<string>? Find(string query) => query.ToLowerInvariant() switch
    {
        "cipher" or "ciphers" => Algorithms.Supported(AlgorithmKind.Cipher),
        "cipher-auth" => [.. Algorithms.Ciphers.Where(cipher => cipher.IsAead).Select(cipher => cipher.Name)],
        "compression" => Algorithms.Supported(AlgorithmKind.Compression),
        "kex" or "kexalgorithms" => Algorithms.Supported(AlgorithmKind.KeyExchange),
        "mac" or "macs" => Algorithms.Supported(AlgorithmKind.Mac),
        "key" => [.. Algorithms.HostKey.Select(algorithm => algorithm.KeyType).Distinct()],
        "key-cert" => [.. Algorithms.HostKey.Where(algorithm => algorithm.IsCertificate).Select(algorithm => algorithm.KeyType).Distinct()],
        "key-plain" => [.. Algorithms.HostKey.Where(algorithm => !algorithm.IsCertificate).Select(algorithm => algorithm.KeyType).Distinct()],
        "key-sig" or "hostkeyalgorithms" or "pubkeyacceptedalgorithms" or "pubkeyacceptedkeytypes" or "hostbasedacceptedalgorithms" or "hostbasedkeytypes"
            or "hostbasedacceptedkeytypes" => Algorithms.Supported(AlgorithmKind.HostKey),
        "sig" or "key-ca-sign" or "casignaturealgorithms" => [.. Algorithms.HostKey.Where(algorithm => !algorithm.IsCertificate).Select(algorithm => algorithm.Name)],
        "protocol-version" => ["2"],
        "help" => Topics,
        _ => null,
    };
}
