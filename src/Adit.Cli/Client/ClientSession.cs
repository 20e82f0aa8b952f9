using System.Runtime.InteropServices;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>One run of the client: connect, log in, forward, and carry a session where one is wanted; else stay until the connection or a signal ends it.</summary>
internal sealed class ClientSession(ClientSettings settings, SessionSettings session, LogOutput log)
{
    /// <summary>What sessions are asked for ahead of their programs.</summary>
    public IReadOnlyList<ISessionRequests> Requests { get; init; } = [];

    /// <summary>Lets questions have the terminal; null where none are asked.</summary>
    public Terminal.TerminalHold? Hold { get; init; }

    /// <summary>Reads the escape command line.</summary>
    public required Terminal.IPrompter Prompter { get; init; }

    /// <summary>There was a terminal: at the end ssh tells that the connection is closed.</summary>
    public bool HadTerminal { get; private set; }

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Up to the login a signal takes its usual course; a prompt puts the terminal right before that.
        await using var client = await SshClient.ConnectAsync(settings.Options, cancellationToken).ConfigureAwait(false);
        settings.Connected?.Invoke(client);
        using var signals = new EndingSignals();
        await using var forwards = new ForwardTable(client, settings, log);
        if (!await ForwardAsync(client, forwards, cancellationToken).ConfigureAwait(false))
        {
            return ExitCode.Ssh;
        }

        if (session.Type != SessionType.None)
        {
            return await RunSessionAsync(client, forwards, signals, cancellationToken).ConfigureAwait(false);
        }

        if (session.LocalCommand is { } command)
        {
            await LocalCommand.RunAsync(command, log, cancellationToken).ConfigureAwait(false);
        }

        return settings.StandardIo is { } destination
            ? await CarryAsync(client, destination, signals, cancellationToken).ConfigureAwait(false)
            : await StayAsync(client, signals, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where the host key is wrong nothing is forwarded, and a session may go on without.</summary>
    private async Task<bool> ForwardAsync(SshClient client, ForwardTable forwards, CancellationToken cancellationToken)
    {
        var areWanted = settings.LocalForwards.Count + settings.DynamicForwards.Count + settings.RemoteForwards.Count > 0;
        if (!areWanted || !client.IsHostKeyUnsafe || session.Type == SessionType.None)
        {
            return await forwards.StartAsync(cancellationToken).ConfigureAwait(false);
        }

        log.Write(OpenSshLogLevel.Error, "Port forwarding is disabled to avoid man-in-the-middle attacks.");
        if (settings.ExitOnForwardFailure)
        {
            log.Write(OpenSshLogLevel.Error, "Error: forwarding disabled due to host key check failure");
        }

        return !settings.ExitOnForwardFailure;
    }

    private async Task<int> RunSessionAsync(SshClient client, ForwardTable forwards, EndingSignals signals, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var foreground = new ForegroundSession(client, settings, session, forwards, log) { Requests = Requests, Hold = Hold, Prompter = Prompter };
        var running = foreground.RunAsync(ending);
        try
        {
            await Task.WhenAny(running, signals.Received).ConfigureAwait(false);
            if (!running.IsCompleted)
            {
                await ending.CancelAsync().ConfigureAwait(false);
            }

            return await running.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return signals.Received.IsCompleted ? await EndedBySignalAsync(signals).ConfigureAwait(false) : ExitCode.Ssh;
        }
        catch (SshException e)
        {
            throw AfterLogin(e);
        }
        finally
        {
            HadTerminal = foreground.HasTerminal && !signals.Received.IsCompleted;
        }
    }

    /// <summary>-W: one connection, which is standard input and output here.</summary>
    private async Task<int> CarryAsync(SshClient client, ForwardAddress destination, EndingSignals signals, CancellationToken cancellationToken)
    {
        await using var carrier = await StandardIoForward.OpenAsync(client, destination, cancellationToken).ConfigureAwait(false);
        var carrying = carrier.RunAsync();
        var ended = await Task.WhenAny(carrying, signals.Received).WaitAsync(cancellationToken).ConfigureAwait(false);
        return ended == signals.Received ? await EndedBySignalAsync(signals).ConfigureAwait(false) : await carrying.ConfigureAwait(false);
    }

    private async Task<int> EndedBySignalAsync(EndingSignals signals)
    {
        var signal = await signals.Received.ConfigureAwait(false);
        if (signal == PosixSignal.SIGTERM && session.Type == SessionType.None)
        {
            return ExitCode.Success; // how a tunnel without a session is meant to be stopped
        }

        log.Write(OpenSshLogLevel.Verbose, $"Killed by signal {EndingSignals.Number(signal)}.");
        return ExitCode.Ssh;
    }

    private async Task<int> StayAsync(SshClient client, EndingSignals signals, CancellationToken cancellationToken)
    {
        var ended = await Task.WhenAny(client.Completion, signals.Received).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (ended == signals.Received)
        {
            return await EndedBySignalAsync(signals).ConfigureAwait(false);
        }

        try
        {
            await client.Completion.ConfigureAwait(false);
        }
        catch (SshException e)
        {
            throw AfterLogin(e);
        }

        return ExitCode.Ssh;
    }

    /// <summary>After login ssh has other words for a server that went away.</summary>
    private SshException AfterLogin(SshException e) =>
        e.Error == SshError.ConnectionLost && e.Message.StartsWith("Connection closed by", StringComparison.Ordinal)
            ? new SshException(e.Error, $"Connection to {settings.Options.Host} closed by remote host.", e) { Hint = e.Hint }
            : e;
}
