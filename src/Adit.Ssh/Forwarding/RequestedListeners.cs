namespace Adit.Ssh.Forwarding;

/// <summary>A listener that the peer asked for.</summary>
internal interface IRequestedListener : IAsyncDisposable
{
    /// <summary>The peer knows of it by now: begins to accept.</summary>
    void Start();

    /// <summary>Whether the policy of now still allows it.</summary>
    ValueTask<ForwardingDecision> DecideAsync(CancellationToken cancellationToken);
}

/// <summary>The listeners that the peer has asked for on one connection, each under what it asked for.</summary>
internal sealed class RequestedListeners<TKey, TListener>
    where TKey : notnull
    where TListener : class, IRequestedListener
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, TListener> _listeners = [];
    private TListener? _unanswered;
    private Task? _closed;

    /// <summary>Listeners now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _listeners.Count;
        }
    }

    public bool Contains(TKey key)
    {
        lock (_lock)
            return _listeners.ContainsKey(key);
    }

    /// <summary>False when the connection is over, or the peer has this very one already: the listener stays the caller's then. It starts with <see cref="OnAnswered"/>.</summary>
    public bool TryAdd(TKey key, TListener listener)
    {
        lock (_lock)
        {
            if (_closed is not null || !_listeners.TryAdd(key, listener))
                return false;
        }
        _unanswered = listener;
        return true;
    }

    // Not before: a connection accepted at once would be announced before the peer knows that it has the forward, and at which port.
    /// <summary>The peer has been told of what was added last.</summary>
    public void OnAnswered()
    {
        _unanswered?.Start();
        _unanswered = null;
    }

    /// <summary>False where there is none.</summary>
    public async ValueTask<bool> CancelAsync(TKey key)
    {
        TListener? listener;
        lock (_lock)
        {
            if (!_listeners.Remove(key, out listener))
                return false;
        }
        await listener.DisposeAsync().ConfigureAwait(false);
        return true;
    }

    /// <summary>Asks about every listener again and closes those that are denied. Returns how many.</summary>
    public async Task<int> ReviewAsync(Func<TKey, string> describe, Action<string> report, CancellationToken cancellationToken)
    {
        List<KeyValuePair<TKey, TListener>> listeners;
        lock (_lock)
            listeners = [.. _listeners];
        int closed = 0;
        foreach (var (key, listener) in listeners)
        {
            var decision = await listener.DecideAsync(cancellationToken).ConfigureAwait(false);
            if (decision.Allowed)
                continue;
            bool removed;
            lock (_lock)
                removed = _listeners.GetValueOrDefault(key) == listener && _listeners.Remove(key);
            if (!removed)
                continue; // cancelled meanwhile
            await listener.DisposeAsync().ConfigureAwait(false);
            closed++;
            report($"remote forward of {describe(key)}: listener closed, it is not allowed any more: {decision.Rule ?? "refused by the policy"}");
        }
        return closed;
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
}
