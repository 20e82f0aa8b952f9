using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>The sessions of one connection: opens them up to MaxSessions, owns their tasks, and makes the features when the first asks for something.</summary>
internal sealed class ConnectionSessions : IChannelHandler, IReviewed, IAsyncDisposable
{
    private const string NoMoreSessions = "no-more-sessions@openssh.com";

    private readonly IReadOnlyList<Func<SessionScope, ISessionFeature>> _makeFeatures;
    private readonly TaskTracker _running = new();
    private readonly SortedSet<int> _taken = [];
    private readonly Lock _lock = new();
    private IReadOnlyList<ISessionFeature>? _features;
    private AuthenticationFile? _authenticationFile;
    private bool _triedAuthenticationFile;
    private bool _disposed;
    private volatile bool _noMore;

    public ConnectionSessions(SessionService service, SessionScope scope, IReadOnlyList<Func<SessionScope, ISessionFeature>> makeFeatures)
    {
        (Service, Scope, _makeFeatures) = (service, scope, makeFeatures);
        scope.Service.Connection.Handle("session", this);
        scope.Service.Connection.Requests.Handle(NoMoreSessions, new NoMoreHandler(this));
        if (scope.Login.Pam?.Programs is { } parent)
        {
            _running.Add(WatchAsync(parent));
        }
    }

    public SessionService Service { get; }

    public SessionScope Scope { get; }

    public ILogger Logger => Scope.Service.Logger;

    /// <summary>The features that there are already.</summary>
    public IReadOnlyList<ISessionFeature> FeaturesSoFar
    {
        get
        {
            lock (_lock)
            {
                return _features ?? [];
            }
        }
    }

    /// <summary>All features; none once the connection is over.</summary>
    public IReadOnlyList<ISessionFeature> Features()
    {
        lock (_lock)
        {
            return _disposed ? [] : _features ??= [.. _makeFeatures.Select(make => make(Scope))];
        }
    }

    /// <summary>ExposeAuthInfo's file, which all sessions of the connection share and which goes with it; null where it could not be made, once and for all.</summary>
    public string? AuthenticationFile()
    {
        lock (_lock)
        {
            if (!_disposed && !_triedAuthenticationFile)
            {
                _triedAuthenticationFile = true;
                _authenticationFile = Sessions.AuthenticationFile.Create(Scope.Login, Service.ProcessUid, Logger);
            }

            return _disposed ? null : _authenticationFile?.Path;
        }
    }

    void IChannelHandler.OnArrived()
    {
        // What the client promised. Somebody else speaks in its name, then.
        if (_noMore)
        {
            throw SshException.Protocol("Possible attack: attempt to open a session after additional sessions disabled");
        }
    }

    public async ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        var grant = await Scope.Login.NowAsync(cancellationToken).ConfigureAwait(false);
        if (grant.RuleAgainstPrograms(DateTimeOffset.UtcNow) is { } rule)
        {
            Logger.LogInformation("session refused: {Rule}", rule);
            request.Reject(OpenFailureReason.ConnectFailed, "open failed", rule);
            return;
        }

        var most = grant.Config.Get(SessionKeywords.MaxSessions);
        if (Take(most) is not { } id)
        {
            Logger.LogError("no more sessions");
            request.Reject(OpenFailureReason.ConnectFailed, "open failed", most == 0 ? "this server only forwards (MaxSessions 0)" : $"{most} sessions are open already (MaxSessions)");
            return;
        }

        var session = new ServerSession(this, id);
        _running.Add(session.RunAsync());
        if (request.Accept(session) is null)
        {
            session.Abandon();
        }
    }

    /// <summary>A session is over.</summary>
    public void Release(int id)
    {
        lock (_lock)
        {
            _taken.Remove(id);
        }
    }

    /// <summary>Features close what they may not have any more.</summary>
    public async ValueTask<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken)
    {
        var closed = 0;
        foreach (var feature in FeaturesSoFar.OfType<IReviewed>())
        {
            closed += await feature.ReviewAsync(report, cancellationToken).ConfigureAwait(false);
        }

        return closed;
    }

    public async ValueTask DisposeAsync()
    {
        await _running.WhenIdleAsync().ConfigureAwait(false);
        IReadOnlyList<ISessionFeature> features;
        lock (_lock)
        {
            _disposed = true;
            features = _features ?? [];
            _authenticationFile?.Remove();
        }

        foreach (var feature in features)
        {
            await feature.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Without the process that holds PAM's session there is no login any more: as with sshd, whose monitor that is, the connection ends.</summary>
    private async Task WatchAsync(Processes.IProgramParent parent)
    {
        var transport = Scope.Service.Connection.Transport;
        try
        {
            await parent.Lost.WaitAsync(transport.Ended).ConfigureAwait(false);
            Logger.LogError("PAM: the process that holds the session of {User} has ended, and with it the session", PeerText.Escape(Scope.Login.Account.Name, 100));
            transport.End(new SshException(SshError.Closed, "the process that holds this login's PAM session has ended") { DisconnectReason = DisconnectReason.ByApplication });
        }
        catch (OperationCanceledException)
        {
            // The connection ended first.
        }
    }

    /// <summary>The lowest free number; null when there are so many sessions already.</summary>
    private int? Take(int most)
    {
        lock (_lock)
        {
            if (_taken.Count >= most)
            {
                return null;
            }

            var id = 0;
            while (!_taken.Add(id))
            {
                id++;
            }

            return id;
        }
    }

    private sealed class NoMoreHandler(ConnectionSessions sessions) : IGlobalRequestHandler
    {
        public void OnArrived() => sessions._noMore = true;

        public ValueTask<byte[]?> HandleAsync(string name, ReadOnlyMemory<byte> data, bool wantReply, CancellationToken cancellationToken) => ValueTask.FromResult<byte[]?>([]);
    }
}
