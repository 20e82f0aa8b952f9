using System.Net;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Server side of -L: connects where a direct-tcpip channel wants to go, if the policy of now allows it.</summary>
internal sealed class DirectTcpHandler(IForwardingPolicy? policy, SshPrincipal principal, IForwardDialer dialer, LiveForwards live, TaskTracker connections, ILogger logger) : IChannelHandler
{
    private const string ByPolicy = "refused by its policy";

    public bool NeverBlocks => policy is { NeverBlocks: true } && dialer is TcpDialer;

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var target = TcpipChannelData.Read(request.Data.Span);
        string host = PeerText.Escape(target.Host, 256);
        string originator = PeerText.Escape(target.OriginatorHost, 256);
        int reviews = live.Reviews;
        string? rule = target.Port > 65535 ? "there is no such port" : await RuleAgainstAsync(target, null, cancellationToken).ConfigureAwait(false);
        if (rule is not null)
        {
            Refuse(request, rule);
            return;
        }
        logger.LogDebug("server_request_direct_tcpip: originator {Originator} port {OriginatorPort}, target {Host} port {Port}",
            originator, target.OriginatorPort, host, target.Port);
        try
        {
            var socket = await dialer.ConnectAsync(target.Host, (int)target.Port,
                async (address, token) => (rule = await RuleAgainstAsync(target, address, token).ConfigureAwait(false)) is null, cancellationToken).ConfigureAwait(false);
            var connection = new ForwardConnection(socket);
            if (request.Accept(connection) is not { } channel)
            {
                connection.Abandon();
                return;
            }
            connections.Add(connection.RunAsync());
            await live.LookAgainAsync(channel, reviews, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            Refuse(request, rule ?? ByPolicy);
        }
        catch (SshException e)
        {
            if (e.Error == SshError.NameResolution)
                logger.LogInformation("connect_to {Host}: unknown host ({Reason})", host, e.Message);
            else
                logger.LogInformation("connect_to {Host} port {Port}: failed.", host, target.Port);
            request.Reject(OpenFailureReason.ConnectFailed, e.Message, e.Hint ?? e.Message);
        }
    }

    /// <summary>Null when there is none.</summary>
    private async ValueTask<string?> RuleAgainstAsync(TcpipChannelData target, IPAddress? resolved, CancellationToken cancellationToken)
    {
        if (policy is null)
            return "no forwarding policy is set up";
        var decision = await policy.DecideAsync(
            new ForwardingRequest(principal, ForwardingKind.DirectTcp, target.Host, (int)target.Port, resolved), cancellationToken).ConfigureAwait(false);
        if (!decision.Allowed)
        {
            string rule = decision.Rule is null ? "" : $" ({decision.Rule})";
            if (decision.Rule?.StartsWith("permitopen ", StringComparison.OrdinalIgnoreCase) == true) // a list that does not have it reads otherwise than no forwarding at all
                logger.LogInformation("Received request from {Remote} port {RemotePort} to connect to host {Host} port {Port}, but the request was denied.{Rule}",
                    PeerText.Escape(target.OriginatorHost, 256), target.OriginatorPort, PeerText.Escape(target.Host, 256), target.Port, rule);
            else
                logger.LogInformation("refused local port forward: originator {Originator} port {OriginatorPort}, target {Host} port {Port}{Rule}",
                    PeerText.Escape(target.OriginatorHost, 256), target.OriginatorPort, PeerText.Escape(target.Host, 256), target.Port, rule);
        }
        return decision.Allowed ? null : decision.Rule is null ? ByPolicy : $"refused by {decision.Rule}";
    }

    private static void Refuse(IncomingChannel request, string rule) => request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed", rule);
}
