using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>All remote TCP listeners of one server, and takeover: a client that reconnects gets its addresses back from its own older session when that one is dead but
/// not yet buried. A session that answers is never robbed, nor one of somebody else, nor a newer one; the kernel sees to it that no address has two owners.</summary>
/// <param name="answerTime">How long an older session may be silent when it is asked; zero or less turns takeover off.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Hears of every takeover.</param>
internal sealed class ListenerRegistry(TimeSpan answerTime, TimeProvider time, ILogger logger)
{
    private readonly Lock _lock = new();

    /// <summary>By port.</summary>
    private readonly Dictionary<int, List<ListenerLease>> _leases = [];

    /// <summary>Those who wait for an older session's address.</summary>
    private readonly List<Claim> _claims = [];

    private long _lastEpoch;

    private sealed record Claim(ListenSession Session, ListenTarget Target)
    {
        public TaskCompletionSource Settled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Somebody has logged in.</summary>
    public ListenSession Enter(SshConnection connection, SshPrincipal principal) =>
        new(connection, principal, Interlocked.Increment(ref _lastEpoch), time.GetUtcNow());

    /// <summary>Binds for <paramref name="session"/>. Where an older session of the same principal has the address, that one is asked for a sign of life first, and
    /// ended when there is none. Throws <see cref="SshException"/> (<see cref="SshError.ForwardFailed"/>) when nothing could be bound.</summary>
    public async Task<ListenerLease> BindAsync(ListenSession session, ForwardAddress listen, ListenOptions options, CancellationToken cancellationToken)
    {
        var target = await ListenTarget.ResolveAsync(listen, options, cancellationToken).ConfigureAwait(false);
        var alive = new HashSet<ListenSession>();
        Claim? claim = null;
        try
        {
            while (true)
            {
                ListenerLease? rival;
                Task? newer = null;
                lock (_lock)
                {
                    rival = FindRival(session, target, alive);
                    if (rival is not null && claim is null)
                        _claims.Add(claim = new Claim(session, target));
                    if (claim is not null)
                        newer = NewerClaim(session, target);
                    if (rival is null && newer is null)
                        return Bind(session, target, options, alive);
                }
                if (rival is not null && !await TakeOverAsync(session, rival, cancellationToken).ConfigureAwait(false))
                    alive.Add(rival.Owner);
                else if (rival is null)
                    await newer!.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (claim is not null)
            {
                lock (_lock)
                    _claims.Remove(claim);
                claim.Settled.TrySetResult();
            }
        }
    }

    /// <summary>The lease's addresses are free.</summary>
    public void Remove(ListenerLease lease)
    {
        int port = lease.Listener.Bound[0].Port;
        lock (_lock)
        {
            if (!_leases.TryGetValue(port, out var leases))
                return;
            leases.Remove(lease);
            if (leases.Count == 0)
                _leases.Remove(port);
        }
    }

    /// <summary>A listener in the way that <paramref name="session"/> may ask for. Under the lock.</summary>
    private ListenerLease? FindRival(ListenSession session, ListenTarget target, HashSet<ListenSession> alive) => answerTime <= TimeSpan.Zero ? null
        : InTheWay(target).FirstOrDefault(lease => lease.Owner.Epoch < session.Epoch && !alive.Contains(lease.Owner) && lease.Owner.IsOfSamePrincipal(session));

    private IEnumerable<ListenerLease> InTheWay(ListenTarget target) =>
        _leases.TryGetValue(target.Listen.Port, out var leases) ? leases.Where(lease => lease.Listener.Bound.Any(target.Overlaps)) : [];

    /// <summary>The wait of a newer session for the same: of several that reconnected the newest shall have it, for the others may be dead as well. Under the lock.</summary>
    private Task? NewerClaim(ListenSession session, ListenTarget target) => _claims.Find(claim =>
        claim.Session.Epoch > session.Epoch && claim.Target.Listen.Port == target.Listen.Port && claim.Session.IsOfSamePrincipal(session))?.Settled.Task;

    /// <summary>Under the lock: whoever looks next sees the listener and whose it is, or neither.</summary>
    private ListenerLease Bind(ListenSession session, ListenTarget target, ListenOptions options, HashSet<ListenSession> alive)
    {
        string? heldBy = InTheWay(target).Select(lease => lease.Owner).FirstOrDefault(owner => owner != session && owner.IsOfSamePrincipal(session))?.HeldBy;
        ForwardListener listener;
        try
        {
            listener = ForwardListener.Bind(target, options, logger);
        }
        catch (SshException e) when (heldBy is not null)
        {
            logger.LogInformation("{Session}: {Listen} is {HeldBy}{Reason}", session.Name, target.Listen, heldBy, alive.Count > 0 ? ", which answers" : "");
            throw new SshException(e.Error, $"{e.Message}: {heldBy}", e) { Hint = e.Hint };
        }
        var lease = new ListenerLease(this, session, listener, listener.Missing is { } missing && heldBy is not null ? $"{missing}: {heldBy}" : listener.Missing);
        int port = listener.Bound[0].Port;
        if (!_leases.TryGetValue(port, out var leases))
            _leases.Add(port, leases = []);
        leases.Add(lease);
        return lease;
    }

    /// <summary>True when the rival's address is free now; false when its session answers.</summary>
    private async Task<bool> TakeOverAsync(ListenSession session, ListenerLease rival, CancellationToken cancellationToken)
    {
        var old = rival.Owner;
        bool ended = rival.Released.IsCompleted || old.Connection.Transport.Reason is not null;
        if (!ended)
        {
            logger.LogDebug("{Session} wants {Listen}, which {Old} has: asking that one for a sign of life", session.Name, string.Join(" and ", rival.Listener.Bound), old.Name);
            if (await old.Connection.AnswersAsync(answerTime).WaitAsync(cancellationToken).ConfigureAwait(false))
                return false;
            old.Connection.Transport.End(new SshException(SshError.KeepAliveTimeout,
                $"Timeout, client not responding from {old.Connection.Transport.RemoteAddress} port {old.Connection.Transport.RemotePort}")
            {
                Hint = $"nothing came from it for {answerTime.TotalSeconds:0.###} s after it was asked, and a newer session of the same user wants its listener",
            });
            logger.LogInformation("Taking over {Bound} for {Session}: {Old} did not answer for {Seconds} s and is closed",
                string.Join(" and ", rival.Listener.Bound), session.Name, old.Name, answerTime.TotalSeconds);
        }
        await rival.Released.WaitAsync(cancellationToken).ConfigureAwait(false);
        return true;
    }
}
