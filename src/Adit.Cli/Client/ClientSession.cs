using System.Runtime.InteropServices;
using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
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

    /// <summary>What was carried; null where ssh does not tell: after a signal, after an error, for -W, and where another process has the connection.</summary>
    public ConnectionTotals? Totals { get; private set; }

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Up to the login a signal takes its usual course; a prompt puts the terminal right before that.
        var client = settings.Attach is { } attach ? attach() : await SshClient.ConnectAsync(settings.Options, cancellationToken).ConfigureAwait(false);
        if (!client.IsProxied)
        {
            settings.Connected?.Invoke(client);
        }

        var totals = client.IsProxied || settings.StandardIo is not null ? null : new ConnectionTotals(client);
        using var signals = new EndingSignals(PosixSignal.SIGQUIT);
        var forwards = new ForwardTable(client, settings, log);
        var tunnel = new TunnelRequest(client, settings, log);
        MuxMaster? master = null;
        try
        {
            var mayForward = MayForward(client);
            if (mayForward is null || (mayForward.Value && !await forwards.ListenAsync(cancellationToken).ConfigureAwait(false)))
            {
                return ExitCode.Ssh;
            }

            if (!tunnel.Open())
            {
                return ExitCode.Ssh;
            }

            if (tunnel.Name is { } name)
            {
                session.SetInterface(name);
            }

            master = settings.Master is { } shared ? MuxMaster.Start(shared, client, forwards, settings, Requests, log) : null;
            if (master is null && settings.Background is { Purpose: BackgroundPurpose.Master } needless)
            {
                // Somebody else was faster: the command runs over that connection.
                await needless.DetachAsync(log).ConfigureAwait(false);
                return ExitCode.Success;
            }

            // ssh's moments: now that local listeners are bound, or only when the server has granted everything it must.
            var descriptors = settings.Background is not null && session.Type != SessionType.None ? KeptDescriptors() : SessionDescriptors.Standard;
            if (settings.Background is { } early && !(settings.ExitOnForwardFailure && settings.RemoteForwards.Count > 0))
            {
                await early.DetachAsync(log).ConfigureAwait(false);
            }

            if (!await UntilSignalAsync(
                async ended => (!mayForward.Value || await forwards.RequestAsync(ended).ConfigureAwait(false)) && await tunnel.RequestAsync(ended).ConfigureAwait(false), signals, cancellationToken).ConfigureAwait(false))
            {
                return ExitCode.Ssh;
            }

            if (settings.Background is { } late)
            {
                await late.DetachAsync(log).ConfigureAwait(false);
            }

            var exitCode = await GoOnAsync(client, forwards, master, descriptors, signals, cancellationToken).ConfigureAwait(false);
            Totals = exitCode != ExitCode.Success && signals.Received.IsCompleted ? null : totals;
            return exitCode;
        }
        catch (OperationCanceledException) when (signals.Received.IsCompleted && !cancellationToken.IsCancellationRequested)
        {
            return await EndedBySignalAsync(signals).ConfigureAwait(false);
        }
        catch (SshException e) when (IsClosedByServer(e))
        {
            Totals = totals;
            throw;
        }
        finally
        {
            // Nobody new; then the goodbye, which ends what passengers still run.
            master?.StopListening();
            tunnel.Close();
            await forwards.DisposeAsync().ConfigureAwait(false);
            await client.DisposeAsync().ConfigureAwait(false);
            if (master is not null)
            {
                await master.DisposeAsync().ConfigureAwait(false);
            }

            totals?.Stop();
        }
    }

    private static SessionDescriptors KeptDescriptors()
    {
        var (output, error) = BackgroundChild.KeepOutput();
        return new SessionDescriptors(Descriptor.StandardInput, output, error);
    }

    private async Task<int> GoOnAsync(
        SshClient client, ForwardTable forwards, MuxMaster? master, SessionDescriptors descriptors, EndingSignals signals, CancellationToken cancellationToken)
    {
        if (session.Type != SessionType.None)
        {
            return await RunSessionAsync(client, forwards, master, descriptors, signals, cancellationToken).ConfigureAwait(false);
        }

        if (session.IsOnlySession)
        {
            client.ForbidMoreSessions(); // with -N too, as ssh does
        }

        if (session.LocalCommand is { } command)
        {
            await LocalCommand.RunAsync(command, log, cancellationToken).ConfigureAwait(false);
        }

        return settings.StandardIo is { } destination
            ? await CarryAsync(client, destination, signals, cancellationToken).ConfigureAwait(false)
            : await StayAsync(client, master, signals, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where the host key is wrong nothing is forwarded, and a session may go on without. Null where that ends the run.</summary>
    private bool? MayForward(SshClient client)
    {
        if (!client.IsHostKeyUnsafe)
        {
            return true;
        }

        var areWanted = settings.LocalForwards.Count + settings.DynamicForwards.Count + settings.RemoteForwards.Count > 0 && session.Type != SessionType.None;
        if (areWanted)
        {
            log.Write(OpenSshLogLevel.Error, "Port forwarding is disabled to avoid man-in-the-middle attacks.");
        }

        if (settings.Attach is null && settings.Options.HostKeyUpdater is not null)
        {
            log.Write(OpenSshLogLevel.Error, "UpdateHostkeys is disabled because the host key is not trusted.");
        }

        if (!areWanted)
        {
            return true;
        }

        if (!settings.ExitOnForwardFailure)
        {
            return false;
        }

        log.Write(OpenSshLogLevel.Error, "Error: forwarding disabled due to host key check failure");
        return null;
    }

    private async Task<int> RunSessionAsync(
        SshClient client, ForwardTable forwards, MuxMaster? master, SessionDescriptors descriptors, EndingSignals signals, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var foreground = new ForegroundSession(client, settings, session, forwards, log)
        {
            Requests = Requests,
            Hold = Hold,
            Prompter = Prompter,
            Descriptors = descriptors,
            WhenUnused = master is null ? null : master.WhenUnusedAsync,
        };
        var running = foreground.RunAsync(ending);
        try
        {
            await Task.WhenAny(running, signals.Received, master?.Terminated ?? signals.Received).ConfigureAwait(false);
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
        await using var carrier = await UntilSignalAsync(ended => StandardIoForward.OpenAsync(client, destination, ended), signals, cancellationToken).ConfigureAwait(false);
        var carrying = carrier.RunAsync();
        var ended = await Task.WhenAny(carrying, signals.Received).WaitAsync(cancellationToken).ConfigureAwait(false);
        return ended == signals.Received ? await EndedBySignalAsync(signals).ConfigureAwait(false) : await carrying.ConfigureAwait(false);
    }

    /// <summary>Asks the server for something. A signal ends the wait for a server that does not answer: throws <see cref="OperationCanceledException"/>.</summary>
    private static async Task<T> UntilSignalAsync<T>(Func<CancellationToken, Task<T>> ask, EndingSignals signals, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asked = ask(ending.Token);
        await Task.WhenAny(asked, signals.Received).ConfigureAwait(false);
        if (!asked.IsCompleted)
        {
            await ending.CancelAsync().ConfigureAwait(false);
        }

        return await asked.ConfigureAwait(false);
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

    /// <summary>Without a session: until the connection ends, or a signal, or whoever shares it says so or needs it no more.</summary>
    private async Task<int> StayAsync(SshClient client, MuxMaster? master, EndingSignals signals, CancellationToken cancellationToken)
    {
        var needless = master?.WhenNeedlessAsync() ?? Task.Delay(Timeout.Infinite, cancellationToken);
        var ended = await Task.WhenAny(client.Completion, signals.Received, needless).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (ended == needless)
        {
            return ExitCode.Ssh; // as ssh's master ends without a session of its own
        }

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
            ? new SshException(e.Error, ClosedByServer, e) { Hint = e.Hint }
            : e;

    private string ClosedByServer => $"Connection to {settings.Options.Host} closed by remote host.";

    private bool IsClosedByServer(SshException e) => e.Error == SshError.ConnectionLost && e.Message == ClosedByServer;
}
