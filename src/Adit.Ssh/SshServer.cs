using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>A server: listeners and the connections they accepted.</summary>
public sealed class SshServer : IAsyncDisposable
{
    private readonly ILogger _logger;
    private readonly List<ServerListener> _listeners = [];
    private readonly Dictionary<long, ServerConnection> _connections = [];
    private readonly ListenerRegistry _remoteListeners;
    private readonly SourceLimits _sources;
    private readonly TaskTracker _tasks = new();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private volatile SshServerOptions _options;
    private Lazy<ModuliFile> _moduli;
    private bool _unbound;
    private long _lastId;
    private int _accepted;
    private int _notLoggedIn;

    public SshServer(SshServerOptions options)
    {
        if (options.HostKeys.Count == 0)
            throw new ArgumentException("a server needs at least one host key", nameof(options));
        _options = options;
        _logger = options.LoggerFactory.CreateLogger("Adit.Ssh");
        _remoteListeners = new ListenerRegistry(options.RemoteForwardTakeoverTimeout, options.TimeProvider, _logger);
        _sources = new SourceLimits(options.TimeProvider, _logger);
        _moduli = new Lazy<ModuliFile>(LoadModuli);
    }

    /// <summary>What is really listened on.</summary>
    public IReadOnlyList<IPEndPoint> BoundEndpoints { get; private set; } = [];

    /// <summary>Connections now, logged in or not.</summary>
    public int ConnectionCount
    {
        get
        {
            lock (_lock)
                return _connections.Count;
        }
    }

    /// <summary>Binds and starts accepting. An address that cannot be bound is logged ("Bind to port … failed") and skipped; throws when none could be.</summary>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        Listen([.. _options.ListeningSockets.Select(socket => ServerListener.Adopt(socket, _logger)), .. Bind(_options.ListeningSockets.Count > 0 ? [] : _options.Endpoints)]);
        return Task.CompletedTask;
    }

    /// <summary>From here on new connections are served as <paramref name="options"/> says; those that are there go on as they began. Addresses that both have keep their
    /// sockets, so that nobody who connects meanwhile is turned away. Throws as <see cref="StartAsync"/> does; then everything is as it was. One call at a time.
    /// <see cref="SshServerOptions.RemoteForwardTakeoverTimeout"/> and <see cref="SshServerOptions.TimeProvider"/> stay.</summary>
    public async Task ReplaceAsync(SshServerOptions options)
    {
        if (options.HostKeys.Count == 0)
            throw new ArgumentException("a server needs at least one host key", nameof(options));
        List<ServerListener> kept, dropped;
        lock (_lock)
        {
            if (_unbound)
                throw new InvalidOperationException("the server listens no more");
            kept = [.. _listeners.Where(listener => listener.IsWanted(options.Endpoints))];
            dropped = [.. _listeners.Except(kept)];
            _listeners.Clear();
            _listeners.AddRange(kept);
        }
        // First: an address of the new ones may cover one of the old.
        await StopAsync(dropped).ConfigureAwait(false);
        try
        {
            var missing = kept.Any(listener => listener.IsWanted([])) ? [] : options.Endpoints.Where(endpoint => !kept.Any(listener => listener.IsFor(endpoint)));
            var before = _options;
            _options = options; // what the new sockets accept is served by it
            try
            {
                Listen(Bind(missing), kept.Count > 0);
            }
            catch (SshException)
            {
                _options = before;
                throw;
            }
            _moduli = new Lazy<ModuliFile>(LoadModuli);
            foreach (var listener in kept)
                listener.Announce();
        }
        catch (SshException)
        {
            Listen(Bind(dropped.Select(listener => listener.Bound)), kept.Count > 0 || dropped.Count == 0);
            throw;
        }
    }

    /// <summary>Completes when it no longer listens (it was stopped, or <see cref="SshServerOptions.AcceptLimit"/> was reached) and the last connection has ended.</summary>
    public async Task WhenEndedAsync()
    {
        Task[] accepting;
        do
        {
            lock (_lock)
                accepting = [.. _listeners.Select(listener => listener.Accepting).Where(task => !task.IsCompleted)];
            await Task.WhenAll(accepting).ConfigureAwait(false);
        }
        while (accepting.Length > 0);
        await _tasks.WhenIdleAsync().ConfigureAwait(false);
    }

    /// <summary>Asks <see cref="SshServerOptions.ForwardingPolicy"/> again about everything that is forwarded now, on every connection, and closes what it denies:
    /// listeners of remote forwards, and connections, whose sockets are reset. Each is logged and told to its client. For after the rules have changed; new forwards
    /// are asked about anyway. Returns how many listeners and connections were closed.</summary>
    public async Task<int> ReviewForwardsAsync(CancellationToken cancellationToken = default)
    {
        List<ServerConnection> connections;
        lock (_lock)
            connections = [.. _connections.Values];
        int closed = 0;
        await Parallel.ForEachAsync(connections, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = cancellationToken }, async (connection, token) =>
            Interlocked.Add(ref closed, await connection.ReviewForwardsAsync(token).ConfigureAwait(false))).ConfigureAwait(false);
        return closed;
    }

    /// <summary>Stops listening: when it returns the ports are free. Connections go on.</summary>
    public async Task StopListeningAsync()
    {
        List<ServerListener> all;
        lock (_lock)
        {
            _unbound = true;
            all = [.. _listeners];
        }
        await StopAsync(all).ConfigureAwait(false);
    }

    /// <summary>Serves one connection over <paramref name="stream"/> until it ends (sshd -i).</summary>
    public Task ServeAsync(Stream stream, CancellationToken cancellationToken = default) => ServeAsync(new StreamTransport(stream), cancellationToken);

    /// <summary>Stops listening, lets connections go on until <paramref name="drain"/> has passed, then aborts them.</summary>
    public async Task StopAsync(TimeSpan drain)
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await StopListeningAsync().ConfigureAwait(false);
        var idle = _tasks.WhenIdleAsync();
        if (drain > TimeSpan.Zero)
            await Task.WhenAny(idle, Task.Delay(drain, _options.TimeProvider)).ConfigureAwait(false);
        List<ServerConnection> left;
        lock (_lock)
            left = [.. _connections.Values];
        foreach (var connection in left)
            connection.Transport.End(new SshException(SshError.Closed, "server is stopping") { DisconnectReason = DisconnectReason.ByApplication });
        await idle.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.Zero).ConfigureAwait(false);
        _stop.Dispose();
    }

    private ModuliFile LoadModuli()
    {
        if (_options.ModuliFile is not { } path)
            return ModuliFile.Empty;
        try
        {
            return ModuliFile.Load(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.LogInformation("WARNING: could not open {Path} ({Reason}), using fixed modulus", path, e.Message);
            return ModuliFile.Empty;
        }
    }

    private List<ServerListener> Bind(IEnumerable<IPEndPoint> endpoints) => [.. endpoints.Select(endpoint => ServerListener.Bind(endpoint, _logger)).OfType<ServerListener>()];

    private static async Task StopAsync(IReadOnlyList<ServerListener> listeners)
    {
        foreach (var listener in listeners)
            listener.Dispose();
        await Task.WhenAll(listeners.Select(listener => listener.Accepting)).ConfigureAwait(false);
    }

    private void Listen(List<ServerListener> added, bool mayBeNone = false)
    {
        if (added.Count == 0 && !mayBeNone)
        {
            throw new SshException(SshError.ForwardFailed, "Cannot bind any address.")
            {
                Hint = "another server may hold the port (ss -ltnp shows which), or the port is below 1024 and needs root",
            };
        }
        lock (_lock)
        {
            _listeners.AddRange(added);
            BoundEndpoints = [.. _listeners.Select(listener => listener.Bound)];
        }
        foreach (var listener in added)
            listener.Start(Take);
    }

    private void Take(Socket socket)
    {
        int limit = _options.AcceptLimit ?? int.MaxValue;
        int number = limit == int.MaxValue ? 0 : Interlocked.Increment(ref _accepted);
        if (number > limit)
        {
            socket.Dispose();
            return;
        }
        _tasks.Add(ServeAsync(socket));
        if (number != limit)
            return;
        lock (_lock)
        {
            foreach (var listener in _listeners)
                listener.Dispose();
        }
    }

    /// <summary>Serves one connection over a connected socket until it ends. The socket becomes the server's.</summary>
    public async Task ServeAsync(Socket socket)
    {
        SocketTransport bytes;
        try
        {
            if (_options.TcpKeepAlive)
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            bytes = new SocketTransport(socket);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            socket.Dispose(); // gone between accept and here
            return;
        }
        await ServeAsync(bytes, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task ServeAsync(ByteTransport bytes, CancellationToken cancellationToken)
    {
        await Task.Yield(); // the accept loop goes on
        var options = _options;
        var source = _sources.Enter(bytes.RemoteEndPoint?.Address, options.SourceRules);
        if ((source.Refusal ?? StartupRefusal(options)) is { } refusal)
        {
            source.Leave();
            _logger.LogInformation("drop connection #{Count} from [{Remote}]:{RemotePort} on [{Local}]:{LocalPort} {Reason}", Volatile.Read(ref _notLoggedIn),
                bytes.RemoteEndPoint?.Address, bytes.RemoteEndPoint?.Port, bytes.LocalEndPoint?.Address, bytes.LocalEndPoint?.Port, refusal);
            await RefuseAsync(bytes).ConfigureAwait(false);
            return;
        }
        var connection = new ServerConnection(options, bytes, Interlocked.Increment(ref _lastId), _remoteListeners, () => _moduli.Value, _logger);
        lock (_lock)
            _connections.Add(connection.Id, connection);
        // Stopping looks at the table after it has set the mark, so one of the two sees the other.
        if (_stop.IsCancellationRequested)
            connection.Transport.End(new SshException(SshError.Closed, "server is stopping") { DisconnectReason = DisconnectReason.ByApplication });
        var punished = SourceOffence.None;
        try
        {
            using var registration = cancellationToken.UnsafeRegister(static c => ((ServerConnection)c!).Transport.End(
                new SshException(SshError.Closed, "the connection was closed") { DisconnectReason = DisconnectReason.ByApplication }), connection);
            await connection.RunAsync(
                () => _sources.Punish(source, punished = connection.Offence), // at once: what is cleaned up behind a login that failed may take its time
                () =>
                {
                    Interlocked.Decrement(ref _notLoggedIn);
                    source.Leave();
                }).ConfigureAwait(false);
        }
        finally
        {
            if (punished == SourceOffence.None)
                _sources.Punish(source, connection.Offence);
            lock (_lock)
                _connections.Remove(connection.Id);
        }
    }

    /// <summary>MaxStartups: from the first number on, more and more newcomers are refused; at the third all are. Null: one more is counted.</summary>
    private string? StartupRefusal(SshServerOptions options)
    {
        int already = Interlocked.Increment(ref _notLoggedIn) - 1;
        bool drop = already >= options.MaxStartups;
        if (!drop && already >= options.MaxStartupsBegin && options.MaxStartups > options.MaxStartupsBegin)
        {
            int chance = options.MaxStartupsRate
                + ((100 - options.MaxStartupsRate) * (already - options.MaxStartupsBegin) / (options.MaxStartups - options.MaxStartupsBegin));
            drop = System.Security.Cryptography.RandomNumberGenerator.GetInt32(100) < chance;
        }
        if (!drop)
            return null;
        Interlocked.Decrement(ref _notLoggedIn);
        return "past MaxStartups";
    }

    private static async Task RefuseAsync(ByteTransport bytes)
    {
        try
        {
            await bytes.SendAsync("Not allowed at this time\r\n"u8.ToArray()).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // it has gone already
        }
        await bytes.DisposeAsync().ConfigureAwait(false);
    }
}
