using System.Collections.Frozen;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using static Adit.Ssh.OpenSsh.SshConfigParsers;
using static Adit.Ssh.OpenSsh.SshConfigPriority;
using static Adit.Ssh.OpenSsh.SshConfigRows;
using static Adit.Ssh.OpenSsh.SshConfigSupport;

namespace Adit.Ssh.OpenSsh;

/// <summary>The keywords of ssh_config(5), one row each: what parsing, <c>ssh -G</c> and the documentation read. Host, Match and Include are the reader's own.</summary>
public static class SshConfigKeywords
{
    private static readonly (string Word, YesNoAsk Value)[] YesNoAskWords =
        [("true", YesNoAsk.Yes), ("false", YesNoAsk.No), ("yes", YesNoAsk.Yes), ("no", YesNoAsk.No), ("ask", YesNoAsk.Ask)];

    // Where to connect to, and as whom.
    public static SshConfigKeyword<string?> HostName { get; } = Word("HostName", Essential, Supported);
    public static SshConfigKeyword<int> Port { get; } = new("Port", 22, SshConfigParsers.Port) { Priority = Essential, Support = Supported };
    public static SshConfigKeyword<string?> User { get; } = Word("User", Essential, Supported);
    public static SshConfigKeyword<SshConfigAddressFamily> AddressFamily { get; } = Choice("AddressFamily", SshConfigAddressFamily.Any, Essential, Supported,
        ("inet", SshConfigAddressFamily.Inet), ("inet6", SshConfigAddressFamily.Inet6), ("any", SshConfigAddressFamily.Any));
    public static SshConfigKeyword<string?> BindAddress { get; } = Word("BindAddress", Expected, Supported);
    public static SshConfigKeyword<string?> BindInterface { get; } = Word("BindInterface", Expected, Supported);
    public static SshConfigKeyword<int> ConnectionAttempts { get; } = Number("ConnectionAttempts", 1, Essential, Supported);
    public static SshConfigKeyword<TimeSpan?> ConnectTimeout { get; } = Duration("ConnectTimeout", null, Essential, Supported, whenUnset: "none");
    public static SshConfigKeyword<bool> TcpKeepAlive { get; } = Switch("TCPKeepAlive", true, Essential, Supported, "KeepAlive");
    /// <summary>Zero for no keepalives. OpenSSH's default is zero.</summary>
    public static SshConfigKeyword<TimeSpan?> ServerAliveInterval { get; } = Duration("ServerAliveInterval", TimeSpan.FromSeconds(15), Essential, Supported);
    public static SshConfigKeyword<int> ServerAliveCountMax { get; } = Number("ServerAliveCountMax", 3, Essential, Supported);
    public static SshConfigKeyword<IpQos> IPQoS { get; } = new("IPQoS", new IpQos(0xb8, -1), SshConfigSpecialParsers.Qos) { Support = Supported };
    public static SshConfigKeyword<string?> ProxyCommand { get; } =
        new("ProxyCommand", null, Command) { TakesRestOfLine = true, Priority = Essential, Support = Supported, Show = ShowUnlessNone };

    /// <summary>Nearest machine first, as written; empty for none.</summary>
    public static SshConfigKeyword<IReadOnlyList<JumpHost>> ProxyJump { get; } = new("ProxyJump", [], SshConfigSpecialParsers.Jump)
    {
        TakesRestOfLine = true,
        Priority = Essential,
        Support = Supported,
        Show = hops => hops.Count == 0 ? [] : [string.Join(',', hops)],
    };

    public static SshConfigKeyword<bool> ProxyUseFdpass { get; } = Switch("ProxyUseFdpass", false, Expected, Supported);

    // Forwards.
    public static SshConfigKeyword<IReadOnlyList<ForwardSpecification>> LocalForward { get; } = Forward("LocalForward", ForwardKind.Local, Supported);
    public static SshConfigKeyword<IReadOnlyList<ForwardSpecification>> RemoteForward { get; } = Forward("RemoteForward", ForwardKind.Remote, Supported);
    public static SshConfigKeyword<IReadOnlyList<ForwardSpecification>> DynamicForward { get; } = Forward("DynamicForward", ForwardKind.Dynamic, Supported);
    public static SshConfigKeyword<bool> ClearAllForwardings { get; } = Switch("ClearAllForwardings", false, Essential, Supported);
    public static SshConfigKeyword<bool> ExitOnForwardFailure { get; } = Switch("ExitOnForwardFailure", false, Essential, Supported);
    public static SshConfigKeyword<bool> GatewayPorts { get; } = Switch("GatewayPorts", false, Essential, Supported);
    public static SshConfigKeyword<PermitRemoteOpen> PermitRemoteOpen { get; } = new("PermitRemoteOpen", OpenSsh.PermitRemoteOpen.Any, SshConfigSpecialParsers.RemoteOpen) { Support = Supported };
    public static SshConfigKeyword<int> StreamLocalBindMask { get; } = new("StreamLocalBindMask", 0x7f, SshConfigSpecialParsers.Mask)
    {
        IgnoresBlocks = true,
        Join = (_, later) => later,
        Support = Supported,
        Show = mask => ["0" + Convert.ToString(mask, 8)],
    };

    public static SshConfigKeyword<bool> StreamLocalBindUnlink { get; } = Switch("StreamLocalBindUnlink", false, Essential, Supported);
    public static SshConfigKeyword<AgentForwarding> ForwardAgent { get; } =
        new("ForwardAgent", new AgentForwarding(false), SshConfigSpecialParsers.ForwardAgent) { Priority = Essential, Support = Supported, Show = value => [value.Enabled ? value.Socket ?? "yes" : "no"] };

    public static SshConfigKeyword<bool> ForwardX11 { get; } = Switch("ForwardX11", false, Expected, Supported);
    public static SshConfigKeyword<bool> ForwardX11Trusted { get; } = Switch("ForwardX11Trusted", false, Expected, Supported);
    public static SshConfigKeyword<TimeSpan?> ForwardX11Timeout { get; } = Duration("ForwardX11Timeout", TimeSpan.FromMinutes(20), Expected, Supported);
    public static SshConfigKeyword<string?> XAuthLocation { get; } = Word("XAuthLocation", Expected, Supported, "/usr/bin/xauth");
    public static SshConfigKeyword<TunnelMode> Tunnel { get; } = Choice("Tunnel", TunnelMode.No, Rare, Supported,
        ("ethernet", TunnelMode.Ethernet), ("point-to-point", TunnelMode.PointToPoint), ("true", TunnelMode.PointToPoint), ("yes", TunnelMode.PointToPoint),
        ("false", TunnelMode.No), ("no", TunnelMode.No)).With("on Linux; elsewhere refused by name");
    public static SshConfigKeyword<TunnelDevice> TunnelDevice { get; } = new("TunnelDevice", new TunnelDevice(-1, -1), SshConfigSpecialParsers.Device) { Priority = Rare, Support = Supported, Note = "see Tunnel" };

    // Logging in.
    public static SshConfigKeyword<IReadOnlyList<string>> IdentityFile { get; } = Collected("IdentityFile", 100, "identity files", "IdentityFile2");
    public static SshConfigKeyword<IReadOnlyList<string>> CertificateFile { get; } = Collected("CertificateFile", 100, "certificate files");
    public static SshConfigKeyword<bool> IdentitiesOnly { get; } = Switch("IdentitiesOnly", false, Essential, Supported);
    public static SshConfigKeyword<string?> IdentityAgent { get; } = new("IdentityAgent", null, SshConfigSpecialParsers.AgentSocket) { Priority = Essential, Support = Supported };
    public static SshConfigKeyword<AddKeysToAgent> AddKeysToAgent { get; } = new("AddKeysToAgent", default, SshConfigSpecialParsers.AddKeys) { Support = Supported, Show = ShowAddKeys };
    public static SshConfigKeyword<PubkeyAuthentication> PubkeyAuthentication { get; } = new("PubkeyAuthentication", OpenSsh.PubkeyAuthentication.Yes, OneOf(PubkeyWords))
    {
        Aliases = ["DSAAuthentication"],
        Priority = Essential,
        Support = Supported,
        Show = ShowWord(PubkeyWords),
    };

    public static SshConfigKeyword<bool> PasswordAuthentication { get; } = Switch("PasswordAuthentication", true, Essential, Supported);
    public static SshConfigKeyword<bool> KbdInteractiveAuthentication { get; } =
        Switch("KbdInteractiveAuthentication", true, Essential, Supported, "ChallengeResponseAuthentication", "SkeyAuthentication", "TISAuthentication");

    public static SshConfigKeyword<string?> KbdInteractiveDevices { get; } = Word("KbdInteractiveDevices", Rare, Supported);
    public static SshConfigKeyword<bool> HostbasedAuthentication { get; } = Switch("HostbasedAuthentication", false, Rare, WithoutEffect).With("logging in by the host's key is not built: other ways are tried, and a warning tells");
    public static SshConfigKeyword<bool> EnableSshKeysign { get; } = Switch("EnableSSHKeysign", false, Rare, WithoutEffect).With("for HostbasedAuthentication");
    public static SshConfigKeyword<string?> PreferredAuthentications { get; } = Word("PreferredAuthentications", Essential, Supported);
    public static SshConfigKeyword<int> NumberOfPasswordPrompts { get; } = Number("NumberOfPasswordPrompts", 3, Expected, Supported);
    public static SshConfigKeyword<bool> BatchMode { get; } = Switch("BatchMode", false, Essential, Supported);
    public static SshConfigKeyword<string?> Pkcs11Provider { get; } = WordUnlessNone("PKCS11Provider", Rare, WithoutEffect, "SmartcardDevice").With("an agent (ssh-add -s) can hold such keys; a warning tells");
    public static SshConfigKeyword<string?> SecurityKeyProvider { get; } = Word("SecurityKeyProvider", Rare, WithoutEffect, "internal").With("keys on a FIDO token are used through an agent");

    // Algorithms: kept as written, "+", "-" and "^" forms included.
    public static SshConfigKeyword<string?> Ciphers { get; } = AlgorithmRow("Ciphers", AlgorithmKind.Cipher, "SSH2 cipher spec");
    public static SshConfigKeyword<string?> Macs { get; } = AlgorithmRow("MACs", AlgorithmKind.Mac, "SSH2 MAC spec");
    public static SshConfigKeyword<string?> KexAlgorithms { get; } = AlgorithmRow("KexAlgorithms", AlgorithmKind.KeyExchange, "SSH2 KexAlgorithms");
    public static SshConfigKeyword<string?> HostKeyAlgorithms { get; } = AlgorithmRow("HostKeyAlgorithms", AlgorithmKind.HostKey, "key types");
    public static SshConfigKeyword<string?> PubkeyAcceptedAlgorithms { get; } = AlgorithmRow("PubkeyAcceptedAlgorithms", AlgorithmKind.HostKey, "key types", "PubkeyAcceptedKeyTypes");
    public static SshConfigKeyword<string?> HostbasedAcceptedAlgorithms { get; } = AlgorithmRow("HostbasedAcceptedAlgorithms", AlgorithmKind.HostKey, "key types", "HostbasedKeyTypes").With("for HostbasedAuthentication", WithoutEffect);
    public static SshConfigKeyword<string?> CASignatureAlgorithms { get; } = AlgorithmRow("CASignatureAlgorithms", AlgorithmKind.HostKey, "key types");
    public static SshConfigKeyword<int> RequiredRsaSize { get; } = Number("RequiredRSASize", 1024, Expected, Supported);
    public static SshConfigKeyword<RekeyLimit> RekeyLimit { get; } = new("RekeyLimit", Transport.RekeyLimit.Default, SshConfigSpecialParsers.Rekey)
    {
        Priority = Essential,
        Support = Supported,
        Show = limit => [$"{limit.Bytes ?? 0} {(long)(limit.Interval ?? TimeSpan.Zero).TotalSeconds}"],
    };

    public static SshConfigKeyword<bool> Compression { get; } = new("Compression", false, OneOf(PlainYesNo)) { Priority = Essential, Support = Supported, Show = ShowWord(PlainYesNo) };
    public static SshConfigKeyword<string?> WarnWeakCrypto { get; } = new("WarnWeakCrypto", "yes", SshConfigParsers.Text) { IsNew = true, Support = Supported, Note = "where it is not set, only a person at a terminal is warned" };

    // Host keys.
    public static SshConfigKeyword<HostKeyPolicy> StrictHostKeyChecking { get; } = Choice("StrictHostKeyChecking", HostKeyPolicy.Ask, Essential, Supported,
        ("true", HostKeyPolicy.Yes), ("false", HostKeyPolicy.No), ("yes", HostKeyPolicy.Yes), ("no", HostKeyPolicy.No), ("ask", HostKeyPolicy.Ask),
        ("off", HostKeyPolicy.No), ("accept-new", HostKeyPolicy.AcceptNew));
    public static SshConfigKeyword<IReadOnlyList<string>> UserKnownHostsFile { get; } = Words("UserKnownHostsFile", ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"], Essential, Supported);
    public static SshConfigKeyword<IReadOnlyList<string>> GlobalKnownHostsFile { get; } =
        Words("GlobalKnownHostsFile", ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"], Essential, Supported);

    public static SshConfigKeyword<string?> HostKeyAlias { get; } =
        new("HostKeyAlias", null, arguments => Text(arguments)?.ToLowerInvariant()) { Priority = Essential, Support = Supported };

    public static SshConfigKeyword<bool> HashKnownHosts { get; } = Switch("HashKnownHosts", false, Expected, Supported);
    public static SshConfigKeyword<bool> CheckHostIP { get; } = Switch("CheckHostIP", false, Expected, Supported);
    public static SshConfigKeyword<bool> NoHostAuthenticationForLocalhost { get; } = Switch("NoHostAuthenticationForLocalhost", false, Expected, Supported);
    public static SshConfigKeyword<YesNoAsk> UpdateHostKeys { get; } = Choice("UpdateHostKeys", YesNoAsk.Yes, Expected, Supported, YesNoAskWords);
    public static SshConfigKeyword<YesNoAsk> VerifyHostKeyDns { get; } = Choice("VerifyHostKeyDNS", YesNoAsk.No, Rare, WithoutEffect, YesNoAskWords).With("the DNS is not asked: known_hosts decides, and a warning tells");
    public static SshConfigKeyword<string?> KnownHostsCommand { get; } = new("KnownHostsCommand", null, Command) { Support = Supported, TakesRestOfLine = true, Show = ShowUnlessNone };
    public static SshConfigKeyword<IReadOnlyList<string>> RevokedHostKeys { get; } = new("RevokedHostKeys", [], List) { Support = Supported, Show = list => list is [] or ["none"] ? [] : [string.Join(' ', list)] };
    public static SshConfigKeyword<string?> FingerprintHash { get; } = new("FingerprintHash", "SHA256", SshConfigParsers.FingerprintHash) { Support = Supported };
    public static SshConfigKeyword<bool> VisualHostKey { get; } = Switch("VisualHostKey", false, Rare, Supported);

    // Sharing connections.
    public static SshConfigKeyword<ControlMasterMode> ControlMaster { get; } = Choice("ControlMaster", ControlMasterMode.No, Essential, Supported,
        ("true", ControlMasterMode.Yes), ("yes", ControlMasterMode.Yes), ("false", ControlMasterMode.No), ("no", ControlMasterMode.No),
        ("auto", ControlMasterMode.Auto), ("ask", ControlMasterMode.Ask), ("autoask", ControlMasterMode.AutoAsk));
    public static SshConfigKeyword<string?> ControlPath { get; } = Word("ControlPath", Essential, Supported);
    public static SshConfigKeyword<ControlPersist> ControlPersist { get; } = new("ControlPersist", default, SshConfigSpecialParsers.Persist)
    {
        Priority = Essential,
        Support = Supported,
        Show = value => [!value.Enabled ? "no" : value.Timeout is { } timeout ? $"{(long)timeout.TotalSeconds}" : "yes"],
    };

    // The session.
    public static SshConfigKeyword<SessionType> SessionType { get; } = Choice("SessionType", OpenSsh.SessionType.Default, Essential, Supported,
        ("none", OpenSsh.SessionType.None), ("subsystem", OpenSsh.SessionType.Subsystem), ("default", OpenSsh.SessionType.Default));
    public static SshConfigKeyword<RequestTty> RequestTty { get; } = Choice("RequestTTY", OpenSsh.RequestTty.Auto, Essential, Supported,
        ("true", OpenSsh.RequestTty.Yes), ("false", OpenSsh.RequestTty.No), ("yes", OpenSsh.RequestTty.Yes), ("no", OpenSsh.RequestTty.No),
        ("force", OpenSsh.RequestTty.Force), ("auto", OpenSsh.RequestTty.Auto));
    public static SshConfigKeyword<bool> StdinNull { get; } = Switch("StdinNull", false, Essential, Supported);
    public static SshConfigKeyword<bool> ForkAfterAuthentication { get; } = Switch("ForkAfterAuthentication", false, Essential, Supported);
    public static SshConfigKeyword<string?> RemoteCommand { get; } = new("RemoteCommand", null, Command) { TakesRestOfLine = true, Support = Supported, Show = ShowUnlessNone };
    public static SshConfigKeyword<bool> PermitLocalCommand { get; } = Switch("PermitLocalCommand", false, Expected, Supported);
    public static SshConfigKeyword<string?> LocalCommand { get; } = new("LocalCommand", null, Command) { TakesRestOfLine = true, Support = Supported, Show = ShowUnlessNone };

    /// <summary>Patterns of variables to send; one with '-' in front has already taken earlier ones away.</summary>
    public static SshConfigKeyword<IReadOnlyList<string>> SendEnv { get; } = new("SendEnv", [], SendVariables) { Support = Supported, Join = JoinSendEnv, Limit = (1000, "environment variables"), Show = names => JoinSendEnv([], names) };

    public static SshConfigKeyword<IReadOnlyList<KeyValuePair<string, string>>> SetEnv { get; } =
        new("SetEnv", [], SetVariables) { Support = Supported, Show = variables => variables.Select(variable => $"{variable.Key}={variable.Value}") };

    /// <summary>A character's code; -1 for none.</summary>
    public static SshConfigKeyword<int> EscapeChar { get; } = new("EscapeChar", '~', SshConfigSpecialParsers.EscapeCharacter) { Support = Supported, Show = ShowEscape };

    public static SshConfigKeyword<bool> EnableEscapeCommandline { get; } = Switch("EnableEscapeCommandline", false, Expected, Supported);
    public static SshConfigKeyword<IReadOnlyList<string>> ChannelTimeout { get; } = new("ChannelTimeout", [], Timeouts) { IsNew = true, Support = Supported, Show = ShowList };
    public static SshConfigKeyword<string?> ObscureKeystrokeTiming { get; } = new("ObscureKeystrokeTiming", "yes", SshConfigParsers.Text) { IsNew = true, Support = Supported };

    // Names.
    public static SshConfigKeyword<CanonicalizeHostname> CanonicalizeHostname { get; } = Choice("CanonicalizeHostname", OpenSsh.CanonicalizeHostname.No, Expected, Supported,
        ("true", OpenSsh.CanonicalizeHostname.Yes), ("false", OpenSsh.CanonicalizeHostname.No), ("yes", OpenSsh.CanonicalizeHostname.Yes),
        ("no", OpenSsh.CanonicalizeHostname.No), ("always", OpenSsh.CanonicalizeHostname.Always));
    public static SshConfigKeyword<IReadOnlyList<string>> CanonicalDomains { get; } = new("CanonicalDomains", [], Domains) { Support = Supported, Show = ShowList };
    public static SshConfigKeyword<int> CanonicalizeMaxDots { get; } = Number("CanonicalizeMaxDots", 1, Expected, Supported);
    public static SshConfigKeyword<bool> CanonicalizeFallbackLocal { get; } = Switch("CanonicalizeFallbackLocal", true, Expected, Supported);
    public static SshConfigKeyword<IReadOnlyList<CnameRule>> CanonicalizePermittedCnames { get; } =
        new("CanonicalizePermittedCNAMEs", [], CnameRules) { Priority = Rare, Support = Supported, Show = rules => [rules.Count == 0 ? "none" : string.Join(' ', rules)] };

    // Everything else.
    public static SshConfigKeyword<string?> IgnoreUnknown { get; } = Word("IgnoreUnknown", Expected, Supported);
    public static SshConfigKeyword<string?> Tag { get; } = Word("Tag", Expected, Supported);
    public static SshConfigKeyword<SshConfigLogLevel> LogLevel { get; } =
        new("LogLevel", SshConfigLogLevel.Info, SshConfigParsers.LogLevel) { Priority = Essential, Support = Supported, Show = ShowLogLevel };

    public static SshConfigKeyword<IReadOnlyList<string>> LogVerbose { get; } = Words("LogVerbose", [], Rare, Supported).With("patterns of file:function:line, of which only the file is known here: \"*\" and the like show everything");
    public static SshConfigKeyword<string?> SyslogFacility { get; } = new("SyslogFacility", "USER", Facility) { IgnoresBlocks = true, Priority = Rare, Support = Supported };
    public static SshConfigKeyword<string?> VersionAddendum { get; } = new("VersionAddendum", null, Command) { IsNew = true, TakesRestOfLine = true, Priority = Rare, Support = Supported, Show = ShowUnlessNone };
    public static SshConfigKeyword<string?> RefuseConnection { get; } = Word("RefuseConnection", Rare, Supported);

    /// <summary>Every row, in the order of <c>ssh -G</c>.</summary>
    public static IReadOnlyList<SshConfigKeyword> All { get; } =
    [
        User, HostName, Port, AddressFamily, BatchMode, CanonicalizeFallbackLocal, CanonicalizeHostname, CheckHostIP, Compression, ControlMaster, EnableSshKeysign,
        ClearAllForwardings, ExitOnForwardFailure, FingerprintHash, ForwardX11, ForwardX11Trusted, GatewayPorts, HashKnownHosts, HostbasedAuthentication, IdentitiesOnly,
        KbdInteractiveAuthentication, NoHostAuthenticationForLocalhost, PasswordAuthentication, PermitLocalCommand, ProxyUseFdpass, PubkeyAuthentication, RequestTty, SessionType,
        StdinNull, ForkAfterAuthentication, StreamLocalBindUnlink, StrictHostKeyChecking, TcpKeepAlive, Tunnel, VerifyHostKeyDns, VisualHostKey, UpdateHostKeys,
        EnableEscapeCommandline, WarnWeakCrypto,
        CanonicalizeMaxDots, ConnectionAttempts, ForwardX11Timeout, NumberOfPasswordPrompts, ServerAliveCountMax, ServerAliveInterval, RequiredRsaSize, ObscureKeystrokeTiming,
        BindAddress, BindInterface, Ciphers, ControlPath, HostKeyAlgorithms, HostKeyAlias, HostbasedAcceptedAlgorithms, IdentityAgent, IgnoreUnknown, KbdInteractiveDevices,
        KexAlgorithms, CASignatureAlgorithms, LocalCommand, RemoteCommand, LogLevel, Macs, Pkcs11Provider, SecurityKeyProvider, PreferredAuthentications, PubkeyAcceptedAlgorithms,
        RevokedHostKeys, XAuthLocation, KnownHostsCommand, Tag, VersionAddendum, RefuseConnection,
        DynamicForward, LocalForward, RemoteForward,
        IdentityFile, CanonicalDomains, CertificateFile, GlobalKnownHostsFile, UserKnownHostsFile, SendEnv, SetEnv, LogVerbose, ChannelTimeout,
        PermitRemoteOpen, AddKeysToAgent, ForwardAgent, ConnectTimeout, TunnelDevice, CanonicalizePermittedCnames, ControlPersist, EscapeChar, IPQoS, RekeyLimit,
        StreamLocalBindMask, SyslogFacility, ProxyCommand, ProxyJump,
        .. NamesOnly(SshConfigSupport.Ignored, "Protocol"),
        .. OnlyChecked(SshConfigParsers.Flag, "GSSAPIAuthentication", "GSSAPIDelegateCredentials", "GSSAPIKeyExchange", "GSSAPITrustDns", "GSSAPIRenewalForcesRekey"),
        .. OnlyChecked(SshConfigParsers.GssKeyExchanges, "GSSAPIKexAlgorithms"),
        .. OnlyChecked(SshConfigParsers.Text, "GSSAPIClientIdentity", "GSSAPIServerIdentity"),
        .. NamesOnly(SshConfigSupport.Unsupported, "AFSTokenPassing", "KerberosAuthentication", "KerberosTgtPassing", "RSAAuthentication", "RhostsRSAAuthentication", "CompressionLevel"),
        .. NamesOnly(SshConfigSupport.Deprecated, "Cipher", "FallBackToRsh", "GlobalKnownHostsFile2", "UserKnownHostsFile2", "RhostsAuthentication", "UseRoaming", "UseRsh",
            "UsePrivilegedPort"),
    ];

    private static readonly FrozenDictionary<string, SshConfigKeyword> ByName = All
        .SelectMany(row => row.Aliases.Prepend(row.Name).Select(name => KeyValuePair.Create(name, row)))
        .ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>The row of a keyword or one of its older names, in any case; null for an unknown one.</summary>
    public static SshConfigKeyword? Find(string name) => ByName.GetValueOrDefault(name);
}
