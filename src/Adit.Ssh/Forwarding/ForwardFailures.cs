using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>What a person at the client is told when one connection through a forward cannot be made: OpenSSH's line first, since scripts match it, then which side
/// refused or failed to reach what, why, and what to look at. The same failure again and again is told a few times a minute; from -v on, every time.</summary>
internal sealed class ForwardFailures(string serverName, TimeProvider time, ILogger logger)
{
    private readonly RepeatLimit _limit = new(time);

    /// <summary>The server refused to connect to a destination (-L, -D).</summary>
    public void TellRefusedOpen(ForwardAddress destination, SshException refused)
    {
        // The channel's number is the only thing that differs when the same thing fails again.
        string reason = refused.Message[(refused.Message.IndexOf(':', StringComparison.Ordinal) + 1)..];
        Tell($"{destination}{reason}", LogLevel.Information, refused.Message, Describe(destination, refused));
    }

    /// <summary>Who could not connect to what, and why.</summary>
    public string Describe(ForwardAddress destination, SshException refused) => $"{serverName} could not connect to {destination}: {Explain(refused, destination)}";

    /// <summary>A connection came in from the server (-R) and its destination cannot be reached from here.</summary>
    public void TellUnreachable(RemoteForward forward, ForwardAddress destination, string from, SshException e)
    {
        string line = e.Error == SshError.NameResolution ? $"connect_to {destination.Host}: unknown host ({e.Message})"
            : destination.IsUnix ? $"connect_to {destination.Path}: failed."
            : $"connect_to {destination.Host ?? "localhost"} port {destination.Port}: failed.";
        Tell($"{line}{e.Message}", LogLevel.Error, line,
            $"{serverName} has a connection from {from} for {Where(forward)}, but {destination} cannot be reached from here: {e.Hint ?? e.Message}");
    }

    /// <summary>A SOCKS client at the server (-R without a destination) asks for what a rule here forbids.</summary>
    public void TellForbidden(RemoteForward forward, ForwardAddress destination, string from, string rule) =>
        Tell($"{destination}{rule}", LogLevel.Information, $"refused remote dynamic forward: {destination} is not permitted",
            $"{serverName} has a SOCKS client from {from} for {Where(forward)} that asks for {destination}: {rule} forbids it");

    /// <summary>What a refused channel means: what our own servers tell about it, or else what there is to look at.</summary>
    private static string Explain(SshException refused, ForwardAddress destination)
    {
        string advice = refused.OpenFailureReason switch
        {
            OpenFailureReason.AdministrativelyProhibited when refused.Hint is not null => "",
            OpenFailureReason.AdministrativelyProhibited => "its rules forbid it: AllowTcpForwarding, PermitOpen, or the options of your key there",
            OpenFailureReason.ConnectFailed when destination.IsUnix => ExplainUnix(refused),
            OpenFailureReason.ConnectFailed when Says(refused, "Connection refused") => "nothing listens there, seen from that machine: is the service up, and on that address?",
            OpenFailureReason.ConnectFailed when Says(refused, "not known") => "that machine does not know the name; names are resolved there, not here",
            OpenFailureReason.ConnectFailed => "the connection was tried from that machine, not from this one",
            OpenFailureReason.ResourceShortage => "it has no room for more connections now",
            _ => "it does not offer this kind of forwarding",
        };
        return refused.Hint is null ? advice : advice.Length == 0 ? refused.Hint : $"{refused.Hint}; {advice}";
    }

    /// <summary>OpenSSH's server says "open failed" whatever it was; ours has the system's words for everything but its rules.</summary>
    private static string ExplainUnix(SshException refused) =>
        Says(refused, "No such file or directory") ? "there is no such file on that machine"
        : Says(refused, "Connection refused") ? "the file is there but nobody listens on it: its program has ended and left it behind"
        : Says(refused, "Permission denied") ? "your account there may not use it: see its mode, its group and the folders above it"
        : refused.Hint is not null ? ""
        : "nobody listens there, your account may not use it, or the server's rules forbid it: AllowStreamLocalForwarding, AllowTcpForwarding, PermitOpen, or the options of your key there";

    private static bool Says(SshException refused, string words) => refused.Message.EndsWith(words, StringComparison.Ordinal);

    private static string Where(RemoteForward forward) => forward.Listen.IsUnix ? "the socket" : $"its port {forward.Port}";

    private void Tell(string key, LogLevel level, string line, string explanation)
    {
        var repeat = _limit.Next(key);
        bool isHidden = repeat == Repeat.Hidden;
        logger.Log(isHidden ? LogLevel.Debug : level, "{Line}", line);
        logger.Log(repeat == Repeat.First ? LogLevel.Information : LogLevel.Debug, "  {Explanation}", explanation);
        if (repeat == Repeat.Last)
            logger.LogInformation("{Note}", RepeatLimit.Note);
    }
}
