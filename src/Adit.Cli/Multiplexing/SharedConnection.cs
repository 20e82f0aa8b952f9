using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Multiplexing;

/// <summary>The use of a connection that another process holds: -O, and everything that a client does over a master's connection in the place of its own.</summary>
internal sealed class SharedConnection
{
    private readonly SshConfigValues _config;
    private readonly SshArguments _arguments;
    private readonly SessionSettings? _session;
    private readonly BackgroundChild? _background;
    private readonly LogOutput _log;
    private readonly string _path;

    private SharedConnection(SshConfigValues config, SshArguments arguments, SessionSettings? session, BackgroundChild? background, LogOutput log, string path) =>
        (_config, _arguments, _session, _background, _log, _path) = (config, arguments, session, background, log, path);

    /// <summary>Does what the command line asks for over a master's connection. The exit code; null where there is no master, or it would not, and this process has to
    /// connect by itself.</summary>
    /// <param name="config">The destination's configuration.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="session">The session that is wanted; null with -O.</param>
    /// <param name="background">Set where this process goes into the background.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="UsageException">A -O command failed.</exception>
    public static async Task<int?> TryAsync(
        SshConfigValues config, SshArguments arguments, SessionSettings? session, BackgroundChild? background, LogOutput log, CancellationToken cancellationToken)
    {
        var command = arguments.MultiplexCommand;
        if (command is not null)
        {
            CheckCommand(command, arguments);
        }

        if (config.ControlPath is not { } path)
        {
            return command is null ? null : throw new UsageException("No ControlPath specified for \"-O\" command");
        }

        if (!DescriptorPassing.IsSupported)
        {
            return command is null ? null : throw new UsageException("adit: sharing a connection is built for Linux only.");
        }

        return config.Get(Keywords.ControlMaster) switch
        {
            // These mean to be the master themselves. A question to one makes no sense then, and ssh would connect.
            ControlMasterMode.Yes or ControlMasterMode.Ask when command is null => null,
            _ => await new SharedConnection(config, arguments, session, background, log, path).RunAsync(command, cancellationToken).ConfigureAwait(false),
        };
    }

    /// <summary>Runs over the connection that this process has just put into the background (ControlPersist).</summary>
    public static async Task<int> JoinAsync(
        SshConfigValues config, SshArguments arguments, SessionSettings session, BackgroundChild? background, LogOutput log, string path, CancellationToken cancellationToken) =>
        await new SharedConnection(config, arguments, session, background, log, path).RunAsync(null, cancellationToken).ConfigureAwait(false)
            ?? throw new UsageException("Failed to connect to new control master");

    private static void CheckCommand(string command, SshArguments arguments)
    {
        if (arguments.StandardIo is not null)
        {
            throw new UsageException("Cannot specify stdio forward with -O");
        }

        switch (command)
        {
            case "check" or "forward" or "cancel" or "exit" or "stop" or "proxy" or "conninfo" or "channels":
                return;
            default:
                throw new UsageException("Invalid multiplex command.");
        }
    }

    private async Task<int?> RunAsync(string? command, CancellationToken cancellationToken)
    {
        if (_config.Get(Keywords.ControlMaster) is ControlMasterMode.Auto or ControlMasterMode.AutoAsk)
        {
            _log.Write(OpenSshLogLevel.Debug1, $"auto-mux: Trying existing master at '{_path}'");
        }

        if (ControlSocket.Connect(_path, out var error) is not { } socket)
        {
            NoMaster(command, error);
            return null;
        }

        // Whoever listens there is handed this terminal.
        if (DescriptorPassing.PeerUserId(socket) is var owner && owner != 0 && owner != DescriptorPassing.UserId())
        {
            socket.Dispose();
            throw new UsageException($"Control socket \"{_path}\" belongs to another user (uid {owner})") { Hint = "ControlPath should be in a folder that only you can write to." };
        }

        using var client = new MuxClient(new MuxConnection(socket), _log);
        if (!await GreetAsync(client, cancellationToken).ConfigureAwait(false))
        {
            _log.Write(OpenSshLogLevel.Error, "muxclient: master hello exchange failed");
            return command is null ? null : ExitCode.Ssh;
        }

        switch (command)
        {
            case null when _arguments.StandardIo is { } destination:
                return await new MuxPassage(client, _config, _session!, _background, _log).ConnectAsync(destination, cancellationToken).ConfigureAwait(false);
            case null:
                return await PassAsync(client, cancellationToken).ConfigureAwait(false);
            case "check":
                var process = await client.AliveAsync(cancellationToken).ConfigureAwait(false) ?? throw new UsageException("muxclient: master alive check failed");
                StandardStreams.WriteError($"Master running (pid={process})\r\n");
                return ExitCode.Success;
            case "proxy":
                return await ProxiedRun.RunAsync(client, _config, _arguments, _log, cancellationToken).ConfigureAwait(false);
            case "conninfo" or "channels":
                var information = await client.InformAsync(command == "conninfo" ? "connection" : command, cancellationToken).ConfigureAwait(false);
                // Lines, for a person: whatever else there is in them is the master's fault.
                StandardStreams.WriteOut(string.Concat(information.Split("\r\n").Select(line => PeerText.Escape(line, 4096) + "\n")));
                return ExitCode.Success;
            case "exit":
                await client.TerminateAsync(cancellationToken).ConfigureAwait(false);
                Confirm("Exit request sent.");
                return ExitCode.Success;
            case "stop":
                await client.StopListeningAsync(cancellationToken).ConfigureAwait(false);
                Confirm("Stop listening request sent.");
                return ExitCode.Success;
            case "cancel":
                if (!await client.ForwardAsync(Forwards(), cancels: true, printsPorts: false, cancellationToken).ConfigureAwait(false))
                {
                    _log.Write(OpenSshLogLevel.Error, "muxclient: master cancel forward request failed");
                }

                return ExitCode.Success;
            default:
                return await client.ForwardAsync(Forwards(), cancels: false, printsPorts: true, cancellationToken).ConfigureAwait(false)
                    ? ExitCode.Success
                    : throw new UsageException("muxclient: master forward request failed");
        }
    }

    /// <summary>Forwards first; then the session, or none.</summary>
    private async Task<int?> PassAsync(MuxClient client, CancellationToken cancellationToken)
    {
        if (!await client.ForwardAsync(Forwards(), cancels: false, printsPorts: false, cancellationToken).ConfigureAwait(false))
        {
            _log.Write(OpenSshLogLevel.Error, "muxclient: master forward request failed");
            return null;
        }

        var passage = new MuxPassage(client, _config, _session!, _background, _log);
        return _session!.Type == SessionType.None
            ? await passage.StayAsync(cancellationToken).ConfigureAwait(false)
            : await passage.RunAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> GreetAsync(MuxClient client, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (_config.Get(Keywords.ConnectTimeout) is { } timeout && timeout > TimeSpan.Zero)
        {
            deadline.CancelAfter(timeout);
        }

        try
        {
            return await client.Connection.GreetAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            _log.Write(OpenSshLogLevel.Error, e.Message);
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private void NoMaster(string? command, int error)
    {
        var problem = $"Control socket connect({_path}): {ControlSocket.Describe(error)}";
        if (command is not null)
        {
            throw new UsageException(problem);
        }

        if (error == ControlSocket.Refused && _config.Get(Keywords.ControlMaster) != ControlMasterMode.No)
        {
            ControlSocket.RemoveStale(_path, _log);
        }
        else if (error == ControlSocket.NoSuchFile)
        {
            _log.Write(OpenSshLogLevel.Debug1, $"Control socket \"{_path}\" does not exist");
        }
        else
        {
            _log.Write(OpenSshLogLevel.Error, problem);
        }
    }

    private IEnumerable<MuxForward> Forwards() =>
        [.. _config.LocalForwards.Select(MuxForward.Of), .. _config.DynamicForwards.Select(MuxForward.Of), .. _config.RemoteForwards.Select(MuxForward.Of)];

    /// <summary>What -q alone leaves out.</summary>
    private void Confirm(string text)
    {
        if (_log.Level != OpenSshLogLevel.Quiet)
        {
            StandardStreams.WriteError(text + "\r\n");
        }
    }
}
