using System.Collections.Immutable;
using System.Security.Cryptography;
using Adit.Ssh.Cryptography.PostQuantum;

namespace Adit.Ssh.Cryptography;

/// <summary>What the rows of <see cref="Algorithms"/> are rows of.</summary>
public enum AlgorithmKind
{
    /// <summary>KexAlgorithms</summary>
    KeyExchange,
    /// <summary>HostKeyAlgorithms, and with the same names PubkeyAcceptedAlgorithms and CASignatureAlgorithms.</summary>
    HostKey,
    /// <summary>Ciphers</summary>
    Cipher,
    /// <summary>MACs</summary>
    Mac,
    /// <summary>Compression methods.</summary>
    Compression,
}

/// <summary>Every algorithm this library has, as data: negotiation, configuration and -Q read the same rows. Best first.</summary>
public static class Algorithms
{
    internal const string ChaCha20Poly1305 = "chacha20-poly1305@openssh.com";

    /// <summary>Key exchange methods.</summary>
    public static ImmutableArray<KeyExchangeAlgorithm> KeyExchange { get; } =
    [
        Hybrid("mlkem768x25519-sha256", HashAlgorithmName.SHA256, () => PlatformMlKem768.Best),
        Hybrid("sntrup761x25519-sha512", HashAlgorithmName.SHA512, () => Sntrup761.Instance),
        Hybrid("sntrup761x25519-sha512@openssh.com", HashAlgorithmName.SHA512, () => Sntrup761.Instance),
        new("curve25519-sha256", HashAlgorithmName.SHA256, KeyExchangeKind.Ecdh, () => new Curve25519KeyAgreement()),
        new("curve25519-sha256@libssh.org", HashAlgorithmName.SHA256, KeyExchangeKind.Ecdh, () => new Curve25519KeyAgreement()),
        new("ecdh-sha2-nistp256", HashAlgorithmName.SHA256, KeyExchangeKind.Ecdh, () => new NistEcdhKeyAgreement(ECCurve.NamedCurves.nistP256, 32)),
        new("ecdh-sha2-nistp384", HashAlgorithmName.SHA384, KeyExchangeKind.Ecdh, () => new NistEcdhKeyAgreement(ECCurve.NamedCurves.nistP384, 48)),
        new("ecdh-sha2-nistp521", HashAlgorithmName.SHA512, KeyExchangeKind.Ecdh, () => new NistEcdhKeyAgreement(ECCurve.NamedCurves.nistP521, 66)),
        new("diffie-hellman-group-exchange-sha256", HashAlgorithmName.SHA256, KeyExchangeKind.DhGroupExchange, null),
        new("diffie-hellman-group16-sha512", HashAlgorithmName.SHA512, KeyExchangeKind.Dh, () => new DhKeyAgreement(Rfc3526.Group16)),
        new("diffie-hellman-group18-sha512", HashAlgorithmName.SHA512, KeyExchangeKind.Dh, () => new DhKeyAgreement(Rfc3526.Group18)),
        new("diffie-hellman-group14-sha256", HashAlgorithmName.SHA256, KeyExchangeKind.Dh, () => new DhKeyAgreement(Rfc3526.Group14)),
    ];

    /// <summary>Signature algorithms of host and user keys.</summary>
    public static ImmutableArray<HostKeyAlgorithm> HostKey { get; } =
    [
        Certificate("ssh-ed25519", "ssh-ed25519", HashAlgorithmName.SHA512),
        Certificate("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", HashAlgorithmName.SHA256),
        Certificate("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", HashAlgorithmName.SHA384),
        Certificate("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", HashAlgorithmName.SHA512),
        Certificate("rsa-sha2-512", "ssh-rsa", HashAlgorithmName.SHA512),
        Certificate("rsa-sha2-256", "ssh-rsa", HashAlgorithmName.SHA256),
        Plain("ssh-ed25519", "ssh-ed25519", HashAlgorithmName.SHA512),
        Plain("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", HashAlgorithmName.SHA256),
        Plain("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", HashAlgorithmName.SHA384),
        Plain("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", HashAlgorithmName.SHA512),
        Plain("rsa-sha2-512", "ssh-rsa", HashAlgorithmName.SHA512),
        Plain("rsa-sha2-256", "ssh-rsa", HashAlgorithmName.SHA256),
        Certificate("ssh-rsa", "ssh-rsa", HashAlgorithmName.SHA1),
        Plain("ssh-rsa", "ssh-rsa", HashAlgorithmName.SHA1),
    ];

    /// <summary>Ciphers. AES-GCM stands first where the processor does AES itself: it is then several times faster than anything else here.</summary>
    public static ImmutableArray<CipherAlgorithm> Ciphers { get; } = OrderCiphers(
        [
            new("aes128-gcm@openssh.com", keySize: 16, ivSize: 12, blockSize: 16, isAead: true, securityBits: 128),
            new("aes256-gcm@openssh.com", keySize: 32, ivSize: 12, blockSize: 16, isAead: true, securityBits: 256),
        ],
        new(ChaCha20Poly1305, keySize: 64, ivSize: 0, blockSize: 8, isAead: true, securityBits: 256),
        [
            new("aes128-ctr", keySize: 16, ivSize: 16, blockSize: 16, isAead: false, securityBits: 128),
            new("aes192-ctr", keySize: 24, ivSize: 16, blockSize: 16, isAead: false, securityBits: 192),
            new("aes256-ctr", keySize: 32, ivSize: 16, blockSize: 16, isAead: false, securityBits: 256),
        ]);

    /// <summary>MACs, for ciphers that do not authenticate by themselves.</summary>
    public static ImmutableArray<MacAlgorithm> Macs { get; } =
    [
        new("hmac-sha2-256-etm@openssh.com", HashAlgorithmName.SHA256, size: 32, isEtm: true),
        new("hmac-sha2-512-etm@openssh.com", HashAlgorithmName.SHA512, size: 64, isEtm: true),
        new("hmac-sha2-256", HashAlgorithmName.SHA256, size: 32, isEtm: false),
        new("hmac-sha2-512", HashAlgorithmName.SHA512, size: 64, isEtm: false),
        new("hmac-sha1-etm@openssh.com", HashAlgorithmName.SHA1, size: 20, isEtm: true),
        new("hmac-sha1", HashAlgorithmName.SHA1, size: 20, isEtm: false),
    ];

    /// <summary>Compression methods. "zlib@openssh.com" begins after authentication.</summary>
    public static ImmutableArray<string> Compression { get; } = ["none", "zlib@openssh.com"];

    /// <summary>What is offered unless the user says otherwise: everything but what rests on SHA-1.</summary>
    public static AlgorithmPreferences DefaultPreferences { get; } = new()
    {
        KeyExchange = [.. KeyExchange.Where(a => a.Hash != HashAlgorithmName.SHA1).Select(a => a.Name)],
        HostKey = [.. HostKey.Where(a => a.Hash != HashAlgorithmName.SHA1).Select(a => a.Name)],
        Ciphers = [.. Ciphers.Select(a => a.Name)],
        Macs = [.. Macs.Where(a => a.Hash != HashAlgorithmName.SHA1).Select(a => a.Name)],
        Compression = Compression,
        PublicKey = [.. HostKey.Where(a => a.Hash != HashAlgorithmName.SHA1).Select(a => a.Name)],
    };

    /// <summary>The key exchange method of that name, or null.</summary>
    public static KeyExchangeAlgorithm? FindKeyExchange(string name) => KeyExchange.FirstOrDefault(a => a.Name == name);

    /// <summary>The signature algorithm of that name, or null.</summary>
    public static HostKeyAlgorithm? FindHostKey(string name) => HostKey.FirstOrDefault(a => a.Name == name);

    /// <summary>The cipher of that name, or null.</summary>
    public static CipherAlgorithm? FindCipher(string name) => Ciphers.FirstOrDefault(a => a.Name == name);

    /// <summary>The MAC of that name, or null.</summary>
    public static MacAlgorithm? FindMac(string name) => Macs.FirstOrDefault(a => a.Name == name);

    /// <summary>The names of everything supported, best first: what -Q prints.</summary>
    public static IReadOnlyList<string> Supported(AlgorithmKind kind) => kind switch
    {
        AlgorithmKind.KeyExchange => [.. KeyExchange.Select(a => a.Name)],
        AlgorithmKind.HostKey => [.. HostKey.Select(a => a.Name)],
        AlgorithmKind.Cipher => [.. Ciphers.Select(a => a.Name)],
        AlgorithmKind.Mac => [.. Macs.Select(a => a.Name)],
        AlgorithmKind.Compression => Compression,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>The names offered by default, best first.</summary>
    public static IReadOnlyList<string> Defaults(AlgorithmKind kind) => kind switch
    {
        AlgorithmKind.KeyExchange => DefaultPreferences.KeyExchange,
        AlgorithmKind.HostKey => DefaultPreferences.HostKey,
        AlgorithmKind.Cipher => DefaultPreferences.Ciphers,
        AlgorithmKind.Mac => DefaultPreferences.Macs,
        AlgorithmKind.Compression => DefaultPreferences.Compression,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    /// <summary>True for a key exchange whose secret a quantum computer could not find out later; false for others and for names that are not known.</summary>
    public static bool IsPostQuantum(string keyExchange) => FindKeyExchange(keyExchange) is { IsPostQuantum: true };

    /// <inheritdoc cref="AlgorithmSpec.Apply"/>
    public static AlgorithmSpecResult ApplySpec(AlgorithmKind kind, IReadOnlyList<string> defaults, string spec) =>
        AlgorithmSpec.Apply(kind, defaults, spec);

    private static ImmutableArray<CipherAlgorithm> OrderCiphers(CipherAlgorithm[] gcm, CipherAlgorithm chacha, CipherAlgorithm[] ctr)
    {
        bool hardwareAes = System.Runtime.Intrinsics.X86.Aes.IsSupported || System.Runtime.Intrinsics.Arm.Aes.IsSupported;
        return hardwareAes ? [.. gcm, chacha, .. ctr] : [chacha, .. gcm, .. ctr];
    }

    private static KeyExchangeAlgorithm Hybrid(string name, HashAlgorithmName hash, Func<Kem> kem) =>
        new(name, hash, KeyExchangeKind.Ecdh, () => new HybridKeyAgreement(kem(), hash), isPostQuantum: true);

    private static HostKeyAlgorithm Plain(string name, string keyType, HashAlgorithmName hash) => new(name, keyType, name, keyType, hash);

    private static HostKeyAlgorithm Certificate(string plainName, string plainKeyType, HashAlgorithmName hash) =>
        new(plainName + "-cert-v01@openssh.com", plainKeyType + "-cert-v01@openssh.com", plainName, plainKeyType, hash);
}
