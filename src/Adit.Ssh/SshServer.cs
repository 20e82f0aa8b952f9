using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>A server: listeners and the connections they accepted.</summary>
public sealed class SshServer : IAsyncDisposable
{
    private const int Backlog = 1024;
    private static readonly TimeSpan ExhaustedPause = TimeSpan.FromSeconds(1);

    private readonly SshServerOptions _options;
    private readonly ILogger _logger;
    private readonly List<Socket> _listeners = [];
    private readonly Dictionary<long, ServerConnection> _connections = [];
    private readonly ListenerRegistry _remoteListeners;
    private readonly TaskTracker _tasks = new();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _unbind = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lazy<ModuliFile> _moduli;
    private Task _accepting = Task.CompletedTask;
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
        var bound = new List<IPEndPoint>();
        foreach (var endpoint in _options.Endpoints)
        {
            var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                if (endpoint.AddressFamily == AddressFamily.InterNetworkV6)
                    socket.DualMode = false;
                // No ReuseAddress: .NET turns it into SO_REUSEPORT as well, and a second program could share the port. SO_REUSEADDR it sets by itself.
                socket.Bind(endpoint);
                socket.Listen(Backlog);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                _logger.LogError("Bind to port {Port} on {Address} failed: {Reason}.", endpoint.Port, endpoint.Address, SocketErrors.Describe(e));
                continue;
            }
            _listeners.Add(socket);
            bound.Add((IPEndPoint)socket.LocalEndPoint!);
            _logger.LogInformation("Server listening on {Address} port {Port}.", bound[^1].Address, bound[^1].Port);
        }
        if (bound.Count == 0)
        {
            throw new SshException(SshError.ForwardFailed, "Cannot bind any address.")
            {
                Hint = "another server may hold the port (ss -ltnp shows which), or the port is below 1024 and needs root",
            };
        }
        BoundEndpoints = bound;
        _accepting = Task.WhenAll(_listeners.Select(AcceptAsync));
        return Task.CompletedTask;
    }

    /// <summary>Completes when it no longer listens (it was stopped, or <see cref="SshServerOptions.AcceptLimit"/> was reached) and the last connection has ended.</summary>
    public async Task WhenEndedAsync()
    {
        await _accepting.ConfigureAwait(false);
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
        await _unbind.CancelAsync().ConfigureAwait(false);
        foreach (var listener in _listeners)
            listener.Dispose();
        await _accepting.ConfigureAwait(false);
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
        _unbind.Dispose();
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

    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            try
            {
                var socket = await listener.AcceptAsync(_unbind.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref _accepted) > _options.AcceptLimit)
                {
                    socket.Dispose();
                    return;
                }
                _tasks.Add(ServeAsync(socket));
                if (_accepted == _options.AcceptLimit)
                {
                    await _unbind.CancelAsync().ConfigureAwait(false);
                    foreach (var other in _listeners)
                        other.Dispose();
                    return;
                }
            }
            catch (Exception) when (_unbind.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                _logger.LogError("accept: {Reason}", SocketErrors.Describe(e));
                await Task.Delay(ExhaustedPause, CancellationToken.None).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                _logger.LogDebug("accept: {Reason}", SocketErrors.Describe(e));
            }
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
        if (!MayStart(bytes))
        {
            await RefuseAsync(bytes).ConfigureAwait(false);
            return;
        }
        var connection = new ServerConnection(_options, bytes, Interlocked.Increment(ref _lastId), _remoteListeners, () => _moduli.Value, _logger);
        lock (_lock)
            _connections.Add(connection.Id, connection);
        // Stopping looks at the table after it has set the mark, so one of the two sees the other.
        if (_stop.IsCancellationRequested)
            connection.Transport.End(new SshException(SshError.Closed, "server is stopping") { DisconnectReason = DisconnectReason.ByApplication });
        try
        {
            using var registration = cancellationToken.UnsafeRegister(static c => ((ServerConnection)c!).Transport.End(
                new SshException(SshError.Closed, "the connection was closed") { DisconnectReason = DisconnectReason.ByApplication }), connection);
            await connection.RunAsync(() => Interlocked.Decrement(ref _notLoggedIn)).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
                _connections.Remove(connection.Id);
        }
    }

    /// <summary>MaxStartups: from the first number on, more and more newcomers are refused; at the third all are.</summary>
    private bool MayStart(ByteTransport bytes)
    {
        int waiting = Interlocked.Increment(ref _notLoggedIn);
        int already = waiting - 1;
        bool drop = already >= _options.MaxStartups;
        if (!drop && already >= _options.MaxStartupsBegin && _options.MaxStartups > _options.MaxStartupsBegin)
        {
            int chance = _options.MaxStartupsRate
                + ((100 - _options.MaxStartupsRate) * (already - _options.MaxStartupsBegin) / (_options.MaxStartups - _options.MaxStartupsBegin));
            drop = System.Security.Cryptography.RandomNumberGenerator.GetInt32(100) < chance;
        }
        if (!drop)
            return true;
        Interlocked.Decrement(ref _notLoggedIn);
        _logger.LogInformation("drop connection #{Count} from [{Remote}]:{RemotePort} on [{Local}]:{LocalPort} past MaxStartups", already,
            bytes.RemoteEndPoint?.Address, bytes.RemoteEndPoint?.Port, bytes.LocalEndPoint?.Address, bytes.LocalEndPoint?.Port);
        return false;
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
