using System.Net;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Server side of -L: connects where a direct-tcpip channel wants to go, if the policy of now allows it.</summary>
internal sealed class DirectTcpHandler(IForwardingPolicy? policy, SshPrincipal principal, IForwardDialer dialer, TaskTracker connections, ILogger logger) : IChannelHandler
{
    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var target = TcpipChannelData.Read(request.Data.Span);
        string host = PeerText.Escape(target.Host, 256);
        string originator = PeerText.Escape(target.OriginatorHost, 256);
        if (target.Port > 65535 || !await MayAsync(target, null, cancellationToken).ConfigureAwait(false))
        {
            Refuse(request);
            return;
        }
        logger.LogDebug("server_request_direct_tcpip: originator {Originator} port {OriginatorPort}, target {Host} port {Port}",
            originator, target.OriginatorPort, host, target.Port);
        try
        {
            var socket = await dialer.ConnectAsync(target.Host, (int)target.Port,
                (address, token) => MayAsync(target, address, token), cancellationToken).ConfigureAwait(false);
            var connection = new ForwardConnection(socket);
            if (request.Accept(connection) is null)
                connection.Abandon();
            else
                connections.Add(connection.RunAsync());
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            Refuse(request);
        }
        catch (SshException e)
        {
            if (e.Error == SshError.NameResolution)
                logger.LogInformation("connect_to {Host}: unknown host ({Reason})", host, e.Message);
            else
                logger.LogInformation("connect_to {Host} port {Port}: failed.", host, target.Port);
            request.Reject(OpenFailureReason.ConnectFailed, e.Message);
        }
    }

    private async ValueTask<bool> MayAsync(TcpipChannelData target, IPAddress? resolved, CancellationToken cancellationToken)
    {
        if (policy is null)
            return false;
        var decision = await policy.DecideAsync(
            new ForwardingRequest(principal, ForwardingKind.DirectTcp, target.Host, (int)target.Port, resolved), cancellationToken).ConfigureAwait(false);
        if (!decision.Allowed)
        {
            logger.LogInformation("refused local port forward: originator {Originator} port {OriginatorPort}, target {Host} port {Port}{Rule}",
                PeerText.Escape(target.OriginatorHost, 256), target.OriginatorPort, PeerText.Escape(target.Host, 256), target.Port,
                decision.Rule is null ? "" : $" ({decision.Rule})");
        }
        return decision.Allowed;
    }

    private static void Refuse(IncomingChannel request) => request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");
}
