using System.Runtime.InteropServices;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Sessions;

/// <summary>The session of this process: its standard streams, its terminal and its exit code. One run.</summary>
internal sealed class ForegroundSession(SshClient client, ClientSettings settings, SessionSettings wanted, ForwardTable forwards, LogOutput log)
{
    /// <summary>What is asked for ahead of the program.</summary>
    public IReadOnlyList<ISessionRequests> Requests { get; init; } = [];

    /// <summary>Lets questions have the terminal; null where none are asked.</summary>
    public TerminalHold? Hold { get; init; }

    /// <summary>Reads the escape command line.</summary>
    public required IPrompter Prompter { get; init; }

    /// <summary>The near ends of its streams.</summary>
    public SessionDescriptors Descriptors { get; init; } = SessionDescriptors.Standard;

    /// <summary>Completes when nobody else needs the connection any more; null where it carries forwards at most.</summary>
    public Func<Task>? WhenUnused { get; init; }

    /// <summary>The program has, or had, a terminal.</summary>
    public bool HasTerminal { get; private set; }

    /// <summary>Returns what ssh exits with, once the program and all forwarded connections have ended. Throws the connection's <see cref="SshException"/> when that dies first, and
    /// <see cref="OperationCanceledException"/> when <paramref name="ending"/> is cancelled, which the escape character's "." does too.</summary>
    public async Task<int> RunAsync(CancellationTokenSource ending)
    {
        using var terminal = wanted.WantsTerminal ? LocalTerminal.TryOpen(Descriptor.StandardInput) : null;
        await using var session = await client.OpenSessionAsync(ending.Token).ConfigureAwait(false);
        if (wanted.IsOnlySession)
        {
            client.ForbidMoreSessions();
        }

        var program = new SessionProgram
        {
            Command = wanted.Command,
            IsSubsystem = wanted.Type == SessionType.Subsystem,
            Terminal = wanted.WantsTerminal ? DescribeTerminal(terminal) : null,
            Variables = wanted.Variables,
        };
        HasTerminal = wanted.WantsTerminal;
        var hasTerminal = await program.StartAsync(session, Requests, log, ending.Token).ConfigureAwait(false);
        if (wanted.LocalCommand is { } command)
        {
            await LocalCommand.RunAsync(command, log, ending.Token).ConfigureAwait(false);
        }

        var exit = await CarryAsync(session, hasTerminal ? terminal : null, hasTerminal, ending).ConfigureAwait(false);
        terminal?.LeaveRaw();
        if (exit.Signal is { } signal)
        {
            // Whoever pressed Ctrl-C knows.
            log.Write(log.IsTerminal && signal != "INT" ? OpenSshLogLevel.Info : OpenSshLogLevel.Verbose, $"adit: the program was ended by signal {signal}{(exit.CoreDumped ? " and left a core" : "")}. {exit.Message}".TrimEnd());
        }

        await (WhenUnused?.Invoke() ?? client.WhenNoConnectionsAsync()).WaitAsync(ending.Token).ConfigureAwait(false);
        return exit.Status ?? ExitCode.Ssh;
    }

    private async Task<SessionExit> CarryAsync(SshSession session, LocalTerminal? terminal, bool hasTerminal, CancellationTokenSource ending)
    {
        using var resized = terminal is null || OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => SendSize(session, terminal));
        using var continued = terminal is null || OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ => SendSize(session, terminal));
        var output = new OutputGate();
        var escapes = hasTerminal && wanted.Escape is { } escape
            ? new EscapeReader(escape, new EscapeCommands(client, settings, wanted, forwards, log) { Escape = escape, Terminal = terminal, Prompter = Prompter, Output = output, Ending = ending })
            : null;
        terminal?.EnterRaw();
        var descriptors = Descriptors with { Input = wanted.StdinNull ? -1 : Descriptor.StandardInput };
        await using var pacer = hasTerminal && terminal is not null ? KeystrokePacer.Create(wanted.ObscureKeystrokeTiming, client) : null;
        return await new SessionRunner(session, descriptors, escapes) { Pacer = pacer, Gate = output, Reading = keys => Hold?.Lend(terminal, keys) }.RunAsync(ending.Token).ConfigureAwait(false);
    }

    private static PtyOptions DescribeTerminal(LocalTerminal? terminal)
    {
        var name = Environment.GetEnvironmentVariable("TERM") ?? "";
        if (terminal is null)
        {
            return new PtyOptions(name, 0, 0, Modes: new byte[] { 0 }); // -tt without a terminal: the server's own modes
        }

        var size = terminal.Size;
        return new PtyOptions(name, size.Columns, size.Rows, size.PixelWidth, size.PixelHeight, TerminalAttributes.Encode(terminal.Attributes));
    }

    private static void SendSize(SshSession session, LocalTerminal terminal)
    {
        var size = terminal.Size;
        session.ChangeWindow(size.Columns, size.Rows, size.PixelWidth, size.PixelHeight);
    }
}
