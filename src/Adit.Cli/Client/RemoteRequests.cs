using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>-R and RemoteForward: asks the server to listen, and tells how that went in ssh's words.</summary>
internal static class RemoteRequests
{
    /// <summary>False when a refusal ends the run (ExitOnForwardFailure). The forwards last as long as the connection.</summary>
    public static async Task<bool> MakeAsync(
        SshClient client, ClientSettings settings, LogOutput log, Action<ForwardSpecification, RemoteForward> onForward, CancellationToken cancellationToken)
    {
        // All are asked for before the first answer is waited for: one round trip for any number.
        var answers = new List<(ForwardSpecification Specification, Task<RemoteForward> Answer)>();
        foreach (var specification in settings.RemoteForwards)
        {
            log.Write(OpenSshLogLevel.Debug1, $"Remote connections from {Describe(specification.Listen)} forwarded to local address {Describe(specification.Destination)}");
            answers.Add((specification, AskAsync(client, specification, settings, cancellationToken)));
        }

        var isFine = true;
        foreach (var (specification, answer) in answers)
        {
            try
            {
                var forward = await answer.ConfigureAwait(false);
                onForward(specification, forward);
                Announce(forward, settings, log);
            }
            catch (SshException e) when (e.Error == SshError.ForwardFailed)
            {
                var (level, prefix) = settings.ExitOnForwardFailure ? (OpenSshLogLevel.Error, "Error") : (OpenSshLogLevel.Info, "Warning");
                isFine &= !settings.ExitOnForwardFailure;
                log.Write(level, $"{prefix}: {e.Message}");
                foreach (var line in ErrorReporter.Hints(e.Hint))
                {
                    log.Write(level, line);
                }
            }
        }

        return isFine;
    }

    /// <summary>Asks for one. Throws <see cref="SshException"/> when it is refused.</summary>
    public static Task<RemoteForward> AskAsync(SshClient client, ForwardSpecification specification, ClientSettings settings, CancellationToken cancellationToken) =>
        specification.Destination is { } destination
            ? client.ForwardRemoteAsync(specification.Listen, destination, cancellationToken)
            : client.ForwardRemoteDynamicAsync(specification.Listen, MayConnect(settings.RemoteOpen), cancellationToken);

    private static string Describe(ForwardAddress listen) => listen switch
    {
        { IsUnix: true } => listen.Path!,
        { Host: null } => $"LOCALHOST:{listen.Port}",
        { Host: "" } => $"*:{listen.Port}",
        _ => listen.ToString(),
    };

    private static string Describe(ForwardAddress? destination) => destination?.ToString() ?? "socks:0";

    /// <summary>PermitRemoteOpen goes by the name that the client wrote, as ssh's does; which addresses that has is not its matter.</summary>
    private static Func<RemoteDynamicRequest, CancellationToken, ValueTask<ForwardingDecision>> MayConnect(PermitRemoteOpen permitted)
    {
        var refusal = ForwardingDecision.Deny($"PermitRemoteOpen {permitted}");
        return (request, _) => new(permitted.Allows(request.Destination.Host!, request.Destination.Port) ? ForwardingDecision.Allow : refusal);
    }

    /// <summary>Tells that it is up.</summary>
    public static void Announce(RemoteForward forward, ClientSettings settings, LogOutput log)
    {
        if (forward.Listen is { IsUnix: false, Port: 0 })
        {
            log.Write(OpenSshLogLevel.Info, $"Allocated port {forward.Port} for remote forward to {Describe(forward.Destination)}");
        }

        // Scripts, which expect silence, see nothing of this; that a server may have bound less than it was asked for is for everybody.
        if (log.IsTerminal || log.Shows(OpenSshLogLevel.Debug1))
        {
            var server = $"{settings.Options.UserName}@{settings.Host}";
            log.Write(OpenSshLogLevel.Info, $"adit: {(forward.Listen.IsUnix ? forward.Listen.Path : $"port {forward.Port}")} at {server} -> {forward.Destination?.ToString() ?? "wherever SOCKS clients there ask to go, from"} here");
        }

        foreach (var line in ErrorReporter.Hints(forward.Note))
        {
            log.Write(OpenSshLogLevel.Info, line);
        }
    }
}
