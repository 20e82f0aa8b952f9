using System.Globalization;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using static Adit.Server.Configuration.ValueReaders;

namespace Adit.Server.Configuration;

/// <summary>The keywords of sshd_config(5) about sessions; rows as in <see cref="SshdKeywords"/>.</summary>
public static class SessionKeywords
{
    /// <summary>Sessions at a time per connection; 0 for a server that only forwards.</summary>
    public static SshdKeyword<int> MaxSessions { get; } =
        new("MaxSessions", 10, ValueReaders.Number) { InMatch = true, Show = value => [value.ToString(CultureInfo.InvariantCulture)] };

    /// <summary>Patterns of the variables that clients may set.</summary>
    public static SshdKeyword<IReadOnlyList<string>> AcceptEnv { get; } = new("AcceptEnv", [], VariablePatterns) { InMatch = true, Append = (first, second) => [.. first, .. second], Show = value => value };

    /// <summary>Variables that every session has, "NAME=VALUE"; they go before a client's.</summary>
    public static SshdKeyword<IReadOnlyList<string>> SetEnv { get; } = new("SetEnv", [], Variables) { InMatch = true, Show = value => value };

    public static SshdKeyword<bool> PermitTty { get; } = new("PermitTTY", true, Flag) { InMatch = true, Show = YesNo };

    public static SshdKeyword<bool> PrintMotd { get; } = new("PrintMotd", true, Flag) { Show = YesNo };

    /// <summary>Login shells on a terminal begin with when and from where the account logged in before.</summary>
    public static SshdKeyword<bool> PrintLastLog { get; } = new("PrintLastLog", true, Flag) { Show = YesNo };

    /// <summary>~/.ssh/rc may run.</summary>
    public static SshdKeyword<bool> PermitUserRc { get; } = new("PermitUserRC", true, Flag) { InMatch = true, Show = YesNo };

    /// <summary>Sessions get a file that says how the login was proven (SSH_USER_AUTH).</summary>
    public static SshdKeyword<bool> ExposeAuthInfo { get; } = new("ExposeAuthInfo", false, Flag) { InMatch = true, Show = YesNo };

    /// <summary>What subsystems run. The first of a name counts.</summary>
    public static SshdKeyword<IReadOnlyList<SubsystemCommand>> Subsystem { get; } = new("Subsystem", [], Subsystems)
    {
        InMatch = true,
        Append = (first, second) => [.. first, .. second.Where(added => first.All(known => known.Name != added.Name))],
        Show = value => value.Select(subsystem => $"{subsystem.Name} {subsystem.Command}"),
    };

    /// <summary>Type of service of what the server sends: while the last program that began has a terminal, and while it has none. What Debian's OpenSSH has.</summary>
    public static SshdKeyword<IpQos> IPQoS { get; } = new("IPQoS", new IpQos(0x10, 0x08), Quality) { InMatch = true, Show = value => [value.ToString()] };

    /// <summary>"none" or the folder that becomes the root of a session's programs, tokens unexpanded.</summary>
    public static SshdKeyword<string> ChrootDirectory { get; } =
        new("ChrootDirectory", "none", arguments => TokenWord(arguments, UserFileTokens)) { InMatch = true, Show = value => [value] };

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<SshdKeyword> All { get; } = [MaxSessions, PermitTty, PrintMotd, PrintLastLog, PermitUserRc, ExposeAuthInfo, Subsystem, AcceptEnv, SetEnv, ChrootDirectory, IPQoS];

    private static IEnumerable<string> YesNo(bool value) => [value ? "yes" : "no"];

    private static IpQos Quality(SshdArguments arguments)
    {
        var interactive = Service(arguments.NextNamed());
        return new IpQos(interactive, arguments.NextOrNull() is { } bulk ? Service(bulk) : interactive);

        int Service(string text) => IpQos.TryParse(text, out var service) ? service
            : throw arguments.Error($"Bad IPQoS value: {PeerText.Escape(text, 100)}", "A name such as ef, cs1, lowdelay or none, or a number up to 255.");
    }

    private static IReadOnlyList<string> VariablePatterns(SshdArguments arguments)
    {
        var patterns = arguments.Rest();
        return patterns.Any(pattern => pattern.Length == 0 || pattern.Contains('=')) ? throw arguments.Error("Invalid environment name.") : patterns;
    }

    private static IReadOnlyList<string> Variables(SshdArguments arguments)
    {
        var variables = arguments.Rest();
        return variables.Any(variable => variable.IndexOf('=') < 1) ? throw arguments.Error("Invalid environment.", "A variable is NAME=VALUE.") : variables;
    }

    private static IReadOnlyList<SubsystemCommand> Subsystems(SshdArguments arguments)
    {
        var name = arguments.NextNamed();
        var words = arguments.Rest();
        return words is [{ Length: > 0 }, ..]
            ? [new SubsystemCommand(name, string.Join(' ', words))]
            : throw arguments.Error("Missing subsystem command.", $"Subsystem {PeerText.Escape(name, 80)} needs a program, or internal-sftp.");
    }
}

/// <summary>A program that clients start by a name (RFC 4254, section 6.5).</summary>
/// <param name="Name">What the client asks for.</param>
/// <param name="Command">For the user's shell, or "internal-sftp" with its arguments.</param>
public sealed record SubsystemCommand(string Name, string Command);
