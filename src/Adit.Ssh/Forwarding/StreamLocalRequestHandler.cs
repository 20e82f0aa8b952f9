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
    private readonly Lock _lock = new();
    private readonly Dictionary<string, StreamLocalListener> _listeners = new(StringComparer.Ordinal);
    private StreamLocalListener? _unanswered;
    private Task? _closed;

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

    // Not before: a connection accepted at once would be announced before the client knows that it has the forward.
    public void OnAnswered()
    {
        _unanswered?.Start();
        _unanswered = null;
    }

    /// <summary>Listens no more, for good.</summary>
    public Task CloseAsync()
    {
        lock (_lock)
        {
            if (_closed is null)
            {
                _closed = Task.WhenAll(_listeners.Values.Select(listener => listener.DisposeAsync().AsTask()));
                _listeners.Clear();
            }
            return _closed;
        }
    }

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
        if (!TryAdd(path, listener))
        {
            await listener.DisposeAsync().ConfigureAwait(false);
            return null;
        }
        _logger.LogDebug("Local forwarding listening on path {Path}.", shown);
        _unanswered = listener;
        return [];
    }

    /// <summary>Asks about every listener again and closes those that are denied. Returns how many.</summary>
    public async Task<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, StreamLocalListener>> listeners;
        lock (_lock)
            listeners = [.. _listeners];
        int closed = 0;
        foreach (var (path, listener) in listeners)
        {
            var decision = await listener.DecideAsync(cancellationToken).ConfigureAwait(false);
            if (decision.Allowed)
                continue;
            bool removed;
            lock (_lock)
                removed = _listeners.GetValueOrDefault(path) == listener && _listeners.Remove(path);
            if (!removed)
                continue; // cancelled meanwhile
            await listener.DisposeAsync().ConfigureAwait(false);
            closed++;
            report($"remote forward of {PeerText.Escape(path, 256)}: listener closed, it is not allowed any more: {decision.Rule ?? "refused by the policy"}");
        }
        return closed;
    }

    private async ValueTask<byte[]?> CancelAsync(string path)
    {
        StreamLocalListener? listener;
        lock (_lock)
        {
            if (!_listeners.Remove(path, out listener))
                return null;
        }
        await listener.DisposeAsync().ConfigureAwait(false);
        return [];
    }

    /// <summary>Before anything is bound: with StreamLocalBindUnlink a second socket would take the first one's name.</summary>
    private string? Obstacle(string path)
    {
        lock (_lock)
        {
            return _listeners.ContainsKey(path) ? "this connection listens there already"
                : _listeners.Count >= _limit ? $"{_limit} remote forwards of Unix sockets are open on this connection"
                : null;
        }
    }

    /// <summary>False when the connection is over.</summary>
    private bool TryAdd(string path, StreamLocalListener listener)
    {
        lock (_lock)
            return _closed is null && _listeners.TryAdd(path, listener);
    }

    /// <summary>OpenSSH's client shows it from -v on, ours always.</summary>
    private void Tell(string text) => _connection.Transport.Send(new DebugMessage(AlwaysDisplay: true, text));

    private ValueTask<ForwardingDecision> DecideAsync(string path, CancellationToken cancellationToken) => _policy is null
        ? new(ForwardingDecision.Deny("no forwarding policy is set up"))
        : _policy.DecideAsync(new ForwardingRequest(_principal, ForwardingKind.ListenStreamLocal, path, 0, null), cancellationToken);
}
