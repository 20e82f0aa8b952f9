using System.Net;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>A logged-in client connection.</summary>
public sealed class SshClient : IAsyncDisposable
{
    private readonly SshClientOptions _options;
    private readonly SshTransport _transport;
    private readonly SshConnection _connection;
    private readonly TaskTracker _connections = new();
    private readonly RemoteForwards _remoteForwards;
    private readonly ForwardFailures _failures;
    private readonly AgentForwards _agents;
    private readonly X11Forwards _displays;
    private readonly List<Forward> _forwards = [];
    private readonly Lock _lock = new();
    private readonly ILogger _logger;
    private readonly IdleWatch? _idle;

    /// <summary>Before login: what the server opens finds its handlers.</summary>
    private SshClient(SshClientOptions options, SshTransport transport, SshConnection connection, bool isHostKeyUnsafe, ILogger logger)
    {
        _options = options;
        IsHostKeyUnsafe = isHostKeyUnsafe;
        _transport = transport;
        _connection = connection;
        _logger = logger;
        string serverName = $"{options.UserName}@{options.Host}";
        _failures = new ForwardFailures(serverName, options.TimeProvider, logger);
        _remoteForwards = new RemoteForwards(connection, new TcpDialer(options.AddressFamily), _connections, serverName, _failures, logger, options.TimeProvider);
        connection.Handle(RemoteForwards.TcpChannel, _remoteForwards);
        connection.Handle(RemoteForwards.StreamLocalChannel, _remoteForwards);
        _agents = new AgentForwards(connection, _connections, serverName, logger, options.TimeProvider);
        connection.Handle(AgentForwards.Channel, _agents);
        connection.Handle(AgentForwards.StandardChannel, _agents);
        _displays = new X11Forwards(connection, _connections, new TcpDialer(options.AddressFamily), logger, options.TimeProvider);
        connection.Handle(X11Forwards.Channel, _displays);
        _idle = IdleWatch.Start(connection, options.ChannelTimeouts, unused: null, options.TimeProvider, logger);
        Completion = CompleteAsync();
    }

    /// <summary>Ends with the connection: faults with the reason when it dies, completes when it was closed here.</summary>
    public Task Completion { get; }

    /// <summary>Why the connection is dead; null while it lives and where it was closed here. Known before anything on it ends.</summary>
    public SshException? Fault => _transport.Reason is { Error: not SshError.Closed } reason ? reason : null;

    /// <summary>Connections that are being carried now.</summary>
    public int ActiveConnections => _connections.Running;

    /// <summary>The address that was connected to; null behind a <see cref="SshClientOptions.ConnectCallback"/>.</summary>
    public IPEndPoint? RemoteEndPoint => _transport.RemoteEndPoint;

    /// <summary>Bytes of all the packets sent so far, those before login included: their lengths, padding and payloads after compression. Neither tags nor the identification
    /// strings are counted: it is the number that OpenSSH tells.</summary>
    public long BytesSent => _transport.BytesSent;

    /// <summary>The same of the packets received.</summary>
    public long BytesReceived => _transport.BytesReceived;

    /// <summary>The server's identification string.</summary>
    public string ServerVersion => _transport.RemoteVersion;

    /// <summary>The key exchange algorithm that was agreed on.</summary>
    public string KeyExchangeAlgorithm => _transport.Algorithms?.KeyExchange ?? "";

    /// <summary>Another process holds the connection (<see cref="OverProxy"/>): there is no <see cref="HostKey"/> here.</summary>
    public bool IsProxied => _transport.IsBare;

    /// <summary>The host key that was verified.</summary>
    public PublicKey HostKey => _transport.HostKey;

    /// <summary>The host key is wrong and the verifier let the connection go on (StrictHostKeyChecking no): somebody may sit in the middle. No password was
    /// tried, and nothing is forwarded. See <see cref="HostKeyContext.IsUnsafe"/>.</summary>
    public bool IsHostKeyUnsafe { get; }

    /// <summary>Connects, verifies the host key and logs in. Throws <see cref="SshException"/>.</summary>
    public static async Task<SshClient> ConnectAsync(SshClientOptions options, CancellationToken cancellationToken = default)
    {
        var verifier = options.HostKeyVerifier
            ?? throw new ArgumentException("a HostKeyVerifier is needed: without one any server could pose as this one", nameof(options));
        var logger = options.LoggerFactory.CreateLogger("Adit.Ssh");
        var algorithms = options.Algorithms ?? Algorithms.DefaultPreferences;
        // An alias stands for the host with its port.
        string host = options.HostKeyAlias ?? options.Host;
        int port = options.HostKeyAlias is null ? options.Port : 22;
        var guess = new KexGuess(options.KexMemory, host, port, algorithms, verifier.KnownKeyTypes(host, port));
        HostKeyContext? hostKey = null;
        await using var deadline = new ConnectDeadline(options, cancellationToken);
        var bytes = await Connector.ConnectAsync(options, logger, deadline).ConfigureAwait(false);
        var transport = new SshTransport(bytes, new TransportOptions
        {
            Role = SshRole.Client,
            Algorithms = guess.Offer,
            SendGuess = guess.IsSent,
            VerifyHostKey = (key, token) => deadline.WithoutAsync(() =>
                verifier.VerifyAsync(hostKey = new HostKeyContext(host, port, bytes.RemoteEndPoint?.Address, key), token)),
            RekeyLimit = options.RekeyLimit,
            VersionAddendum = options.VersionAddendum,
            Logger = logger,
            TimeProvider = options.TimeProvider,
        });
        try
        {
            try
            {
                logger.LogDebug("Authenticating to {Host}:{Port} as '{User}'", PeerText.Escape(options.Host), options.Port, PeerText.Escape(options.UserName));
                await deadline.GuardAsync(transport).ConfigureAwait(false);
            }
            catch (SshException e) when (e.Error == SshError.VersionMismatch && transport.RemoteVersion.Length == 0)
            {
                throw Unidentified(e, transport);
            }
            catch (SshException)
            {
                guess.Learn(transport.PeerOffer, isAuthentic: false);
                throw;
            }
            var connection = new SshConnection(transport, new ConnectionOptions
            {
                KeepAliveInterval = options.KeepAliveInterval,
                KeepAliveCountMax = options.KeepAliveCountMax,
                PeerName = options.Host,
                Logger = logger,
                TimeProvider = options.TimeProvider,
            });
            bool isUnsafe = hostKey is { IsUnsafe: true };
            var client = new SshClient(options, transport, connection, isUnsafe, logger);
            if (options.HostKeyUpdater is { } updater && hostKey is { IsKnown: true, IsUnsafe: false })
                connection.Requests.Handle(HostKeyAnnouncement.RequestName, new HostKeyAnnouncement(connection, updater, host, port, bytes.RemoteEndPoint?.Address, client._connections, logger));
            // From here on the time is the user's, who may be asked for passwords.
            var login = await ClientAuthenticator.AuthenticateAsync(transport, AuthenticationOptions(options, algorithms, isUnsafe, logger), cancellationToken).ConfigureAwait(false);
            connection.Start();
            guess.Learn(transport.PeerOffer, isAuthentic: !isUnsafe);
            logger.LogInformation(LogEvents.Authenticated, "Authenticated to {Host} ({Address}) using \"{Method}\".",
                PeerText.Escape(options.Host), options.ConnectCallback is null ? $"[{transport.RemoteAddress}]:{transport.RemotePort}" : "via proxy", login.Method);
            return client;
        }
        catch
        {
            await transport.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A client over a connection that another process holds, in the proxy mode of OpenSSH's multiplexing: both ends have agreed on that, and from here on the
    /// connection protocol goes over <paramref name="stream"/> alone, in clear. Whoever holds the connection has verified the server and logged in. There are no keepalives, no
    /// new keys and no host key to show; remote forwards are taken to be granted (the other process passes no answers on), with a port and without Unix sockets.</summary>
    /// <param name="stream">To the other process; the client's from now on.</param>
    /// <param name="options">Names for messages, and how forwards are made. What concerns connecting and logging in has no meaning here.</param>
    public static SshClient OverProxy(Stream stream, SshClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var logger = options.LoggerFactory.CreateLogger("Adit.Ssh");
        var transport = new SshTransport(new StreamTransport(stream), new TransportOptions
        {
            Role = SshRole.Client,
            IsBare = true,
            Algorithms = Algorithms.DefaultPreferences,
            Logger = logger,
            TimeProvider = options.TimeProvider,
        });
        var connection = new SshConnection(transport, new ConnectionOptions { PeerName = options.Host, Logger = logger, TimeProvider = options.TimeProvider });
        var client = new SshClient(options, transport, connection, isHostKeyUnsafe: false, logger);
        transport.StartBare();
        return client;
    }

    /// <summary>The other end of <see cref="OverProxy"/>: lets another process of this machine speak the connection protocol over this connection, until it goes or the
    /// connection ends. Its channels and remote forwards end with it.</summary>
    /// <param name="stream">To the other process. It stays the caller's.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="SshException">The other process broke the protocol, asked for what it may not have, or did not read; or the server may be the wrong one
    /// (<see cref="IsHostKeyUnsafe"/>), of which the other process would not know. This connection goes on.</exception>
    public async Task CarryProxyAsync(Stream stream, CancellationToken cancellationToken = default)
    {
        ThrowIfHostKeyUnsafe("Proxy mode");
        await new ChannelProxy(_connection, stream, _logger).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Local forward (-L): listens on <paramref name="listen"/> ("127.0.0.1:5433", "[::1]:80", "/path/socket") and connects from the server to
    /// <paramref name="destination"/>. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when nothing could be bound.</summary>
    public Task<Forward> ForwardLocalAsync(
        ForwardAddress listen, ForwardAddress destination, ListenOptions options, CancellationToken cancellationToken = default) =>
        ListenAsync(listen, destination, options, cancellationToken);

    /// <summary>The same, bound as OpenSSH binds by default.</summary>
    public Task<Forward> ForwardLocalAsync(ForwardAddress listen, ForwardAddress destination, CancellationToken cancellationToken = default) =>
        ForwardLocalAsync(listen, destination, new ListenOptions(), cancellationToken);

    /// <summary>Dynamic forward (-D): a SOCKS proxy (4, 4A and 5, CONNECT without authentication) on <paramref name="listen"/>, "127.0.0.1:1080" say, whose connections
    /// start at the server. Names are resolved there too, and a client is told whether its connection was made, or why not. Throws <see cref="SshException"/>
    /// (<see cref="SshError.ForwardFailed"/>) when nothing could be bound.</summary>
    public Task<Forward> ForwardDynamicAsync(ForwardAddress listen, ListenOptions options, CancellationToken cancellationToken = default) =>
        ListenAsync(listen, null, options, cancellationToken);

    /// <summary>The same, bound as OpenSSH binds by default.</summary>
    public Task<Forward> ForwardDynamicAsync(ForwardAddress listen, CancellationToken cancellationToken = default) =>
        ForwardDynamicAsync(listen, new ListenOptions(), cancellationToken);

    /// <summary>Remote forward (-R): has the server listen on <paramref name="listen"/> and connects from here to <paramref name="destination"/>. No bind address means the
    /// server's loopback addresses, "*" all of them, port 0 any free port, a path a Unix socket there; what it grants is the server's to decide. Throws
    /// <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when the server refuses.</summary>
    public async Task<RemoteForward> ForwardRemoteAsync(ForwardAddress listen, ForwardAddress destination, CancellationToken cancellationToken = default)
    {
        ThrowIfHostKeyUnsafe();
        return await _remoteForwards.RequestAsync(listen, destination, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reverse dynamic forward (-R without a destination): has the server listen on <paramref name="listen"/> as a SOCKS proxy (4, 4A and 5, CONNECT without
    /// authentication) whose connections start here. Names are resolved here, and a client is told whether its connection was made, or why not. A client
    /// has 60 seconds to ask, and at most 1,024 may be waiting at once.</summary>
    /// <param name="listen">As for <see cref="ForwardRemoteAsync"/>.</param>
    /// <param name="mayConnect">Whether a client may go where it asks to: anybody who reaches the server's port can ask for anything that this machine reaches. Called for
    /// every request, first with the name and then with each address that it stands for; never on the connection's receive loop. One that throws refuses.</param>
    /// <param name="cancellationToken">Gives up asking the server.</param>
    /// <exception cref="SshException"><see cref="SshError.ForwardFailed"/> when the server refuses.</exception>
    public async Task<RemoteForward> ForwardRemoteDynamicAsync(
        ForwardAddress listen, Func<RemoteDynamicRequest, CancellationToken, ValueTask<ForwardingDecision>> mayConnect, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(mayConnect);
        ThrowIfHostKeyUnsafe();
        return await _remoteForwards.RequestDynamicAsync(listen, mayConnect, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens one connection from the server to a TCP destination. Throws <see cref="SshException"/> (<see cref="SshError.ChannelOpenFailed"/>) with the server's reason.</summary>
    public Task<SshStream> OpenTcpAsync(string host, int port, CancellationToken cancellationToken = default) =>
        OpenAsync(ForwardAddress.Tcp(host, port), cancellationToken);

    /// <summary>Opens one connection from the server to a Unix socket there (direct-streamlocal@openssh.com). Throws <see cref="SshException"/>
    /// (<see cref="SshError.ChannelOpenFailed"/>) with the server's reason.</summary>
    public Task<SshStream> OpenUnixAsync(string path, CancellationToken cancellationToken = default) => OpenAsync(ForwardAddress.Unix(path), cancellationToken);

    /// <summary>Opens one connection from the server to either.</summary>
    public async Task<SshStream> OpenAsync(ForwardAddress destination, CancellationToken cancellationToken = default)
    {
        var (type, data) = DirectChannel.To(destination);
        var stream = new ChannelStream();
        try
        {
            await _connection.OpenAsync(type, data, stream, cancellationToken).ConfigureAwait(false);
            return stream;
        }
        catch (SshException e) when (e.Error == SshError.ChannelOpenFailed)
        {
            throw new SshException(e.Error, e.Message, e) { OpenFailureReason = e.OpenFailureReason, Hint = _failures.Describe(destination, e) };
        }
    }

    /// <summary>Opens a session, in which one program runs at the server. Throws <see cref="SshException"/> (<see cref="SshError.ChannelOpenFailed"/>) with the server's
    /// reason.</summary>
    public Task<SshSession> OpenSessionAsync(CancellationToken cancellationToken = default) => SshSession.OpenAsync(_connection, cancellationToken, this);

    /// <summary>The channels that are open now.</summary>
    public IReadOnlyList<ChannelSummary> Channels => [.. _connection.OpenChannels.Select(channel => new ChannelSummary((int)channel.LocalId, channel.Type, channel.Traffic))];

    /// <summary>Completes when no connection is carried any more. Forwards still listen meanwhile, and a connection that comes is waited for too.</summary>
    public Task WhenNoConnectionsAsync() => _connections.WhenIdleAsync();

    /// <summary>Has new keys agreed on as soon as that can be.</summary>
    public void RequestRekey() => _transport.RequestRekey();

    /// <summary>The server announced ping@openssh.com.</summary>
    public bool KnowsPing => _transport.Extensions.Ping;

    /// <summary>Sends a message that means nothing and that the server answers (ping@openssh.com), as large on the wire as a key that was typed. Only where
    /// <see cref="KnowsPing"/>; while keys are exchanged nothing is sent.</summary>
    public void SendPing()
    {
        if (KnowsPing && !_transport.IsExchangingKeys)
            _transport.Send(new PingMessage("PING!"u8.ToArray()));
    }

    /// <summary>Joins a tunnel device here to one at the server (tun@openssh.com). Completes when the server has its own; packets then flow until the connection ends or either
    /// device goes, and it counts among <see cref="ActiveConnections"/>. Takes the device over. Throws <see cref="SshException"/> (<see cref="SshError.ChannelOpenFailed"/>) with the server's reason.</summary>
    /// <param name="device">Open.</param>
    /// <param name="remoteUnit">The N of the server's tunN or tapN; negative for one that is free.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task ForwardTunnelAsync(TunnelInterface device, int remoteUnit = -1, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        var tunnel = await TunnelConnection.OpenAsync(_connection, device, remoteUnit, () => ThrowIfHostKeyUnsafe("Tunnel forwarding"), cancellationToken).ConfigureAwait(false);
        _connections.Add(tunnel.RunAsync());
    }

    /// <summary>Tells an OpenSSH server, or one of ours, that no further session will be asked for on this connection (no-more-sessions@openssh.com); others are told nothing.</summary>
    public void ForbidMoreSessions()
    {
        if (_transport.Quirks.HasOpenSshsWays)
            _connection.Requests.Notify("no-more-sessions@openssh.com", default);
    }

    /// <summary>See <see cref="SshSession.ForwardAgent"/>.</summary>
    internal void ForwardAgent(SshSession session, ForwardedAgent agent)
    {
        ThrowIfHostKeyUnsafe("Agent forwarding");
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(agent);
        _agents.Ask(session.Channel, agent);
    }

    /// <summary>See <see cref="SshSession.RequestX11Async"/>.</summary>
    internal Task<bool> RequestX11Async(SshSession session, ForwardedDisplay display)
    {
        ThrowIfHostKeyUnsafe("X11 forwarding");
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(display);
        return _displays.AskAsync(session.Channel, display);
    }

    /// <summary>Sends SSH_MSG_DISCONNECT and closes; listeners go first.</summary>
    public async ValueTask DisposeAsync()
    {
        Forward[] forwards;
        lock (_lock)
        {
            forwards = [.. _forwards];
            _forwards.Clear();
        }
        foreach (var forward in forwards)
            await forward.DisposeAsync().ConfigureAwait(false);
        _transport.End(new SshException(SshError.Closed, "disconnected by user") { DisconnectReason = DisconnectReason.ByApplication });
        await _transport.DisposeAsync().ConfigureAwait(false);
        await _connection.WhenIdleAsync().ConfigureAwait(false);
        await _connections.WhenIdleAsync().ConfigureAwait(false);
    }

    private static ClientAuthenticationOptions AuthenticationOptions(SshClientOptions options, AlgorithmPreferences algorithms, bool isUnsafe, ILogger logger) => new()
    {
        UserName = options.UserName,
        Host = options.Host,
        Credentials = [.. options.Credentials],
        PreferredAuthentications = isUnsafe ? WithoutSecrets(options.PreferredAuthentications, logger) : options.PreferredAuthentications,
        PubkeyAcceptedAlgorithms = algorithms.PublicKey,
        HostBoundPublicKey = options.HostBoundPublicKey,
        KbdInteractiveDevices = options.KbdInteractiveDevices,
        Banner = options.Banner,
        Logger = logger,
        TimeProvider = options.TimeProvider,
    };

    private async Task<Forward> ListenAsync(ForwardAddress listen, ForwardAddress? destination, ListenOptions options, CancellationToken cancellationToken)
    {
        ThrowIfHostKeyUnsafe();
        var forward = await Forward.ListenAsync(_connection, listen, destination, options, _connections, _failures, _logger, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        lock (_lock)
            _forwards.Add(forward);
        if (_transport.Reason is not { } reason)
            return forward;
        await forward.DisposeAsync().ConfigureAwait(false); // the connection ended meanwhile, and may have freed its listeners before this one was there
        throw reason;
    }

    private void ThrowIfHostKeyUnsafe(string what = "Port forwarding")
    {
        if (IsHostKeyUnsafe)
        {
            throw new SshException(SshError.PolicyDenied, $"{what} is disabled to avoid man-in-the-middle attacks.")
            {
                Hint = "The server's host key is not the known one.",
            };
        }
    }

    /// <summary>As ssh: the line that says what was wrong, and one that says where.</summary>
    private static SshException Unidentified(SshException reason, SshTransport transport)
    {
        string fault = reason.Message.StartsWith("Protocol major versions differ", StringComparison.Ordinal) ? "could not read protocol version" : "invalid format";
        return new SshException(reason.Error, $"{reason.Message}\nbanner exchange: Connection to {transport.RemoteAddress} port {transport.RemotePort}: {fault}", reason)
        {
            DisconnectReason = reason.DisconnectReason,
            Hint = reason.Hint,
        };
    }

    /// <summary>What a server in the middle could use elsewhere is not sent to it. (A signature it cannot use: that is over this connection's session id.)</summary>
    private static IReadOnlyList<string> WithoutSecrets(IReadOnlyList<string> methods, ILogger logger)
    {
        if (methods.Contains("password"))
            logger.LogError("Password authentication is disabled to avoid man-in-the-middle attacks.");
        if (methods.Contains("keyboard-interactive"))
            logger.LogError("Keyboard-interactive authentication is disabled to avoid man-in-the-middle attacks.");
        return [.. methods.Where(method => method is not ("password" or "keyboard-interactive"))];
    }

    private async Task CompleteAsync()
    {
        var reason = await _transport.Completion.ConfigureAwait(false);
        _idle?.Dispose();
        _displays.Dispose();
        Forward[] forwards;
        lock (_lock)
            forwards = [.. _forwards];
        foreach (var forward in forwards)
            await forward.DisposeAsync().ConfigureAwait(false);
        if (reason.Error != SshError.Closed)
            throw reason;
    }
}

/// <summary>An open channel, for people to look at.</summary>
/// <param name="Number">Our number for it.</param>
/// <param name="Type">What it was opened as: "session", "direct-tcpip".</param>
/// <param name="Bytes">What it has carried so far, both ways together.</param>
public sealed record ChannelSummary(int Number, string Type, long Bytes);
