using System.Text;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
using Adit.Cli.Terminal;
using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>What the escape character's commands do in the session of this process. They answer on standard error, which is the terminal's.</summary>
internal sealed class EscapeCommands(SshClient client, ClientSettings settings, SessionSettings session, ForwardTable forwards, LogOutput log) : IEscapeCommands
{
    private static readonly string[] LevelNames = ["QUIET", "FATAL", "ERROR", "INFO", "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3"];

    public required byte Escape { get; init; }

    /// <summary>The terminal here; null where there is none.</summary>
    public LocalTerminal? Terminal { get; init; }

    /// <summary>Reads the command line.</summary>
    public required IPrompter Prompter { get; init; }

    /// <summary>The program's way to the screen.</summary>
    public required OutputGate Output { get; init; }

    /// <summary>Ends the session.</summary>
    public required CancellationTokenSource Ending { get; init; }

    /// <summary>The escape character as a person writes it.</summary>
    private string Name => Escape < 0x20 ? $"^{(char)(Escape + '@')}" : $"{(char)Escape}";

    public async ValueTask<bool> RunAsync(SshSession session, byte command, CancellationToken cancellationToken)
    {
        switch ((char)command)
        {
            case '.':
                await Ending.CancelAsync().ConfigureAwait(false);
                return false;
            case (char)EscapeFilter.Suspend:
                Say($"{Name}^Z [suspend ssh]");
                Terminal?.Suspend();
                break;
            case 'B':
                Say($"{Name}B");
                _ = await session.SendBreakAsync(1000).WaitAsync(cancellationToken).ConfigureAwait(false);
                break;
            case 'R':
                client.RequestRekey();
                break;
            case 'V' or 'v':
                ChangeLogLevel((char)command);
                break;
            case '?':
                Say($"{Name}?");
                Say(Help());
                break;
            case '#':
                Say($"{Name}#");
                Say(ConnectionReport.Channels(client, forwards.Specifications));
                break;
            case 'I':
                Say($"{Name}I");
                Say(ConnectionReport.Connection(client, settings));
                break;
            case '&':
                RefuseBackground();
                break;
            default:
                await OpenCommandLineAsync(cancellationToken).ConfigureAwait(false);
                break;
        }

        return true;
    }

    private static void Say(string text) => StandardStreams.WriteError(text + "\r\n");

    private void ChangeLogLevel(char command)
    {
        var level = (int)log.Level + (command == 'v' ? 1 : -1);
        log.Level = (OpenSshLogLevel)Math.Clamp(level, (int)OpenSshLogLevel.Quiet, (int)OpenSshLogLevel.Debug3);
        Say($"{Name}{command} [LogLevel {LevelNames[(int)log.Level]}]");
    }

    private string Help()
    {
        (string Keys, string Meaning)[] rows =
        [
            (".", "end the connection, and with it everything that goes through it"),
            ("B", "send a BREAK to the program"),
            ("C", "type a command: add or cancel forwards (with EnableEscapeCommandline)"),
            ("R", "agree on new keys"),
            ("V/v", "log less / more"),
            ("^Z", "suspend ssh"),
            ("#", "list what is open"),
            ("&", "go to the background: cannot be done here, see -f and ControlPersist"),
            ("I", "tell about the connection"),
            ("?", "this list"),
            (Name, "the escape character itself"),
        ];
        var text = new StringBuilder("Supported escape sequences:\r\n");
        foreach (var (keys, meaning) in rows)
        {
            text.Append($" {Name}{keys,-3} - {meaning}\r\n");
        }

        return text.Append("They count at the beginning of a line only.").ToString();
    }

    /// <summary>ssh forks, and the shell sees its parent end. A process of .NET cannot be forked, and the connection's keys and counters cannot be handed to another.</summary>
    private void RefuseBackground() => Say($"{Name}& [adit: a running session cannot go to the background; ControlPersist keeps a connection without one]");

    private async ValueTask OpenCommandLineAsync(CancellationToken cancellationToken)
    {
        if (!session.AllowCommandLine)
        {
            Say("commandline disabled");
            return;
        }

        Terminal?.EnterQuestion();
        Output.Close(); // what the program says would come between what is typed
        try
        {
            if (await Prompter.AskAsync("\r\nssh> ", echo: true, cancellationToken).ConfigureAwait(false) is { } line)
            {
                await new EscapeCommandLine(forwards, session.PermitLocalCommand, log).RunAsync(line, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            Terminal?.EnterRaw();
            Output.Open();
        }
    }
}
