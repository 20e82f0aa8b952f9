using System.Buffers.Binary;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Server side of -R: listens where tcpip-forward asks for it, as far as the policy of now allows, until it is cancelled or the connection ends.
/// What is refused or bound otherwise than asked for is told to the client with SSH_MSG_DEBUG, naming the rule.</summary>
internal sealed class ListenRequestHandler : IGlobalRequestHandler
{
    private readonly SshConnection _connection;
    private readonly IForwardingPolicy? _policy;
    private readonly SshPrincipal _principal;
    private readonly ListenerRegistry _registry;
    private readonly ListenSession _session;
    private readonly ListenOptions _options;
    private readonly int _limit;
    private readonly LiveForwards _live;
    private readonly TaskTracker _connections;
    private readonly ILogger _logger;
    private readonly RequestedListeners<(string Host, int Port), RemoteListener> _listeners = new();

    public ListenRequestHandler(SshConnection connection, IForwardingPolicy? policy, SshPrincipal principal, ListenerRegistry registry, AddressFamily family, int limit,
        LiveForwards live, TaskTracker connections, ILogger logger)
    {
        _connection = connection;
        _policy = policy;
        _principal = principal;
        _registry = registry;
        _session = registry.Enter(connection, principal);
        _options = new ListenOptions { AddressFamily = family };
        _limit = limit;
        _live = live;
        _connections = connections;
        _logger = logger;
        // The ports are free again as soon as the connection is given up, not when its last byte has been settled.
        connection.Transport.Ended.UnsafeRegister(static self => _ = ((ListenRequestHandler)self!).CloseAsync(), this);
    }

    /// <summary>Listeners now.</summary>
    public int Count => _listeners.Count;

    public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
    {
        var request = TcpipForwardData.Read(data.Span);
        return name == TcpipForwardData.Listen ? ListenAsync(request, wantReply, cancellationToken) : CancelAsync(request);
    }

    public void OnAnswered() => _listeners.OnAnswered();

    /// <summary>Frees all ports, for good.</summary>
    public Task CloseAsync() => _listeners.CloseAsync();

    private async ValueTask<byte[]?> ListenAsync(TcpipForwardData request, bool wantReply, CancellationToken cancellationToken)
    {
        string shown = $"\"{PeerText.Escape(request.Host, 256)}\" port {request.Port}";
        // Without an answer nobody would learn which port it is.
        if (request.Port > 65535 || (request.Port == 0 && !wantReply))
            return null;
        var decision = await DecideAsync(request, cancellationToken).ConfigureAwait(false);
        if (!decision.Allowed)
        {
            _logger.LogInformation("Received request from {Remote} port {RemotePort} to remote forward to host {Host} port {Port}, but the request was denied.{Rule}",
                _connection.Transport.RemoteAddress, _connection.Transport.RemotePort, PeerText.Escape(request.Host, 256), request.Port, decision.Rule is null ? "" : $" ({decision.Rule})");
            Tell(decision.IsForOthers
                ? $"Server could not listen on {shown}: {decision.Rule}"
                : $"Server has disabled port forwarding. {shown}: {decision.Rule ?? "refused by its policy"}");
            return null;
        }
        if (Count >= _limit)
        {
            _logger.LogInformation("remote forward of {Address} refused: {Limit} listeners are open on this connection", shown, _limit);
            Tell($"Server has no room for {shown}: {_limit} remote forwards are open on this connection");
            return null;
        }
        var placement = ListenPlacement.Of(request.Host, decision.GatewayPorts);
        if (placement.Overridden)
            Tell($"Forwarding listen address \"{PeerText.Escape(request.Host, 256)}\" overridden by server GatewayPorts");
        ListenerLease lease;
        try
        {
            lease = await _registry.BindAsync(_session, ForwardAddress.Tcp(placement.Host, (int)request.Port), _options, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e) when (e.Error == SshError.ForwardFailed)
        {
            _logger.LogError("{Reason}", e.Message);
            Tell($"Server could not listen on {shown}: {e.Message}");
            return null;
        }
        var remote = new RemoteListener(_connection, lease, request, token => DecideAgainAsync(request, placement, token), _live, _connections, _logger);
        if (!_listeners.TryAdd((request.Host, remote.Port), remote))
        {
            await remote.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        Explain(shown, placement, lease);
        return request.Port == 0 ? PortAnswer(remote.Port) : [];
    }

    /// <summary>Asks about every listener again and closes those that are denied. Returns how many.</summary>
    public Task<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken) =>
        _listeners.ReviewAsync(key => $"{PeerText.Escape(key.Host, 256)} port {key.Port}", report, cancellationToken);

    private async ValueTask<byte[]?> CancelAsync(TcpipForwardData request) =>
        request.Port <= 65535 && await _listeners.CancelAsync((request.Host, (int)request.Port)).ConfigureAwait(false) ? [] : null;

    private void Explain(string shown, ListenPlacement placement, ListenerLease lease)
    {
        string bound = string.Join(" and ", lease.Listener.Bound);
        _logger.LogDebug("remote forward of {Address} listens on {Bound}", shown, bound);
        if (placement.Narrowed)
            Tell($"Forwarding listen address {shown} narrowed to loopback by server GatewayPorts no: listening on {bound}");
        if (lease.Missing is { } missing)
            Tell($"Server listens on {bound} only for {shown}: {missing}");
    }

    /// <summary>OpenSSH's client shows it from -v on, ours always.</summary>
    private void Tell(string text) => _connection.Transport.Send(new DebugMessage(AlwaysDisplay: true, text));

    private ValueTask<ForwardingDecision> DecideAsync(TcpipForwardData request, CancellationToken cancellationToken) => _policy is null
        ? new(ForwardingDecision.Deny("no forwarding policy is set up"))
        : _policy.DecideAsync(new ForwardingRequest(_principal, ForwardingKind.ListenTcp, request.Host, (int)request.Port, null), cancellationToken);

    /// <summary>For a listener that is there: whether it may be, and may be where it is.</summary>
    private async ValueTask<ForwardingDecision> DecideAgainAsync(TcpipForwardData request, ListenPlacement bound, CancellationToken cancellationToken)
    {
        var decision = await DecideAsync(request, cancellationToken).ConfigureAwait(false);
        return !decision.Allowed || ListenPlacement.Of(request.Host, decision.GatewayPorts).Covers(bound.Host)
            ? decision
            : ForwardingDecision.Deny($"GatewayPorts {decision.GatewayPorts.ToString().ToLowerInvariant()}");
    }

    private static byte[] PortAnswer(int port)
    {
        byte[] answer = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(answer, (uint)port);
        return answer;
    }
}
