namespace Adit.Ssh.Forwarding;

/// <summary>A remote forward (-R) that is up: the server listens, connections come out here. Disposing it frees the server's port and waits for the server to
/// say so; connections through it live on.</summary>
public sealed class RemoteForward : IAsyncDisposable
{
    private readonly RemoteForwards _owner;
    private long _opened;

    internal RemoteForward(RemoteForwards owner, ForwardAddress listen, ForwardAddress? destination)
    {
        _owner = owner;
        Listen = listen;
        Destination = destination;
        Port = listen.Port;
    }

    /// <summary>Where a forward's life has got to.</summary>
    internal enum Stage
    {
        Asked,
        Up,
        Cancelling,
        Ended,
    }

    /// <summary>What the server was asked to listen on.</summary>
    public ForwardAddress Listen { get; }

    /// <summary>The port the server listens on: what it chose, where 0 was asked for. 0 for a Unix socket.</summary>
    public int Port { get; internal set; }

    /// <summary>Where its connections go, seen from here; null where each says so itself, by SOCKS.</summary>
    public ForwardAddress? Destination { get; }

    /// <summary>Connections that came in so far.</summary>
    public long Connections => Interlocked.Read(ref _opened);

    /// <summary>What a person should know about it although it is up: that the server may listen on less than was asked for. Null for nothing.</summary>
    public string? Note { get; internal set; }

    /// <summary>Judges what SOCKS clients ask for; null where there is a destination.</summary>
    internal Func<RemoteDynamicRequest, CancellationToken, ValueTask<ForwardingDecision>>? MayConnect { get; init; }

    /// <summary>Under the owner's lock.</summary>
    internal Stage State { get; set; }

    public ValueTask DisposeAsync() => _owner.CancelAsync(this);

    internal void OnConnection() => Interlocked.Increment(ref _opened);
}
