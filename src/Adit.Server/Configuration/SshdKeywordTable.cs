using System.Collections.Frozen;
using Adit.Ssh.Cryptography;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>All rows: those of <see cref="SshdKeywords"/>, and the keywords that are only known by name.</summary>
public static class SshdKeywordTable
{
    private const string Unsupported = "unsupported option \"{0}\".";

    private static readonly string[] None = ["none"];

    private const string ForHostbased = "for HostbasedAuthentication";

    /// <summary>Their subject is not there, so there is nothing they could change. Each with its default, which -T shows.</summary>
    private static readonly SshdKeyword[] WithoutEffect =
    [
        Inert("DebianBanner", null, Flag, "the version that clients see names no distribution; VersionAddendum adds what one likes"),
        Inert("SecurityKeyProvider", "internal", arguments => [arguments.NextNamed()], "the server checks what security keys sign, and needs no library for it"),
        Inert("SshdAuthPath", null, ValueReaders.Words, "one program does it all"),
        Inert("SshdSessionPath", null, ValueReaders.Words, "one program does it all"),

        // A way to log in that is not there: leaving it out lets in fewer people, not more.
        Inert("HostbasedAcceptedAlgorithms", null, KeyTypes, ForHostbased, inMatch: true),
        Inert("HostbasedAcceptedKeyTypes", null, KeyTypes, ForHostbased, inMatch: true),
        Inert("HostbasedAuthentication", "no", Flag, "hosts do not vouch for users here; for yes a warning tells", "hosts do not vouch for users here: such logins are refused, others are not", inMatch: true),
        Inert("HostbasedUsesNameFromPacketOnly", "no", Flag, ForHostbased, inMatch: true),
        Inert("IgnoreRhosts", "yes", Choices(Unsupported, named: false, "yes", "no", "shosts-only"), ForHostbased, inMatch: true),
        Inert("IgnoreUserKnownHosts", "no", Flag, ForHostbased, inMatch: true),
    ];

    /// <summary>They restrict: leaving them out would let in more than the configuration says.</summary>
    private static readonly SshdKeyword[] Refused = [.. Refuse(inMatch: true, None, "setting RDomain not supported on this platform.", "RDomain")];

    private static readonly SshdKeyword[] Old =
    [
        .. Checked(Flag, inMatch: true, "GSSAPIAuthentication", "KerberosAuthentication"),
        .. Checked(Flag, inMatch: false, "GSSAPICleanupCredentials", "GSSAPIKeyExchange", "GSSAPIStoreCredentialsOnRekey", "GSSAPIStrictAcceptorCheck", "KerberosOrLocalPasswd",
            "KerberosTicketCleanup"),
        .. Checked(GssKeyExchanges, inMatch: false, "GSSAPIKexAlgorithms"),
        .. Ignored(KeywordSupport.Unsupported, inMatch: false, "AFSTokenPassing", "GSSAPIDelegateCredentials", "GSSUseSessionCCache", "GSSAPIUseSessionCredCache", "KerberosGetAFSToken",
            "KerberosTgtPassing", "KerberosUseKuserok"),
        .. Ignored(KeywordSupport.Deprecated, inMatch: false, "AuthorizedKeysFile2", "CheckMail", "KeyRegenerationInterval", "PAMAuthenticationViaKbdInt", "Protocol",
            "ReverseMappingCheck", "RhostsAuthentication", "RhostsRSAAuthentication", "RSAAuthentication", "ServerKeyBits", "ShowPatchLevel", "UseLogin", "UsePrivilegeSeparation", "VerifyReverseMapping"),
    ];

    /// <summary>Versions of the protocol, of which there is one left.</summary>
    internal static SshdKeyword Protocol { get; } = Old.First(row => row.Name == "Protocol");

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
        .. SessionKeywords.All, .. X11Keywords.All, .. TunnelKeywords.All, .. LoginKeywords.All, .. LogKeywords.All,
        .. WithoutEffect, .. Refused, .. Old,
    ];

    private static readonly FrozenDictionary<string, SshdKeyword> ByName = All
        .SelectMany(row => row.Aliases.Prepend(row.Name).Select(name => KeyValuePair.Create(name, row)))
        .ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>The row of a keyword or one of its older names, in any case; null for an unknown one.</summary>
    public static SshdKeyword? Find(string name) => ByName.GetValueOrDefault(name);

    private static SshdKeyword<IReadOnlyList<string>> Inert(string name, string? usual, Func<SshdArguments, IReadOnlyList<string>> read, string note, string? warning = null, bool inMatch = false) =>
        new(name, usual is null ? [] : [usual], read)
        {
            InMatch = inMatch,
            Support = KeywordSupport.NoEffect,
            Note = note,
            Warning = warning,
            HarmlessValues = usual is null ? [] : [usual],
            Show = words => words.Count == 0 || usual is null ? [] : [string.Join(' ', words)],
        };

    /// <summary>One of some words. What is wrong is told whether it would have an effect or not.</summary>
    private static Func<SshdArguments, IReadOnlyList<string>> Choices(string complaint, bool named, params string[] choices) => arguments =>
    {
        var word = named ? arguments.NextNamed() : arguments.Next();
        return choices.Contains(word, StringComparer.OrdinalIgnoreCase)
            ? [word.ToLowerInvariant()]
            : throw arguments.Error(complaint.Replace("{0}", PeerText.Escape(word, 100), StringComparison.Ordinal), $"It is one of {string.Join(", ", choices)}.");
    };

    private static IReadOnlyList<string> Flag(SshdArguments arguments) => Choices(Unsupported, named: false, "yes", "no")(arguments);

    /// <summary>Algorithms of keys, checked as if they were used.</summary>
    private static IReadOnlyList<string> KeyTypes(SshdArguments arguments) => AlgorithmList.Reader(AlgorithmKind.HostKey, AlgorithmList.Default(AlgorithmKind.HostKey), "key types")(arguments).Names;

    /// <summary>Key exchanges of Debian's OpenSSH.</summary>
    private static IReadOnlyList<string> GssKeyExchanges(SshdArguments arguments)
    {
        var list = arguments.Next("Missing argument.");
        return GssKeyExchangeNames.FindUnknown(list) is { } unknown
            ? throw arguments.ErrorAfter($"Unsupported KEX algorithm \"{PeerText.Escape(unknown, 100)}\"", $"Bad GSSAPI KexAlgorithms '{PeerText.Escape(list, 1024)}'.")
            : [list];
    }

    private static IEnumerable<SshdKeyword> Refuse(bool inMatch, string[] harmless, string refusal, params string[] names) =>
        names.Select(name => new SshdKeyword<IReadOnlyList<string>>(name, [], ValueReaders.Anything)
        {
            InMatch = inMatch,
            Support = KeywordSupport.RefusedYet,
            HarmlessValues = harmless,
            Refusal = refusal,
        });

    /// <summary>What Debian's OpenSSH knows and checks. "no" asks for nothing, so nothing is said about it.</summary>
    private static IEnumerable<SshdKeyword> Checked(Func<SshdArguments, IReadOnlyList<string>> read, bool inMatch, params string[] names) =>
        names.Select(name => new SshdKeyword<IReadOnlyList<string>>(name, [], read) { InMatch = inMatch, Support = KeywordSupport.Unsupported, HarmlessValues = ["no"] });

    private static IEnumerable<SshdKeyword> Ignored(KeywordSupport support, bool inMatch, params string[] names) =>
        names.Select(name => new SshdKeyword<IReadOnlyList<string>>(name, [], ValueReaders.Anything) { InMatch = inMatch, Support = support });
}
