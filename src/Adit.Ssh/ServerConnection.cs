using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>One connection of a server, from its first byte to its last.</summary>
internal sealed class ServerConnection
{
    private readonly SshServerOptions _options;
    private readonly ListenerRegistry _registry;
    private readonly AlgorithmPreferences _algorithms;
    private readonly ILogger _logger;
    private readonly TaskTracker _forwarded = new();
    private readonly ByteTransport _bytes;
    private readonly LoginProgress _progress = new();
    private ListenRequestHandler? _listeners;
    private StreamLocalRequestHandler? _streamLocalListeners;
    private readonly List<IAsyncDisposable> _services = [];
    private LiveForwards? _live;
    private HostKeyProofs? _hostKeys;
    private AuthenticationPeer? _peer;

    public ServerConnection(SshServerOptions options, ByteTransport bytes, long id, ListenerRegistry registry, Func<ModuliFile> moduli, ILogger logger)
    {
        _options = options;
        _bytes = bytes;
        _registry = registry;
        _logger = logger;
        _algorithms = options.Algorithms ?? Algorithms.DefaultPreferences;
        Id = id;
        Transport = new SshTransport(bytes, new TransportOptions
        {
            Role = SshRole.Server,
            Algorithms = _algorithms,
            HostKeys = [.. options.HostKeys],
            Moduli = moduli,
            VersionAddendum = options.VersionAddendum,
            RekeyLimit = options.RekeyLimit,
            Logger = logger,
            TimeProvider = options.TimeProvider,
        });
    }

    public long Id { get; }

    public SshTransport Transport { get; }

    /// <summary>What it did that is punished: known when it is over without a login, or once it has ended.</summary>
    public SourceOffence Offence { get; private set; }

    /// <summary>Runs until the connection has ended.</summary>
    /// <param name="failed">Called when it is over without a login, at once: <see cref="Offence"/> is known.</param>
    /// <param name="startedUp">Called once, when it is logged in or nothing of it is left: a login's place is free when the processes that it had are gone, not before.</param>
    public async Task RunAsync(Action failed, Action startedUp)
    {
        _options.ConnectionBegins?.Invoke();
        _logger.LogDebug(LogEvents.Connection, "Connection from {Remote} port {RemotePort} on {Local} port {LocalPort} rdomain \"\"", Transport.RemoteAddress, Transport.RemotePort,
            Transport.LocalEndPoint?.Address.ToString() ?? "UNKNOWN", Transport.LocalEndPoint?.Port ?? 65535);
        bool counted = true;
        string? user = null;
        SshPrincipal principal;
        SshConnection? connection = null;
        try
        {
            using (var grace = _options.LoginGraceTime is { } limit ? new CancellationTokenSource(limit, _options.TimeProvider) : new CancellationTokenSource())
            using (grace.Token.UnsafeRegister(static self => ((ServerConnection)self!).GiveUpLogin(), this))
            {
                await Transport.HandshakeAsync(CancellationToken.None).ConfigureAwait(false);
                connection = new SshConnection(Transport, new ConnectionOptions
                {
                    KeepAliveInterval = _options.KeepAliveInterval,
                    KeepAliveCountMax = _options.KeepAliveCountMax,
                    Logger = _logger,
                    TimeProvider = _options.TimeProvider,
                });
                principal = await LogInAsync(connection).ConfigureAwait(false);
                user = PeerText.Escape(principal.UserName, 256);
            }
            startedUp();
            counted = false;
            foreach (string notice in principal.Notices)
                Transport.Send(new DebugMessage(AlwaysDisplay: false, notice));
            _hostKeys?.Announce();
            if (principal.Settings?.RekeyLimit is { } rekey)
                Transport.SetRekeyLimit(rekey);
            connection.Start(principal.Settings?.KeepAliveInterval, principal.Settings?.KeepAliveCountMax);
            using var idle = IdleWatch.Start(connection, principal.Settings?.ChannelTimeouts ?? _options.ChannelTimeouts,
                principal.Settings?.UnusedConnectionTimeout ?? _options.UnusedConnectionTimeout, _options.TimeProvider, _logger);
            LogEnd(await Transport.Completion.ConfigureAwait(false), user);
        }
        catch (SshException e)
        {
            Transport.End(e);
            LogEnd(await Transport.Completion.ConfigureAwait(false), user);
        }
        catch (OperationCanceledException) when (Transport.Ended.IsCancellationRequested)
        {
            // The connection ended while a login was being decided.
            LogEnd(await Transport.Completion.ConfigureAwait(false), user);
        }
        catch (Exception e)
        {
            Offence = SourceOffence.Crash;
            _logger.LogError(e, "connection {Id} ended by an internal error", Id);
        }
        finally
        {
            if (counted)
            {
                if (Offence == SourceOffence.None)
                    Offence = _progress.Offence;
                failed();
            }
            try
            {
                await CleanUpAsync(connection).ConfigureAwait(false);
            }
            finally
            {
                try
                {
                    // Last, and whatever became of the rest: PAM's session is closed by it.
                    if (_peer is not null && _options.Authenticator is ILoginRules rules)
                        await rules.ForgetAsync(_peer).ConfigureAwait(false);
                }
                finally
                {
                    if (counted)
                        startedUp();
                }
            }
        }
    }

    private async Task CleanUpAsync(SshConnection? connection)
    {
        await Transport.DisposeAsync().ConfigureAwait(false);
        if (_listeners is not null)
            await _listeners.CloseAsync().ConfigureAwait(false);
        if (_streamLocalListeners is not null)
            await _streamLocalListeners.CloseAsync().ConfigureAwait(false);
        foreach (var service in _services)
            await service.DisposeAsync().ConfigureAwait(false);
        if (connection is not null)
            await connection.WhenIdleAsync().ConfigureAwait(false);
        await _forwarded.WhenIdleAsync().ConfigureAwait(false); // the handlers above may have added one more
    }

    /// <summary>See <see cref="SshServer.ReviewForwardsAsync"/>.</summary>
    public async Task<int> ReviewForwardsAsync(CancellationToken cancellationToken)
    {
        if (_live is not { } live)
            return 0; // not logged in
        int closed = _listeners is null ? 0 : await _listeners.ReviewAsync(live.Report, cancellationToken).ConfigureAwait(false);
        closed += _streamLocalListeners is null ? 0 : await _streamLocalListeners.ReviewAsync(live.Report, cancellationToken).ConfigureAwait(false);
        foreach (var service in _services.OfType<IReviewed>())
            closed += await service.ReviewAsync(live.Report, cancellationToken).ConfigureAwait(false);
        return closed + await live.ReviewAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<SshPrincipal> LogInAsync(SshConnection connection)
    {
        if (_options.Authenticator is not { } authenticator)
            throw new SshException(SshError.AuthenticationFailed, "no authenticator is set up") { DisconnectReason = DisconnectReason.NoMoreAuthMethodsAvailable };
        var local = Transport.LocalEndPoint;
        var peer = new AuthenticationPeer(Transport.RemoteAddress, Transport.RemotePort, local?.Address.ToString() ?? "UNKNOWN", local?.Port ?? 65535,
            Transport.RemoteVersion, Id);
        _peer = peer;
        return await ServerAuthenticator.RunAsync(Transport, authenticator, new ServerAuthenticationOptions
        {
            Peer = peer,
            PubkeyAcceptedAlgorithms = _algorithms.PublicKey,
            MaxAuthTries = _options.MaxAuthTries,
            Banner = _options.Banner,
            FingerprintHash = _options.FingerprintHash,
            Progress = _progress,
            Logger = _logger,
            TimeProvider = _options.TimeProvider,
            // The gate opens with the success message, so what takes channels must be in place before it leaves.
            Accepted = principal => Serve(connection, principal, peer),
        }, Transport.Ended).ConfigureAwait(false);
    }

    private void Serve(SshConnection connection, SshPrincipal principal, AuthenticationPeer peer)
    {
        foreach (var service in _options.Services)
            _services.Add(service.Attach(new ServiceContext(connection, principal, peer, _logger) { SetTypeOfService = _bytes.SetTypeOfService }));
        _hostKeys = new HostKeyProofs(connection, [.. _options.HostKeys]);
        connection.Requests.Handle(HostKeyAnnouncement.ProveName, _hostKeys);
        _live = new LiveForwards(connection, _options.ForwardingPolicy, principal, _logger);
        connection.Handle("direct-tcpip", new DirectTcpHandler(_options.ForwardingPolicy, principal, new TcpDialer(_options.AddressFamily), _live, _forwarded, _logger));
        _listeners = new ListenRequestHandler(connection, _options.ForwardingPolicy, principal, _registry, _options.AddressFamily, _options.MaxRemoteForwards, _live, _forwarded, _logger);
        connection.Requests.Handle(TcpipForwardData.Listen, _listeners);
        connection.Requests.Handle(TcpipForwardData.Cancel, _listeners);
        if (_options.UnixSockets is not { } sockets)
            return;
        connection.Handle(DirectStreamLocalData.ChannelType, new DirectStreamLocalHandler(_options.ForwardingPolicy, principal, sockets, _live, _forwarded, _logger));
        _streamLocalListeners = new StreamLocalRequestHandler(connection, _options.ForwardingPolicy, principal, sockets, _options.MaxRemoteForwards, _live, _forwarded, _logger);
        connection.Requests.Handle(StreamLocalForwardData.Listen, _streamLocalListeners);
        connection.Requests.Handle(StreamLocalForwardData.Cancel, _streamLocalListeners);
    }

    private void GiveUpLogin()
    {
        Offence = SourceOffence.GraceExceeded;
        _logger.LogInformation("Timeout before authentication for connection from {Remote} port {RemotePort} to {Local} port {LocalPort}",
            Transport.RemoteAddress, Transport.RemotePort, Transport.LocalEndPoint?.Address, Transport.LocalEndPoint?.Port);
        Transport.End(new SshException(SshError.Timeout, "login took too long"));
    }

    private void LogEnd(SshException reason, string? user)
    {
        string who = user is null ? $"{_progress}{Transport.RemoteAddress} port {Transport.RemotePort} [preauth]" : $"user {user} {Transport.RemoteAddress} port {Transport.RemotePort}";
        switch (reason.Error)
        {
            case SshError.ConnectionLost when Transport.RemoteVersion.Length == 0:
                _logger.LogInformation("kex_exchange_identification: Connection closed by remote host");
                _logger.LogInformation("Connection closed by {Remote} port {RemotePort}", Transport.RemoteAddress, Transport.RemotePort);
                break;
            case SshError.VersionMismatch when Transport.RemoteVersion.Length == 0:
                _logger.LogError("{Message}", reason.Message);
                _logger.LogInformation("banner exchange: Connection from {Remote} port {RemotePort}: {Fault}", Transport.RemoteAddress, Transport.RemotePort,
                    reason.Message.StartsWith("Protocol major versions differ", StringComparison.Ordinal) ? "could not read protocol version" : "invalid format");
                break;
            case SshError.Timeout when user is null:
                _logger.LogDebug("{Reason}: connection of {Who} ended", reason.Message, who); // the line that matters was logged
                break;
            case SshError.Disconnected:
                _logger.LogInformation("{Message}{Stage}", reason.Message, user is null ? " [preauth]" : "");
                _logger.LogInformation("Disconnected from {Who}", who);
                break;
            case SshError.ConnectionLost:
                _logger.LogInformation("Connection closed by {Who}", who);
                if (user is not null)
                {
                    _logger.LogInformation(LogEvents.Connection, "Transferred: sent {Sent}, received {Received} bytes", Transport.BytesSent, Transport.BytesReceived);
                    _logger.LogInformation(LogEvents.Connection, "Closing connection to {Remote} port {RemotePort}", Transport.RemoteAddress, Transport.RemotePort);
                }
                break;
            case SshError.KeepAliveTimeout:
                _logger.LogInformation("Timeout, client not responding from {Who}", who);
                break;
            case SshError.Closed:
                _logger.LogDebug("Connection of {Who} closed: {Reason}", who, reason.Message);
                break;
            case SshError.NoCommonAlgorithm when user is null:
                _logger.LogInformation("{Reason} [preauth]", reason.Message); // names the peer
                break;
            case not SshError.Timeout when user is null && reason.DisconnectReason != DisconnectReason.None:
                _logger.LogInformation("Disconnecting {User}{Address} port {Port}: {Reason} [preauth]", _progress, Transport.RemoteAddress, Transport.RemotePort, reason.Message);
                break;
            default:
                _logger.LogInformation("{Reason}: connection of {Who} ended", reason.Message, who);
                break;
        }
    }
}
