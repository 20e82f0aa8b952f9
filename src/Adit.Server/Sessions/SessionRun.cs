using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>A session's program while it runs: its streams, signals to it, and how its end is told. When it has ended, all that it wrote goes first, then its exit status; the channel
/// ends when nobody has its output open any more. A client that goes takes the streams with it; what the program makes of that is its affair, as with sshd: one on a terminal
/// gets SIGHUP from the kernel.</summary>
internal sealed class SessionRun
{
    /// <summary>What a client may send.</summary>
    private static readonly string[] Sendable = ["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"];

    /// <summary>The names of RFC 4254, section 6.10, and Linux's numbers.</summary>
    private static readonly (string Name, int Number)[] Signals =
    [
        ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ILL", 4), ("ABRT", 6), ("FPE", 8), ("KILL", 9), ("USR1", 10), ("SEGV", 11), ("USR2", 12), ("PIPE", 13), ("ALRM", 14), ("TERM", 15),
    ];

    private static readonly TimeSpan ExitPatience = TimeSpan.FromMilliseconds(250);

    private readonly SshChannel _channel;
    private readonly SessionInput _input;
    private readonly ILogger _logger;
    private readonly SessionCommand _command;
    private readonly LaunchedProgram _launched;
    private readonly ProgramPipes? _pipes;
    private readonly SessionOutput _output;
    private RecordedLogin? _login;
    private int _isExitTold;

    public SessionRun(ServerSession session, SessionCommand command, LaunchedProgram launched, ProgramPipes? pipes)
    {
        (_channel, _input, _logger) = (session.Channel, session.Input, session.Scope.Service.Logger);
        (_command, _launched, _pipes, Terminal) = (command, launched, pipes, session.Terminal);
        _output = new SessionOutput(_channel, pipes?.Output ?? Terminal!.Master, pipes?.Error, TellExit);
    }

    /// <summary>The program's terminal; null for none.</summary>
    public PseudoTerminal? Terminal { get; }

    /// <summary>Completes when the program has ended, or the connection. Never faults.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    /// <summary>What to send first, as data.</summary>
    public string Greeting { get; init; } = "";

    /// <summary>Whose rights a signal is sent with; null for this process's own.</summary>
    public UserIdentity? Identity { get; init; }

    public required ProgramLauncher Launcher { get; init; }

    private RunningProgram Program => _launched.Program;

    /// <summary>From here on bytes flow.</summary>
    public void Begin(ServerSession session) => Completion = ServeAsync(session);

    /// <summary>Has the login in the system's files, where it has a terminal and a program. Ahead of <see cref="Begin"/>.</summary>
    public async Task RecordAsync(ServerSession session)
    {
        if (session.Service.Records is { } records && Terminal is not null && Program.ProcessId != 0)
        {
            var (account, line) = (session.Scope.Login.Account, Terminal.Path.Replace("/dev/", "", StringComparison.Ordinal));
            _login = new RecordedLogin(records, new TerminalLogin(account.Name, account.Uid, Program.ProcessId, line, session.Scope.Service.Peer.RemoteAddress), _logger);
            await _login.BeginAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The client has closed the channel, or is gone. On the receive loop.</summary>
    public void OnChannelClosed() => _output.ChannelClosed();

    /// <summary>The client takes no more of the standard output: the program learns it by writing, as in a pipe (SIGPIPE). A terminal stays as it is.</summary>
    public void OutputUnwanted()
    {
        if (Terminal is null)
        {
            _output.Unwanted();
        }
    }

    /// <summary>Sends a signal to the program's process group. False when that is not to be.</summary>
    public async ValueTask<bool> SignalAsync(string name, CancellationToken cancellationToken)
    {
        var signal = Array.Find(Signals, row => row.Name == name).Number;
        if (!Sendable.Contains(name))
        {
            _logger.LogError("session_signal_req: unsupported signal \"{Name}\"", PeerText.Escape(name, 64));
            return false;
        }

        if (_command.IsForced || _command.IsSubsystem)
        {
            _logger.LogError("session_signal_req: refusing to send signal {Name} to {Kind} session", name, _command.IsForced ? "forced-command" : "subsystem");
            return false;
        }

        return Identity is null ? Program.SignalGroup(signal) : !Program.Exit.IsCompleted && await SignalAsUserAsync(signal, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How long the helper that sends a signal may take.</summary>
    private static readonly TimeSpan SignalLimit = TimeSpan.FromSeconds(5);

    /// <summary>Root may signal everybody; the user must not reach by us what runs in the group with other rights.</summary>
    private async Task<bool> SignalAsUserAsync(int signal, CancellationToken cancellationToken)
    {
        using var nowhere = new Microsoft.Win32.SafeHandles.SafeFileHandle(LibC.Open("/dev/null", ProcessCalls.OpenReadWrite | ProcessCalls.OpenCloseOnExec), ownsHandle: true);
        var start = new ProgramStart
        {
            File = "",
            Arguments = [],
            Environment = new Dictionary<string, string>(),
            WorkingFolder = "/",
            Identity = Identity,
            Signal = (Program.ProcessId, signal),
        };
        var sender = await BlockingWork.RunAsync(() => Launcher.Launch(start, new ProgramStreams(nowhere, nowhere, nowhere)), cancellationToken).ConfigureAwait(false);
        try
        {
            return (await sender.Program.Exit.WaitAsync(SignalLimit, cancellationToken).ConfigureAwait(false)).Status == 0;
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            sender.Program.SignalGroup(ProcessCalls.SigKill); // once it is the user's, the user can stop it: nothing here may wait for that
            return false;
        }
    }

    private async Task ServeAsync(ServerSession session)
    {
        await Task.Yield();
        try
        {
            await GreetAsync().ConfigureAwait(false);
            await PumpAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The connection ended while the program ran; it goes on without us.
        }
        catch (Exception problem)
        {
            _logger.LogError(problem, "session {Id} failed", session.Id);
        }
        finally
        {
            _input.Close(tell: false);
            _pipes?.Dispose();
            if (_login is not null)
            {
                // Ahead of giving the terminal up: its number is another's soon.
                await _login.EndAsync().ConfigureAwait(false);
            }

            Terminal?.Dispose();
            session.OnProgramOver();
        }
    }

    private async Task PumpAsync()
    {
        var transport = _channel.Connection.Transport;
        if (Terminal is not null)
        {
            _input.Attach(Terminal.DuplicateMaster(), endsAtEof: false, TellUnwanted);
        }
        else
        {
            _input.Attach(_pipes!.Input, endsAtEof: true, TellUnwanted);
        }

        var watching = WatchAsync(transport.Ended);
        if (await _output.RunAsync().ConfigureAwait(false))
        {
            await WaitForExitAsync(transport.Ended).ConfigureAwait(false);
            _channel.SendEof();
        }
        else
        {
            _input.Close(tell: false);
        }

        await watching.ConfigureAwait(false);
        TellExit();
    }

    /// <summary>A program closes its output by ending, nearly always: then its status goes ahead of EOF. There are clients that close the channel at EOF and would never hear it.</summary>
    private async Task WaitForExitAsync(CancellationToken connectionEnded)
    {
        try
        {
            await Program.Exit.WaitAsync(ExitPatience, connectionEnded).ConfigureAwait(false);
            TellExit();
        }
        catch (TimeoutException)
        {
            // It goes on without output.
        }
    }

    private async Task WatchAsync(CancellationToken connectionEnded)
    {
        await Program.Exit.WaitAsync(connectionEnded).ConfigureAwait(false);
        _output.ProgramEnded();
        _input.Close(tell: true);
    }

    /// <summary>What comes ahead of the program's output: a message of the day, and what went wrong.</summary>
    private async Task GreetAsync()
    {
        if (Terminal is not null)
        {
            // By the terminal it would be the same, but for how lines end.
            var text = (Greeting + _launched.Notice).Replace("\n", "\r\n", StringComparison.Ordinal);
            await _channel.SendAsync(OsText.Encode(text)).ConfigureAwait(false);
            return;
        }

        const uint standardError = 1;
        await _channel.SendAsync(OsText.Encode(Greeting)).ConfigureAwait(false);
        await _channel.SendExtendedAsync(standardError, OsText.Encode(_launched.Notice ?? "")).ConfigureAwait(false);
    }

    private void TellUnwanted()
    {
        if (_channel.Connection.Transport.Quirks.HasOpenSshsWays)
        {
            _channel.Notify("eow@openssh.com", []);
        }
    }

    private void TellExit()
    {
        if (!Program.Exit.IsCompletedSuccessfully || Interlocked.Exchange(ref _isExitTold, 1) != 0)
        {
            return;
        }

        var exit = Program.Exit.Result;
        if (exit.Status is { } status)
        {
            var writer = new SshWriter(4);
            writer.WriteUInt32((uint)status);
            _channel.Notify("exit-status", writer.Written);
        }
        else if (exit.Signal is { } signal)
        {
            var name = Array.Find(Signals, row => row.Number == signal).Name ?? "SIG@openssh.com";
            _channel.Notify(ExitSignalData.Name, new ExitSignalData(name, exit.CoreDumped, "").ToArray());
        }
    }
}
