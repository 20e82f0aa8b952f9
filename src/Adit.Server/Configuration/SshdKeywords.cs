using System.Globalization;
using System.Net.Sockets;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using static Adit.Server.Configuration.ValueReaders;

namespace Adit.Server.Configuration;

/// <summary>The keywords of sshd_config(5), one row each: what they are called, how their value is read and shown, its default, and what this version makes of them.
/// <see cref="SshdKeywordTable"/> has those too that do nothing yet.</summary>
public static class SshdKeywords
{
    // ---- Where it listens, and the connection ----------------------------------------------------------------------

    /// <summary>Ports for every ListenAddress that names none. Empty means 22.</summary>
    public static SshdKeyword<IReadOnlyList<int>> Port { get; } = new("Port", [22], ValueReaders.Port) { Append = Join, Show = ports => ports.Select(Number) };

    public static SshdKeyword<AddressFamily> AddressFamily { get; } = new("AddressFamily", System.Net.Sockets.AddressFamily.Unspecified,
        Choice(("any", System.Net.Sockets.AddressFamily.Unspecified), ("inet", System.Net.Sockets.AddressFamily.InterNetwork), ("inet6", System.Net.Sockets.AddressFamily.InterNetworkV6)))
    {
        Show = family => [family switch
        {
            System.Net.Sockets.AddressFamily.InterNetwork => "inet",
            System.Net.Sockets.AddressFamily.InterNetworkV6 => "inet6",
            _ => "any",
        }],
    };

    /// <summary>Empty means every address.</summary>
    public static SshdKeyword<IReadOnlyList<ListenAddress>> ListenAddress { get; } = new("ListenAddress", [], ListenAddresses) { Append = Join };

    public static SshdKeyword<StartupLimit> MaxStartups { get; } = new("MaxStartups", new StartupLimit(10, 30, 100), Startups) { Show = limit => [limit.ToString()] };

    /// <summary>Zero for no limit.</summary>
    public static SshdKeyword<TimeSpan> LoginGraceTime { get; } = new("LoginGraceTime", TimeSpan.FromSeconds(120), Time) { Show = Seconds };

    /// <summary>In seconds; zero for no keepalives. OpenSSH's default is zero.</summary>
    public static SshdKeyword<int> ClientAliveInterval { get; } = new("ClientAliveInterval", 15, arguments => (int)Time(arguments).TotalSeconds)
    {
        InMatch = true,
        Show = value => [Number(value)],
    };

    public static SshdKeyword<int> ClientAliveCountMax { get; } = new("ClientAliveCountMax", 3, ValueReaders.Number) { InMatch = true, Show = value => [Number(value)] };

    public static SshdKeyword<bool> TcpKeepAlive { get; } = new("TCPKeepAlive", true, Flag) { Aliases = ["KeepAlive"], Show = YesNo };

    public static SshdKeyword<RekeyLimit> RekeyLimit { get; } = new("RekeyLimit", Adit.Ssh.Transport.RekeyLimit.Default, Rekey)
    {
        InMatch = true,
        Show = limit => [$"{Number(limit.Bytes ?? 0)} {Number((long)(limit.Interval?.TotalSeconds ?? 0))}"],
    };

    /// <summary>Types of channels that are closed when they have carried no data for so long.</summary>
    public static SshdKeyword<IReadOnlyList<ChannelTimeout>> ChannelTimeout { get; } = new("ChannelTimeout", [], ChannelTimeouts)
    {
        InMatch = true,
        Show = timeouts => timeouts.Count == 0 ? [] : [string.Join(' ', timeouts.Select(timeout => $"{timeout.Types}={Number((long)timeout.Idle.TotalSeconds)}"))],
    };

    /// <summary>Zero for none.</summary>
    public static SshdKeyword<TimeSpan> UnusedConnectionTimeout { get; } = new("UnusedConnectionTimeout", TimeSpan.Zero, TimeOrNone)
    {
        InMatch = true,
        Show = value => value == TimeSpan.Zero ? ["none"] : Seconds(value),
    };

    public static SshdKeyword<bool> Compression { get; } = new("Compression", true, Choice(("yes", true), ("delayed", true), ("no", false))) { Show = YesNo };

    public static SshdKeyword<bool> UseDns { get; } = new("UseDNS", false, Flag) { Show = YesNo };

    // ---- What it says and where ------------------------------------------------------------------------------------

    /// <summary>"none" or a file.</summary>
    public static SshdKeyword<string> ModuliFile { get; } = new("ModuliFile", "/etc/ssh/moduli", FileName) { Show = Same };

    public static SshdKeyword<string> PidFile { get; } = new("PidFile", "/run/sshd.pid", FileName) { Show = Same };

    public static SshdKeyword<SshdLogLevel> LogLevel { get; } = new("LogLevel", SshdLogLevel.Info, Level)
    {
        InMatch = true,
        Show = level => [level == SshdLogLevel.Debug1 ? "DEBUG" : level.ToString().ToUpperInvariant()],
    };

    /// <summary>syslog(3)'s facility, in upper case.</summary>
    public static SshdKeyword<string> SyslogFacility { get; } = new("SyslogFacility", "AUTH", Facility) { Show = Same };

    /// <summary>"none" or text after the version in the identification string.</summary>
    public static SshdKeyword<string> VersionAddendum { get; } = new("VersionAddendum", "none", VersionText) { TakesRestOfLine = true, Show = Same };

    /// <summary>"none" or a file.</summary>
    public static SshdKeyword<string> Banner { get; } = new("Banner", "none", FileName) { InMatch = true, Show = Same };

    // ---- Host keys and algorithms ----------------------------------------------------------------------------------

    /// <summary>Private host key files. Empty means the standard ones, as far as they exist.</summary>
    public static SshdKeyword<IReadOnlyList<string>> HostKey { get; } = new("HostKey", [], arguments => [FilePath(arguments)]) { Aliases = ["HostDSAKey"], Append = Join };

    public static SshdKeyword<IReadOnlyList<string>> HostCertificate { get; } = new("HostCertificate", [], arguments => [FilePath(arguments)]) { Append = Join, Show = value => value };

    public static SshdKeyword<AlgorithmList> HostKeyAlgorithms { get; } = AlgorithmRow("HostKeyAlgorithms", AlgorithmKind.HostKey, "key types");

    public static SshdKeyword<AlgorithmList> KexAlgorithms { get; } = AlgorithmRow("KexAlgorithms", AlgorithmKind.KeyExchange, "SSH2 KexAlgorithms");

    public static SshdKeyword<AlgorithmList> Ciphers { get; } = AlgorithmRow("Ciphers", AlgorithmKind.Cipher, "SSH2 cipher spec");

    public static SshdKeyword<AlgorithmList> Macs { get; } = AlgorithmRow("MACs", AlgorithmKind.Mac, "SSH2 mac spec");

    public static SshdKeyword<AlgorithmList> PubkeyAcceptedAlgorithms { get; } =
        AlgorithmRow("PubkeyAcceptedAlgorithms", AlgorithmKind.HostKey, "key types", inMatch: true, alias: "PubkeyAcceptedKeyTypes");

    public static SshdKeyword<AlgorithmList> CaSignatureAlgorithms { get; } =
        AlgorithmRow("CASignatureAlgorithms", AlgorithmKind.HostKey, "key types", inMatch: true, defaults: AlgorithmList.DefaultOfAuthorities);

    /// <summary>Smaller RSA keys are refused, in bits.</summary>
    public static SshdKeyword<int> RequiredRsaSize { get; } = new("RequiredRSASize", 1024, ValueReaders.Number) { InMatch = true, Show = value => [Number(value)] };

    // ---- Who may log in --------------------------------------------------------------------------------------------

    public static SshdKeyword<bool> PubkeyAuthentication { get; } =
        new("PubkeyAuthentication", true, Flag) { Aliases = ["DSAAuthentication"], InMatch = true, Show = YesNo };

    public static SshdKeyword<bool> PasswordAuthentication { get; } = new("PasswordAuthentication", true, Flag) { InMatch = true, Show = YesNo };

    public static SshdKeyword<bool> KbdInteractiveAuthentication { get; } = new("KbdInteractiveAuthentication", true, Flag)
    {
        Aliases = ["ChallengeResponseAuthentication", "SkeyAuthentication"],
        InMatch = true,
        Show = YesNo,
    };

    /// <summary>PAM decides about passwords and accounts and opens sessions, by a helper for each login. Without it passwords are checked with crypt(3).</summary>
    public static SshdKeyword<bool> UsePam { get; } = new("UsePAM", false, Flag) { Show = YesNo };

    public static SshdKeyword<bool> PermitEmptyPasswords { get; } = new("PermitEmptyPasswords", false, Flag) { InMatch = true, Show = YesNo };

    public static SshdKeyword<RootLogin> PermitRootLogin { get; } = new("PermitRootLogin", RootLogin.ProhibitPassword, Choice(
        ("without-password", RootLogin.ProhibitPassword), ("prohibit-password", RootLogin.ProhibitPassword),
        ("forced-commands-only", RootLogin.ForcedCommandsOnly), ("yes", RootLogin.Yes), ("no", RootLogin.No)))
    {
        InMatch = true,
        Show = value => [value switch
        {
            RootLogin.ProhibitPassword => "without-password",
            RootLogin.ForcedCommandsOnly => "forced-commands-only",
            RootLogin.Yes => "yes",
            _ => "no",
        }],
    };

    /// <summary>Chains of which one must be completed; empty means any single method.</summary>
    public static SshdKeyword<IReadOnlyList<AuthenticationChain>> AuthenticationMethods { get; } = new("AuthenticationMethods", [], Chains)
    {
        InMatch = true,
        Show = chains => [chains.Count == 0 ? "any" : string.Join(' ', chains)],
    };

    public static SshdKeyword<int> MaxAuthTries { get; } = new("MaxAuthTries", 6, ValueReaders.Number) { InMatch = true, Show = value => [Number(value)] };

    /// <summary>Files as written, tokens unexpanded; "none" alone for no files.</summary>
    public static SshdKeyword<IReadOnlyList<string>> AuthorizedKeysFile { get; } = new("AuthorizedKeysFile", [".ssh/authorized_keys", ".ssh/authorized_keys2"], TokenWords(UserFileTokens))
    {
        InMatch = true,
        Show = files => [string.Join(' ', files)],
    };

    /// <summary>"none" or a file with the keys of authorities whose user certificates are accepted.</summary>
    public static SshdKeyword<string> TrustedUserCaKeys { get; } = new("TrustedUserCAKeys", "none", FilePath) { InMatch = true, Show = Same };

    /// <summary>"none" or a file, tokens unexpanded, with the principals that stand for the user.</summary>
    public static SshdKeyword<string> AuthorizedPrincipalsFile { get; } =
        new("AuthorizedPrincipalsFile", "none", arguments => TokenWord(arguments, UserFileTokens)) { InMatch = true, Show = Same };

    /// <summary>What signatures of security keys must state, whatever a key's own options waive.</summary>
    public static SshdKeyword<SecurityKeyDemands> PubkeyAuthOptions { get; } = new("PubkeyAuthOptions", SecurityKeyDemands.None, SignatureDemands)
    {
        InMatch = true,
        Show = demands => [demands switch
        {
            SecurityKeyDemands.None => "none",
            SecurityKeyDemands.Touch => "touch-required",
            SecurityKeyDemands.Verification => "verify-required",
            _ => "touch-required verify-required",
        }],
    };

    public static SshdKeyword<EnvironmentNames> PermitUserEnvironment { get; } =
        new("PermitUserEnvironment", EnvironmentNames.None, arguments => new EnvironmentNames(arguments.NextNamed())) { Show = names => [names.ToString()] };

    public static SshdKeyword<bool> StrictModes { get; } = new("StrictModes", true, Flag) { Show = YesNo };

    public static SshdKeyword<IReadOnlyList<string>> AllowUsers { get; } = Patterns("AllowUsers", UserPatterns);

    public static SshdKeyword<IReadOnlyList<string>> DenyUsers { get; } = Patterns("DenyUsers", UserPatterns);

    public static SshdKeyword<IReadOnlyList<string>> AllowGroups { get; } = Patterns("AllowGroups", GroupPatterns);

    public static SshdKeyword<IReadOnlyList<string>> DenyGroups { get; } = Patterns("DenyGroups", GroupPatterns);

    // ---- What may be forwarded -------------------------------------------------------------------------------------

    public static SshdKeyword<bool> DisableForwarding { get; } = new("DisableForwarding", false, Flag) { InMatch = true, Show = YesNo };

    public static SshdKeyword<ForwardingDirections> AllowTcpForwarding { get; } = Directions("AllowTcpForwarding");

    /// <summary>Whether the client's agent may be reached from here.</summary>
    public static SshdKeyword<bool> AllowAgentForwarding { get; } = new("AllowAgentForwarding", true, Flag) { InMatch = true, Show = YesNo };

    public static SshdKeyword<ForwardingDirections> AllowStreamLocalForwarding { get; } = Directions("AllowStreamLocalForwarding");

    /// <summary>Permission bits that the sockets of remote forwards do not get.</summary>
    public static SshdKeyword<UnixFileMode> StreamLocalBindMask { get; } = new("StreamLocalBindMask", (UnixFileMode)0b001_111_111, Mask)
    {
        InMatch = true,
        Append = (_, last) => last,
        Show = value => ["0" + Convert.ToString((int)value, 8)],
    };

    /// <summary>Whether a socket in the way of a remote forward's is removed.</summary>
    public static SshdKeyword<bool> StreamLocalBindUnlink { get; } = new("StreamLocalBindUnlink", false, Flag) { InMatch = true, Show = YesNo };

    /// <summary>Which addresses a remote forward listens on.</summary>
    public static SshdKeyword<GatewayPorts> GatewayPorts { get; } = new("GatewayPorts", Adit.Ssh.Forwarding.GatewayPorts.No, Choice(
        ("clientspecified", Adit.Ssh.Forwarding.GatewayPorts.ClientSpecified), ("yes", Adit.Ssh.Forwarding.GatewayPorts.Yes), ("no", Adit.Ssh.Forwarding.GatewayPorts.No)))
    {
        InMatch = true,
        Show = value => [value.ToString().ToLowerInvariant()],
    };

    /// <summary>Not in OpenSSH: how long an older session may be silent before a newer one of the same user and key gets its remote listener; zero for never.</summary>
    public static SshdKeyword<TimeSpan> RemoteForwardTakeoverTimeout { get; } = new("RemoteForwardTakeoverTimeout", TimeSpan.FromSeconds(2), Time) { Show = Seconds };

    public static SshdKeyword<PermittedEndpoints> PermitOpen { get; } =
        new("PermitOpen", PermittedEndpoints.Any, Endpoints(listen: false)) { InMatch = true, Show = value => [value.ToString()] };

    public static SshdKeyword<PermittedEndpoints> PermitListen { get; } =
        new("PermitListen", PermittedEndpoints.Any, Endpoints(listen: true)) { InMatch = true, Show = value => [value.ToString()] };

    // ---- What runs -------------------------------------------------------------------------------------------------

    /// <summary>"none" or a command that runs whatever a client asks for, and whatever command its key names. It forbids no forwarding.</summary>
    public static SshdKeyword<string> ForceCommand { get; } = new("ForceCommand", "none", Word) { InMatch = true, TakesRestOfLine = true, Show = Same };

    // ---- Pieces of the rows ----------------------------------------------------------------------------------------

    private static SshdKeyword<ForwardingDirections> Directions(string name) => new(name, ForwardingDirections.Yes, Choice(
        ("yes", ForwardingDirections.Yes), ("all", ForwardingDirections.Yes), ("no", ForwardingDirections.No),
        ("local", ForwardingDirections.Local), ("remote", ForwardingDirections.Remote)))
    {
        InMatch = true,
        Show = value => [value.ToString().ToLowerInvariant()],
    };

    private static SshdKeyword<IReadOnlyList<string>> Patterns(string name, Func<SshdArguments, IReadOnlyList<string>> read) =>
        new(name, [], read) { InMatch = true, Append = Join, Show = value => value };

    private static SshdKeyword<AlgorithmList> AlgorithmRow(
        string name, AlgorithmKind kind, string what, bool inMatch = false, string? alias = null, AlgorithmList? defaults = null)
    {
        defaults ??= AlgorithmList.Default(kind);
        return new(name, defaults, AlgorithmList.Reader(kind, defaults, what))
        {
            Aliases = alias is null ? [] : [alias],
            InMatch = inMatch,
            Show = value => [string.Join(',', value.Names)],
        };
    }

    private static IReadOnlyList<T> Join<T>(IReadOnlyList<T> first, IReadOnlyList<T> second) => [.. first, .. second];

    private static IEnumerable<string> YesNo(bool value) => [value ? "yes" : "no"];

    private static IEnumerable<string> Same(string value) => [value];

    private static IEnumerable<string> Seconds(TimeSpan value) => [Number((long)value.TotalSeconds)];

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
