using System.Runtime.InteropServices;
using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Multiplexing;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>One run of the client without a session: connect, log in, listen, and stay until the connection or a signal ends it.</summary>
internal sealed class ClientSession(ClientSettings settings, LogOutput log)
{
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        // Up to the login a signal takes its usual course; a prompt puts the terminal right before that.
        var client = await SshClient.ConnectAsync(settings.Options, cancellationToken).ConfigureAwait(false);
        using var signals = new EndingSignals();
        var forwards = new ForwardBook(settings, log);
        MuxMaster? master = null;
        try
        {
            if (!await ListenAsync(client, forwards, cancellationToken).ConfigureAwait(false))
            {
                return ExitCode.Ssh;
            }

            master = settings.Master is { } shared ? MuxMaster.Start(shared, client, forwards, settings, log) : null;
            if (master is null && settings.Background is { Purpose: BackgroundPurpose.Master } needless)
            {
                // Somebody else was faster: the command runs over that connection.
                await needless.DetachAsync(log).ConfigureAwait(false);
                return ExitCode.Success;
            }

            // ssh's moments: now that local listeners are bound, or only when the server has granted everything it must.
            var waits = settings.ExitOnForwardFailure && settings.RemoteForwards.Count > 0;
            if (settings.Background is { } early && !waits)
            {
                await early.DetachAsync(log).ConfigureAwait(false);
            }

            if (!await RemoteRequests.MakeAsync(client, settings, forwards, log, cancellationToken).ConfigureAwait(false))
            {
                return ExitCode.Ssh;
            }

            if (settings.Background is { } late)
            {
                await late.DetachAsync(log).ConfigureAwait(false);
            }

            return settings.StandardIo is { } destination
                ? await CarryAsync(client, destination, signals, cancellationToken).ConfigureAwait(false)
                : await StayAsync(client, master, signals, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Nobody new; then the goodbye, which ends what passengers still run.
            master?.StopListening();
            await forwards.DisposeAsync().ConfigureAwait(false);
            await client.DisposeAsync().ConfigureAwait(false);
            if (master is not null)
            {
                await master.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Binds what was asked for. False when something failed and ExitOnForwardFailure says that this ends the connection.</summary>
    private async Task<bool> ListenAsync(SshClient client, ForwardBook forwards, CancellationToken cancellationToken)
    {
        var bound = 0;
        ForwardSpecification[] wanted = [.. settings.LocalForwards, .. settings.DynamicForwards];
        foreach (var specification in wanted)
        {
            var listen = specification.Listen;
            log.Write(OpenSshLogLevel.Debug1, $"Local connections to {Describe(listen)} forwarded to remote address {specification.Destination?.ToString() ?? "socks:0"}");
            try
            {
                var forward = specification.Destination is { } destination
                    ? await client.ForwardLocalAsync(listen, destination, settings.Listen, cancellationToken).ConfigureAwait(false)
                    : await client.ForwardDynamicAsync(listen, settings.Listen, cancellationToken).ConfigureAwait(false);
                forwards.Add(MuxForward.Of(specification), forward);
                bound++;
                Announce(forward);
            }
            catch (SshException e) when (e.Error == SshError.ForwardFailed)
            {
                BindReport.Write(log, listen, e);
            }
        }

        // As ssh does: without ExitOnForwardFailure the connection stays up even when nothing could be bound; the line comes then, or when it is fatal.
        bool fatal = bound < wanted.Length && settings.ExitOnForwardFailure;
        if (fatal || (bound == 0 && wanted.Length > 0))
        {
            log.Write(OpenSshLogLevel.Error, "Could not request local forwarding.");
        }

        return !fatal;
    }

    private string Describe(ForwardAddress listen) =>
        listen.IsUnix || listen.Host is not null ? listen.ToString() : $"{(settings.Listen.GatewayPorts ? "*" : "LOCALHOST")}:{listen.Port}";

    /// <summary>Tells a person that the tunnel stands. Scripts, which expect silence, see nothing.</summary>
    private void Announce(Forward forward)
    {
        if (!log.IsTerminal && !log.Shows(OpenSshLogLevel.Debug1))
        {
            return;
        }

        foreach (var bound in forward.Bound)
        {
            log.Write(OpenSshLogLevel.Info, $"adit: {bound} -> {forward.Destination?.ToString() ?? "wherever SOCKS clients ask to go"} via {settings.Options.UserName}@{settings.Host}");
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
        if (signal == PosixSignal.SIGTERM)
        {
            return ExitCode.Success; // how a tunnel without a session is meant to be stopped
        }

        log.Write(OpenSshLogLevel.Verbose, $"Killed by signal {EndingSignals.Number(signal)}.");
        return ExitCode.Ssh;
    }

    /// <summary>Without a session: until the connection ends, or a signal, or whoever shares it says so or needs it no more.</summary>
    private async Task<int> StayAsync(SshClient client, MuxMaster? master, EndingSignals signals, CancellationToken cancellationToken)
    {
        var unused = master?.WhenNeedlessAsync() ?? Task.Delay(Timeout.Infinite, cancellationToken);
        var ended = await Task.WhenAny(client.Completion, signals.Received, unused).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (ended == unused)
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
        catch (SshException e) when (e.Error == SshError.ConnectionLost && e.Message.StartsWith("Connection closed by", StringComparison.Ordinal))
        {
            // After login ssh has other words for it.
            throw new SshException(e.Error, $"Connection to {settings.Options.Host} closed by remote host.", e) { Hint = e.Hint };
        }

        return ExitCode.Ssh;
    }
}
