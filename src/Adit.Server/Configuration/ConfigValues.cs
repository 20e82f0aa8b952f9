using System.Net.Sockets;
using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Configuration;

/// <summary>One ListenAddress.</summary>
/// <param name="Host">An address or a name; a name may stand for several addresses.</param>
/// <param name="Port">Null for every Port of the configuration.</param>
public sealed record ListenAddress(string Host, int? Port);

/// <summary>MaxStartups: from <paramref name="Begin"/> unauthenticated connections on, <paramref name="Rate"/> per cent of new ones are dropped, all of them at <paramref name="Full"/>.</summary>
public sealed record StartupLimit(int Begin, int Rate, int Full)
{
    public override string ToString() => $"{Begin}:{Rate}:{Full}";
}

/// <summary>PermitRootLogin.</summary>
public enum RootLogin
{
    No,
    ProhibitPassword,
    ForcedCommandsOnly,
    Yes,
}

/// <summary>AllowTcpForwarding and AllowStreamLocalForwarding.</summary>
[Flags]
public enum ForwardingDirections
{
    No = 0,
    /// <summary>The client listens, the server connects (-L, -D, -W).</summary>
    Local = 1,
    /// <summary>The server listens (-R).</summary>
    Remote = 2,
    Yes = Local | Remote,
}

/// <summary>LogLevel, in the order of growing talk.</summary>
public enum SshdLogLevel
{
    Quiet,
    Fatal,
    Error,
    Info,
    Verbose,
    Debug1,
    Debug2,
    Debug3,
}

/// <summary>Names and meanings of <see cref="SshdLogLevel"/>.</summary>
public static class SshdLogLevels
{
    public static bool TryParse(string text, out SshdLogLevel level)
    {
        SshdLogLevel? found = text.ToUpperInvariant() switch
        {
            "QUIET" => SshdLogLevel.Quiet,
            "FATAL" => SshdLogLevel.Fatal,
            "ERROR" => SshdLogLevel.Error,
            "INFO" => SshdLogLevel.Info,
            "VERBOSE" => SshdLogLevel.Verbose,
            "DEBUG" or "DEBUG1" => SshdLogLevel.Debug1,
            "DEBUG2" => SshdLogLevel.Debug2,
            "DEBUG3" => SshdLogLevel.Debug3,
            _ => null,
        };
        level = found ?? default;
        return found is not null;
    }

    /// <summary>The least severe level that is logged. VERBOSE lines are logged at Debug like DEBUG1's: there is no level between.</summary>
    public static LogLevel ToLogLevel(this SshdLogLevel level) => level switch
    {
        SshdLogLevel.Quiet => LogLevel.None,
        SshdLogLevel.Fatal => LogLevel.Critical,
        SshdLogLevel.Error => LogLevel.Error,
        SshdLogLevel.Info or SshdLogLevel.Verbose => LogLevel.Information,
        SshdLogLevel.Debug1 => LogLevel.Debug,
        _ => LogLevel.Trace,
    };
}

/// <summary>AddressFamily.</summary>
public static class AddressFamilies
{
    public static bool Includes(this AddressFamily wanted, AddressFamily family) => wanted is AddressFamily.Unspecified || wanted == family;
}

/// <summary>One entry of PermitOpen or PermitListen.</summary>
/// <param name="Host">As written, without brackets; "*" for any.</param>
/// <param name="Port">Null for any ("*").</param>
public sealed record PermittedEndpoint(string Host, int? Port)
{
    /// <summary>PermitOpen's comparison: the host letter by letter as the client sent it, no names resolved.</summary>
    public bool MatchesTarget(string host, int port) => MatchesPort(port) && (Host == "*" || string.Equals(Host, host, StringComparison.Ordinal));

    /// <summary>PermitListen's comparison: the host as a pattern.</summary>
    public bool MatchesListener(string host, int port) => MatchesPort(port) && PatternList.MatchPattern(host, Host, ignoreCase: true);

    private bool MatchesPort(int port) => Port is null || Port == port;

    public override string ToString() => $"{(Host.Contains(':') ? $"[{Host}]" : Host)}:{(Port is { } port ? port.ToString(System.Globalization.CultureInfo.InvariantCulture) : "*")}";
}

/// <summary>PermitOpen or PermitListen: any, or only what is listed. An empty list permits nothing.</summary>
public sealed record PermittedEndpoints(IReadOnlyList<PermittedEndpoint>? List)
{
    public static PermittedEndpoints Any { get; } = new((IReadOnlyList<PermittedEndpoint>?)null);

    public static PermittedEndpoints None { get; } = new([]);

    public bool IsAny => List is null;

    /// <summary>"any", "none", or the entries.</summary>
    public override string ToString() => List switch
    {
        null => "any",
        [] => "none",
        _ => string.Join(' ', List),
    };
}

/// <summary>One chain of AuthenticationMethods: steps in order.</summary>
public sealed record AuthenticationChain(IReadOnlyList<AuthenticationStep> Steps)
{
    public override string ToString() => string.Join(',', Steps);
}

/// <summary>One step: a method, and for keyboard-interactive perhaps a device ("pam").</summary>
public sealed record AuthenticationStep(string Method, string? Device = null)
{
    public override string ToString() => Device is null ? Method : $"{Method}:{Device}";
}
