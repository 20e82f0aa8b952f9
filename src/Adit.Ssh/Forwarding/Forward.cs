namespace Adit.Ssh.Forwarding;

/// <summary>A forward that is up. Disposing it frees its port at once; connections through it live on.</summary>
public sealed class Forward : IAsyncDisposable
{
    /// <summary>What is really listened on: one entry per socket.</summary>
    public IReadOnlyList<ForwardAddress> Bound => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
