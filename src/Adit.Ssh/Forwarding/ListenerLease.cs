namespace Adit.Ssh.Forwarding;

/// <summary>A remote listener and whose it is, as long as it lives.</summary>
internal sealed class ListenerLease(ListenerRegistry registry, ListenSession owner, ForwardListener listener, string? missing) : IAsyncDisposable
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ForwardListener Listener => listener;

    public ListenSession Owner => owner;

    /// <summary>Why one of the addresses is not listened on although others are; null when all are.</summary>
    public string? Missing => missing;

    /// <summary>Completes when its addresses are free.</summary>
    public Task Released => _released.Task;

    /// <summary>Frees the addresses. The registry forgets them only then, so that nobody finds an address taken and nobody who has it.</summary>
    public async ValueTask DisposeAsync()
    {
        await listener.DisposeAsync().ConfigureAwait(false);
        registry.Remove(this);
        _released.TrySetResult();
    }
}
