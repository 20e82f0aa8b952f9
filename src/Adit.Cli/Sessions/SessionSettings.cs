using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Sessions;

/// <summary>What the command line and the files say about the session.</summary>
internal sealed record SessionSettings
{
    /// <summary>None for -N and -W.</summary>
    public SessionType Type { get; init; }

    /// <summary>The command or the subsystem; null for the shell.</summary>
    public string? Command { get; init; }

    /// <summary>A terminal is to be asked for.</summary>
    public bool WantsTerminal { get; init; }

    /// <summary>Standard input is not read (-n).</summary>
    public bool StdinNull { get; init; }

    /// <summary>Null for none.</summary>
    public byte? Escape { get; init; }

    /// <summary>EnableEscapeCommandline.</summary>
    public bool AllowCommandLine { get; init; }

    /// <summary>ObscureKeystrokeTiming, as written.</summary>
    public string? ObscureKeystrokeTiming { get; init; }

    /// <summary>What SendEnv and SetEnv come to.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Variables { get; init; } = [];

    /// <summary>PermitLocalCommand.</summary>
    public bool PermitLocalCommand { get; init; }

    /// <summary>LocalCommand, where it is permitted; null for none.</summary>
    public string? LocalCommand { get; private set; }

    /// <summary>Makes it, for the name of the tunnel's interface; null where it is not permitted.</summary>
    private Func<string, string?>? LocalCommandFor { get; init; }

    /// <summary>There is a tunnel: LocalCommand's %T is its interface.</summary>
    public void SetInterface(string name) => LocalCommand = LocalCommandFor?.Invoke(name);

    /// <summary>This connection is for one session: nobody shares it.</summary>
    public bool IsOnlySession { get; init; }

    /// <summary>For a connection that is put into the background for others to use: no session of its own.</summary>
    public static SessionSettings ForMaster(SshConfigValues config) => new()
    {
        Type = SessionType.None,
        LocalCommand = config.Get(Keywords.PermitLocalCommand) ? config.LocalCommandLine : null,
        LocalCommandFor = config.Get(Keywords.PermitLocalCommand) ? config.LocalCommandLineFor : null,
    };

    /// <summary>Throws <see cref="UsageException"/> with ssh's words for what contradicts itself.</summary>
    public static SessionSettings From(SshConfigValues config, SshArguments arguments, LogOutput log)
    {
        var type = arguments.StandardIo is null ? config.Get(Keywords.SessionType) : SessionType.None;
        var hasRemoteCommand = config.Get(Keywords.RemoteCommand) is { Length: > 0 } line && !line.Equals("none", StringComparison.OrdinalIgnoreCase);
        if (arguments.Command is not null && hasRemoteCommand)
        {
            throw new UsageException("Cannot execute command-line and remote command.") { Hint = "The configuration has a RemoteCommand for this host; -o RemoteCommand=none leaves it out." };
        }

        var command = arguments.Command ?? config.RemoteCommandLine;
        if (type == SessionType.Subsystem && command is null)
        {
            throw new UsageException("You must specify a subsystem to invoke.") { ShowUsage = true };
        }

        var isStdinNull = config.Get(Keywords.StdinNull);
        var hasTerminal = Descriptor.IsTerminal(Descriptor.StandardInput) && !isStdinNull;
        var (wantsTerminal, isTold) = ChooseTerminal(config.Get(Keywords.RequestTty), type, command is not null, hasTerminal);
        if (isTold)
        {
            log.Write(OpenSshLogLevel.Info, "Pseudo-terminal will not be allocated because stdin is not a terminal.");
        }

        var permitted = config.Get(Keywords.PermitLocalCommand);
        return new SessionSettings
        {
            Type = type,
            Command = command,
            WantsTerminal = wantsTerminal,
            StdinNull = isStdinNull,
            Escape = config.Get(Keywords.EscapeChar) is var escape and >= 0 ? (byte)escape : null,
            AllowCommandLine = config.Get(Keywords.EnableEscapeCommandline),
            Variables = Choose(config.Get(Keywords.SendEnv), config.Variables, ProcessVariables()),
            ObscureKeystrokeTiming = Checked(config.Get(Keywords.ObscureKeystrokeTiming)),
            PermitLocalCommand = permitted,
            LocalCommand = permitted ? config.LocalCommandLine : null,
            LocalCommandFor = permitted ? config.LocalCommandLineFor : null,
            IsOnlySession = config.Get(Keywords.ControlMaster) == ControlMasterMode.No,
        };
    }

    private static string? Checked(string? timing)
    {
        _ = KeystrokePacer.Parse(timing ?? "yes");
        return timing;
    }

    /// <summary>ssh's rules for a terminal: without a command one is asked for, and only where there is one here, unless it is forced.</summary>
    /// <returns>Whether to ask for one, and whether to tell that there will be none.</returns>
    internal static (bool Wanted, bool IsTold) ChooseTerminal(RequestTty request, SessionType type, bool hasCommand, bool hasTerminal)
    {
        var wanted = type != SessionType.None && request switch
        {
            RequestTty.No => false,
            RequestTty.Auto => !hasCommand,
            _ => true,
        };
        return wanted && !hasTerminal && request != RequestTty.Force ? (false, true) : (wanted, false);
    }

    /// <summary>The process's variables that a pattern of SendEnv names, then SetEnv's own, which the server takes later and so last.</summary>
    internal static IReadOnlyList<KeyValuePair<string, string>> Choose(
        IReadOnlyList<string> patterns, IReadOnlyList<KeyValuePair<string, string>> set, IEnumerable<KeyValuePair<string, string>> present) =>
        [.. present.Where(variable => patterns.Any(pattern => PatternList.MatchPattern(variable.Key, pattern))), .. set];

    private static IEnumerable<KeyValuePair<string, string>> ProcessVariables()
    {
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            yield return new KeyValuePair<string, string>((string)variable.Key, (string?)variable.Value ?? "");
        }
    }
}
