using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Server side of -L to a Unix socket: connects where a direct-streamlocal@openssh.com channel wants to go, with the rights of whoever logged in, if the policy of
/// now allows it. Whatever the reason, a refusal has the code for a failed connection, as OpenSSH's.</summary>
internal sealed class DirectStreamLocalHandler(
    IForwardingPolicy? policy, SshPrincipal principal, IUnixSocketOpener sockets, LiveForwards live, TaskTracker connections, ILogger logger) : IChannelHandler
{
    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        try
        {
            var target = DirectStreamLocalData.Read(request.Data.Span);
            int reviews = live.Reviews;
            string? rule = target.OriginatorPort > 65535 ? "there is no such port" : await RuleAgainstAsync(target, cancellationToken).ConfigureAwait(false);
            if (rule is not null)
            {
                request.Reject(OpenFailureReason.ConnectFailed, "open failed", rule);
                return;
            }
            await ConnectAsync(request, target, reviews, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            logger.LogInformation("refused streamlocal port forward: {Reason}", e.Message);
            request.Reject(OpenFailureReason.ConnectFailed, "open failed");
        }
    }

    private async ValueTask ConnectAsync(IncomingChannel request, DirectStreamLocalData target, int reviews, CancellationToken cancellationToken)
    {
        string path = PeerText.Escape(target.Path, 256);
        logger.LogDebug("server_request_direct_streamlocal: originator {Originator} port {OriginatorPort}, target {Path}",
            PeerText.Escape(target.OriginatorHost, 256), target.OriginatorPort, path);
        try
        {
            if (UnixSocket.Flaw(target.Path) is { } flaw)
                throw new SshException(SshError.ConnectFailed, flaw);
            var connection = new ForwardConnection(await sockets.ConnectAsync(principal, target.Path, cancellationToken).ConfigureAwait(false));
            if (request.Accept(connection) is not { } channel)
            {
                connection.Abandon();
                return;
            }
            connections.Add(connection.RunAsync());
            await live.LookAgainAsync(channel, reviews, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e)
        {
            logger.LogInformation("connect_to {Path}: failed. ({Reason})", path, e.Message);
            request.Reject(OpenFailureReason.ConnectFailed, e.Message);
        }
    }

    /// <summary>Null when there is none.</summary>
    private async ValueTask<string?> RuleAgainstAsync(DirectStreamLocalData target, CancellationToken cancellationToken)
    {
        if (policy is null)
            return "no forwarding policy is set up";
        var decision = await policy.DecideAsync(
            new ForwardingRequest(principal, ForwardingKind.DirectStreamLocal, target.Path, 0, null), cancellationToken).ConfigureAwait(false);
        if (!decision.Allowed)
        {
            logger.LogInformation("refused streamlocal port forward: originator {Originator} port {OriginatorPort}, target {Path}{Rule}",
                PeerText.Escape(target.OriginatorHost, 256), target.OriginatorPort, PeerText.Escape(target.Path, 256), decision.Rule is null ? "" : $" ({decision.Rule})");
        }
        return decision.Allowed ? null : decision.Rule is null ? "refused by its policy" : $"refused by {decision.Rule}";
    }
}
