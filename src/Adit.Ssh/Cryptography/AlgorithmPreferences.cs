namespace Adit.Ssh.Cryptography;

/// <summary>The algorithm names a side offers, best first, as they go into SSH_MSG_KEXINIT. The defaults come from <c>Algorithms</c>.</summary>
public sealed class AlgorithmPreferences
{
    /// <summary>KexAlgorithms.</summary>
    public IReadOnlyList<string> KeyExchange { get; init; } = [];

    /// <summary>HostKeyAlgorithms: signature algorithms, certificate forms included.</summary>
    public IReadOnlyList<string> HostKey { get; init; } = [];

    /// <summary>Ciphers, for both directions.</summary>
    public IReadOnlyList<string> Ciphers { get; init; } = [];

    /// <summary>MACs, for both directions; unused with AEAD ciphers.</summary>
    public IReadOnlyList<string> Macs { get; init; } = [];

    /// <summary>Compression methods, for both directions: "none", "zlib@openssh.com".</summary>
    public IReadOnlyList<string> Compression { get; init; } = ["none", "zlib@openssh.com"];

    /// <summary>PubkeyAcceptedAlgorithms: what a client signs with and a server accepts (its server-sig-algs).</summary>
    public IReadOnlyList<string> PublicKey { get; init; } = [];
}
