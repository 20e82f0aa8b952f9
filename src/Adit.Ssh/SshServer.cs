using System.Net;

namespace Adit.Ssh;

/// <summary>A server: listeners and the connections they accepted.</summary>
public sealed class SshServer : IAsyncDisposable
{
    public SshServer(SshServerOptions options) => throw new NotImplementedException();

    /// <summary>Binds and starts accepting. An address that cannot be bound is logged ("Bind to port … failed") and skipped; throws when none could be.</summary>
    public Task StartAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>What is really listened on.</summary>
    public IReadOnlyList<IPEndPoint> BoundEndpoints => throw new NotImplementedException();

    /// <summary>Serves one connection over <paramref name="stream"/> until it ends (sshd -i).</summary>
    public Task ServeAsync(Stream stream, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Stops listening, lets connections go on until <paramref name="drain"/> has passed, then aborts them.</summary>
    public Task StopAsync(TimeSpan drain) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
