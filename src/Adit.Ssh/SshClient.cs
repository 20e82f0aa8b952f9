using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;

namespace Adit.Ssh;

/// <summary>A logged-in client connection.</summary>
public sealed class SshClient : IAsyncDisposable
{
    /// <summary>Connects, verifies the host key and logs in. Throws <see cref="SshException"/>.</summary>
    public static Task<SshClient> ConnectAsync(SshClientOptions options, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Ends with the connection: faults with the reason when it dies, completes when it was closed here.</summary>
    public Task Completion => throw new NotImplementedException();

    /// <summary>Local forward (-L): listens on <paramref name="listen"/> ("127.0.0.1:5433", "[::1]:80", "/path/socket") and connects from the server to <paramref name="destination"/>.</summary>
    public Task<Forward> ForwardLocalAsync(ForwardAddress listen, ForwardAddress destination, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Opens one connection from the server to a TCP destination.</summary>
    public Task<SshStream> OpenTcpAsync(string host, int port, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Sends SSH_MSG_DISCONNECT and closes.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
