using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Server side of -R with a Unix socket: listens where streamlocal-forward@openssh.com asks for it, with the rights of whoever logged in, as far as the policy of now
/// allows, until it is cancelled or the connection ends. Why something is refused is told to the client with SSH_MSG_DEBUG, naming the rule or the error.</summary>
internal sealed class StreamLocalRequestHandler : IGlobalRequestHandler
{
    private readonly SshConnection _connection;
    private readonly IForwardingPolicy? _policy;
    private readonly SshPrincipal _principal;
    private readonly IUnixSocketOpener _sockets;
    private readonly int _limit;
    private readonly LiveForwards _live;
    private readonly TaskTracker _connections;
    private readonly ILogger _logger;
    private readonly RequestedListeners<string, StreamLocalListener> _listeners = new();

    public StreamLocalRequestHandler(
        SshConnection connection, IForwardingPolicy? policy, SshPrincipal principal, IUnixSocketOpener sockets, int limit, LiveForwards live, TaskTracker connections, ILogger logger)
    {
        _connection = connection;
        _policy = policy;
        _principal = principal;
        _sockets = sockets;
        _limit = limit;
        _live = live;
        _connections = connections;
        _logger = logger;
        connection.Transport.Ended.UnsafeRegister(static self => _ = ((StreamLocalRequestHandler)self!).CloseAsync(), this);
    }

    public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken)
    {
        string path = StreamLocalForwardData.Read(data.Span).Path;
        return name == StreamLocalForwardData.Listen ? ListenAsync(path, cancellationToken) : CancelAsync(path);
    }

    public void OnAnswered() => _listeners.OnAnswered();

    /// <summary>Listens no more, for good.</summary>
    public Task CloseAsync() => _listeners.CloseAsync();

    private async ValueTask<byte[]?> ListenAsync(string path, CancellationToken cancellationToken)
    {
        string shown = PeerText.Escape(path, 256);
        var decision = await DecideAsync(path, cancellationToken).ConfigureAwait(false);
        if (!decision.Allowed)
        {
            _logger.LogInformation("Received request from {Remote} port {RemotePort} to remote forward to path {Path}, but the request was denied.{Rule}",
                _connection.Transport.RemoteAddress, _connection.Transport.RemotePort, shown, decision.Rule is null ? "" : $" ({decision.Rule})");
            Tell($"Server has disabled streamlocal forwarding. {shown}: {decision.Rule ?? "refused by its policy"}");
            return null;
        }
        if (Obstacle(path) is { } obstacle)
        {
            _logger.LogInformation("remote forward of path {Path} refused: {Obstacle}", shown, obstacle);
            Tell($"Server could not listen on {shown}: {obstacle}");
            return null;
        }
        Socket socket;
        try
        {
            if (UnixSocket.Flaw(path) is { } flaw)
                throw UnixSocket.Unusable(shown, flaw);
            socket = await _sockets.ListenAsync(_principal, path, cancellationToken).ConfigureAwait(false);
        }
        catch (SshException e) when (e.Error == SshError.ForwardFailed)
        {
            _logger.LogError("{Reason}", PeerText.Escape(e.Message));
            Tell($"Server could not listen on {shown}: {e.Message}{(e.Hint is null ? "" : $". {e.Hint}")}");
            return null;
        }
        var listener = new StreamLocalListener(_connection, ForwardListener.Of(socket, ForwardAddress.Unix(path), _logger), path, token => DecideAsync(path, token), _live, _connections, _logger);
        if (!_listeners.TryAdd(path, listener))
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        _logger.LogDebug("Local forwarding listening on path {Path}.", shown);
        return [];
    }

    /// <summary>Asks about every listener again and closes those that are denied. Returns how many.</summary>
    public Task<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken) =>
        _listeners.ReviewAsync(path => PeerText.Escape(path, 256), report, cancellationToken);

    private async ValueTask<byte[]?> CancelAsync(string path) => await _listeners.CancelAsync(path).ConfigureAwait(false) ? [] : null;

    /// <summary>Before anything is bound: with StreamLocalBindUnlink a second socket would take the first one's name.</summary>
    private string? Obstacle(string path) =>
        _listeners.Contains(path) ? "this connection listens there already"
        : _listeners.Count >= _limit ? $"{_limit} remote forwards of Unix sockets are open on this connection"
        : null;

    /// <summary>OpenSSH's client shows it from -v on, ours always.</summary>
    private void Tell(string text) => _connection.Transport.Send(new DebugMessage(AlwaysDisplay: true, text));

    private ValueTask<ForwardingDecision> DecideAsync(string path, CancellationToken cancellationToken) => _policy is null
        ? new(ForwardingDecision.Deny("no forwarding policy is set up"))
        : _policy.DecideAsync(new ForwardingRequest(_principal, ForwardingKind.ListenStreamLocal, path, 0, null), cancellationToken);
}
