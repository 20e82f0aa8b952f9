namespace Adit.Cli.CommandLine;

/// <summary>What this program does with a flag of ssh(1).</summary>
internal enum FlagState
{
    /// <summary>It does what the manual says.</summary>
    Works,
    /// <summary>Taken without a word; it changes nothing, for the reason given.</summary>
    Accepted,
    /// <summary>Ends the run with an error that names it.</summary>
    Refused,
}

/// <summary>One flag of ssh(1).</summary>
/// <param name="Letter">The flag.</param>
/// <param name="Value">What its value is called; null where it takes none.</param>
/// <param name="Meaning">What it asks for, in a few words.</param>
internal sealed record SshFlag(char Letter, string? Value, string Meaning)
{
    public FlagState State { get; init; }

    /// <summary>Why it is not obeyed, or in what it differs.</summary>
    public string? Note { get; init; }

    /// <summary>The keyword of ssh_config(5) that it sets: it works where that does.</summary>
    public string? Keyword { get; init; }
}

/// <summary>The flags of ssh(1): what the command line's parser and the documentation read.</summary>
internal static class SshFlags
{
    public static IReadOnlyList<SshFlag> All { get; } =
    [
        new('1', null, "protocol version 1") { State = FlagState.Refused, Note = "as OpenSSH does: version 1 is gone" },
        new('2', null, "protocol version 2") { State = FlagState.Accepted, Note = "there is no other" },
        new('4', null, "IPv4 only") { Keyword = "AddressFamily" },
        new('6', null, "IPv6 only") { Keyword = "AddressFamily" },
        new('A', null, "forward the agent") { Keyword = "ForwardAgent" },
        new('a', null, "do not forward the agent") { Keyword = "ForwardAgent" },
        new('B', "interface", "connect from an interface") { Keyword = "BindInterface" },
        new('b', "address", "connect from an address") { Keyword = "BindAddress" },
        new('C', null, "compress") { Keyword = "Compression" },
        new('c', "list", "ciphers") { Keyword = "Ciphers" },
        new('D', "[bind:]port", "SOCKS proxy here") { Keyword = "DynamicForward" },
        new('E', "file", "append the log to a file"),
        new('e', "character", "escape character") { Keyword = "EscapeChar" },
        new('F', "file", "configuration file; none for none"),
        new('f', null, "go to the background after login") { Keyword = "ForkAfterAuthentication" },
        new('G', null, "print the resulting configuration"),
        new('g', null, "listen for other machines too") { Keyword = "GatewayPorts" },
        new('I', "library", "keys of a PKCS#11 library") { State = FlagState.Accepted, Note = "a warning tells; an agent (ssh-add -s) can hold such keys" },
        new('i', "file", "private key to offer") { Keyword = "IdentityFile" },
        new('J', "hosts", "go through other machines") { Keyword = "ProxyJump" },
        new('K', null, "GSSAPI login and delegation") { State = FlagState.Accepted, Note = "there is no GSSAPI here: other ways to log in are tried" },
        new('k', null, "no GSSAPI delegation") { State = FlagState.Accepted, Note = "credentials are never delegated" },
        new('L', "[bind:]port:host:hostport", "forward a port from here") { Keyword = "LocalForward" },
        new('l', "user", "whom to log in as") { Keyword = "User" },
        new('M', null, "share this connection; twice to ask first") { Keyword = "ControlMaster" },
        new('m', "list", "MACs") { Keyword = "MACs" },
        new('N', null, "no session") { Keyword = "SessionType" },
        new('n', null, "no standard input") { Keyword = "StdinNull" },
        new('O', "command", "ask a running master") { Keyword = "ControlPath" },
        new('o', "Keyword=value", "any keyword of ssh_config(5)"),
        new('P', "tag", "for Match tagged") { Keyword = "Tag" },
        new('p', "port", "the server's port") { Keyword = "Port" },
        new('Q', "query", "list algorithms"),
        new('q', null, "say nothing") { Keyword = "LogLevel" },
        new('R', "[bind:]port:host:hostport", "forward a port from the server") { Keyword = "RemoteForward" },
        new('S', "path", "control socket") { Keyword = "ControlPath" },
        new('s', null, "the command is a subsystem") { Keyword = "RemoteCommand" },
        new('T', null, "no terminal") { Keyword = "RequestTTY" },
        new('t', null, "a terminal; twice even without one here") { Keyword = "RequestTTY" },
        new('V', null, "version"),
        new('v', null, "say more; up to three times"),
        new('W', "host:port", "carry standard input and output"),
        new('w', "local[:remote]", "tunnel device") { Keyword = "TunnelDevice" },
        new('X', null, "forward X11") { Keyword = "ForwardX11" },
        new('x', null, "do not forward X11") { Keyword = "ForwardX11" },
        new('Y', null, "forward X11, trusted") { Keyword = "ForwardX11Trusted" },
        new('y', null, "log to syslog") { Keyword = "SyslogFacility" },
        new('Z', null, "list the keys to be tried") { State = FlagState.Refused, Note = "of OpenSSH 10.5; -v shows the keys as they are offered" },
    ];

    /// <summary>All of them as getopt takes them: each letter, with ':' behind it where it takes a value.</summary>
    public static string Getopt { get; } = string.Concat(All.Select(flag => flag.Value is null ? $"{flag.Letter}" : $"{flag.Letter}:"));

    public static SshFlag? Find(char letter) => All.FirstOrDefault(flag => flag.Letter == letter);
}
