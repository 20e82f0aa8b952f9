using System.Collections.Frozen;

namespace Adit.Server.Configuration;

/// <summary>All rows: those of <see cref="SshdKeywords"/>, and the keywords that are only known by name.</summary>
public static class SshdKeywordTable
{
    private static readonly string[] None = ["none"];

    /// <summary>Their subject (tunnels, hosts that vouch for users) is not offered by this version, so there is nothing they could change. Each with its default, which -T shows.</summary>
    private static readonly SshdKeyword[] WithoutEffect =
    [
        .. Inert(inMatch: true, ("IPQoS", "lowdelay throughput"), ("LogVerbose", null), ("PermitTunnel", "no")),
        .. Inert(inMatch: false, ("DebianBanner", null), ("FingerprintHash", "SHA256"),
            ("SecurityKeyProvider", "internal"), ("SshdAuthPath", null), ("SshdSessionPath", null)),

        // A way to log in that is not there: leaving it out lets in fewer people, not more.
        .. Inert(inMatch: true, ("HostbasedAcceptedAlgorithms", null), ("HostbasedAcceptedKeyTypes", null),
            ("HostbasedAuthentication", "no"), ("HostbasedUsesNameFromPacketOnly", "no"), ("IgnoreRhosts", "yes"), ("IgnoreUserKnownHosts", "no")),
    ];

    /// <summary>They restrict: leaving them out would let in more than the configuration says.</summary>
    private static readonly SshdKeyword[] Refused = [.. Refuse(inMatch: true, None, "RDomain")];

    private static readonly SshdKeyword[] Old =
    [
        .. Ignored(KeywordSupport.Unsupported, inMatch: true, "GSSAPIAuthentication", "KerberosAuthentication"),
        .. Ignored(KeywordSupport.Unsupported, inMatch: false, "AFSTokenPassing", "GSSAPICleanupCredentials", "GSSAPIDelegateCredentials", "GSSAPIKexAlgorithms", "GSSAPIKeyExchange",
            "GSSAPIStoreCredentialsOnRekey", "GSSAPIStrictAcceptorCheck", "GSSUseSessionCCache", "GSSAPIUseSessionCredCache", "KerberosGetAFSToken", "KerberosOrLocalPasswd",
            "KerberosTgtPassing", "KerberosTicketCleanup", "KerberosUseKuserok"),
        .. Ignored(KeywordSupport.Deprecated, inMatch: false, "AuthorizedKeysFile2", "CheckMail", "KeyRegenerationInterval", "PAMAuthenticationViaKbdInt", "Protocol",
            "ReverseMappingCheck", "RhostsAuthentication", "RhostsRSAAuthentication", "RSAAuthentication", "ServerKeyBits", "ShowPatchLevel", "SkeyAuthenticationTimeout",
            "UseLogin", "UsePrivilegeSeparation", "VerifyReverseMapping"),
    ];

    /// <summary>Every keyword but Match and Include, in the order <c>sshd -T</c> prints them here.</summary>
    public static IReadOnlyList<SshdKeyword> All { get; } =
    [
        SshdKeywords.Port, SshdKeywords.AddressFamily, SshdKeywords.ListenAddress, SshdKeywords.UsePam, SshdKeywords.LoginGraceTime,
        SshdKeywords.MaxAuthTries, SshdKeywords.ClientAliveInterval, SshdKeywords.ClientAliveCountMax, SshdKeywords.RequiredRsaSize,
        SshdKeywords.PermitRootLogin, SshdKeywords.PubkeyAuthentication, SshdKeywords.PasswordAuthentication,
        SshdKeywords.KbdInteractiveAuthentication, SshdKeywords.StrictModes, SshdKeywords.TcpKeepAlive, SshdKeywords.PermitEmptyPasswords,
        SshdKeywords.Compression, SshdKeywords.GatewayPorts, SshdKeywords.UseDns, SshdKeywords.AllowTcpForwarding, SshdKeywords.AllowAgentForwarding, SshdKeywords.DisableForwarding,
        SshdKeywords.AllowStreamLocalForwarding, SshdKeywords.StreamLocalBindMask, SshdKeywords.StreamLocalBindUnlink, SshdKeywords.PidFile, SshdKeywords.ModuliFile, SshdKeywords.Ciphers, SshdKeywords.Macs, SshdKeywords.Banner,
        SshdKeywords.VersionAddendum, SshdKeywords.KexAlgorithms, SshdKeywords.CaSignatureAlgorithms, SshdKeywords.HostKeyAlgorithms,
        SshdKeywords.PubkeyAcceptedAlgorithms, SshdKeywords.LogLevel, SshdKeywords.SyslogFacility, SshdKeywords.AuthorizedKeysFile, SshdKeywords.TrustedUserCaKeys, SshdKeywords.AuthorizedPrincipalsFile, SshdKeywords.HostKey,
        SshdKeywords.HostCertificate, SshdKeywords.AllowUsers, SshdKeywords.DenyUsers, SshdKeywords.AllowGroups, SshdKeywords.DenyGroups,
        SshdKeywords.AuthenticationMethods, SshdKeywords.MaxStartups, SshdKeywords.RekeyLimit, SshdKeywords.PermitOpen,
        SshdKeywords.PermitListen, SshdKeywords.RemoteForwardTakeoverTimeout, SshdKeywords.PubkeyAuthOptions, SshdKeywords.PermitUserEnvironment, SshdKeywords.ForceCommand,
        SshdKeywords.ChannelTimeout, SshdKeywords.UnusedConnectionTimeout,
        .. SessionKeywords.All, .. X11Keywords.All, .. LoginKeywords.All,
        .. WithoutEffect, .. Refused, .. Old,
    ];

    private static readonly FrozenDictionary<string, SshdKeyword> ByName = All
        .SelectMany(row => row.Aliases.Prepend(row.Name).Select(name => KeyValuePair.Create(name, row)))
        .ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>The row of a keyword or one of its older names, in any case; null for an unknown one.</summary>
    public static SshdKeyword? Find(string name) => ByName.GetValueOrDefault(name);

    private static IEnumerable<SshdKeyword> Inert(bool inMatch, params (string Name, string? Default)[] rows) =>
        rows.Select(row => new SshdKeyword<IReadOnlyList<string>>(row.Name, row.Default is null ? [] : [row.Default], ReaderOf(row.Default))
        {
            InMatch = inMatch,
            Support = KeywordSupport.NoEffectYet,
            Show = words => words.Count == 0 ? [] : [string.Join(' ', words)],
        });

    /// <summary>What is wrong is told whether it would have an effect or not.</summary>
    private static Func<SshdArguments, IReadOnlyList<string>> ReaderOf(string? usual) => usual switch
    {
        "yes" or "no" => arguments => [arguments.Next()],
        _ => ValueReaders.Words,
    };

    private static IEnumerable<SshdKeyword> Refuse(bool inMatch, string[] harmless, params string[] names) =>
        names.Select(name => new SshdKeyword<IReadOnlyList<string>>(name, [], ValueReaders.Anything) { InMatch = inMatch, Support = KeywordSupport.RefusedYet, HarmlessValues = harmless });

    private static IEnumerable<SshdKeyword> Ignored(KeywordSupport support, bool inMatch, params string[] names) =>
        names.Select(name => new SshdKeyword<IReadOnlyList<string>>(name, [], ValueReaders.Anything) { InMatch = inMatch, Support = support });
}
