using System.Collections;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>What a client asks a master's connection for: the session that it would run over its own.</summary>
internal static class PassageRequest
{
    public static MuxSessionRequest Of(SshConfigValues config, SshArguments arguments, LogOutput log)
    {
        var command = arguments.Command ?? config.RemoteCommandLine ?? "";
        var set = config.Variables;
        return new MuxSessionRequest
        {
            WantsTerminal = WantsTerminal(config, command, log),
            WantsX11 = config.Get(Keywords.ForwardX11),
            WantsAgent = config.Get(Keywords.ForwardAgent).Enabled,
            IsSubsystem = config.Get(Keywords.SessionType) == SessionType.Subsystem,
            EscapeCharacter = config.Get(Keywords.EscapeChar) is >= 0 and <= 0xff and var escape ? (char)escape : null,
            Term = set.FirstOrDefault(variable => variable.Key == "TERM").Value is { Length: > 0 } term ? term : Environment.GetEnvironmentVariable("TERM") ?? "",
            Command = command,
            Variables = [.. Sent(config.Get(Keywords.SendEnv)), .. set.Select(variable => $"{variable.Key}={variable.Value}")],
        };
    }

    private static bool WantsTerminal(SshConfigValues config, string command, LogOutput log)
    {
        var wish = config.Get(Keywords.RequestTty);
        if (wish is RequestTty.Force)
        {
            return true;
        }

        var wants = wish == RequestTty.Yes || (wish == RequestTty.Auto && command.Length == 0);
        if (!wants || (!Console.IsInputRedirected && !config.Get(Keywords.StdinNull)))
        {
            return wants;
        }

        log.Write(OpenSshLogLevel.Info, "Pseudo-terminal will not be allocated because stdin is not a terminal.");
        return false;
    }

    private static IEnumerable<string> Sent(IReadOnlyList<string> patterns) => patterns.Count == 0
        ? []
        : Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(variable => patterns.Any(pattern => PatternList.Matches((string)variable.Key, pattern)))
            .Select(variable => $"{variable.Key}={variable.Value}");
}
