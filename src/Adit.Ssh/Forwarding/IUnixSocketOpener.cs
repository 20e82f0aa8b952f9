using System.Net.Sockets;
using Adit.Ssh.Authentication;

namespace Adit.Ssh.Forwarding;

/// <summary>Opens Unix sockets on a server for whoever logged in (direct-streamlocal@openssh.com and streamlocal-forward@openssh.com). Who may open which is
/// <see cref="IForwardingPolicy"/>'s to say, before; this one sees to it that the system asks for that user's rights and not the server's. Both methods get
/// paths of 1 to 107 bytes without a NUL in them; relative ones are as the peer sent them. Never called on the receive loop.</summary>
public interface IUnixSocketOpener
{
    /// <summary>Connects to <paramref name="path"/>. Throws <see cref="SshException"/> (<see cref="SshError.ConnectFailed"/>) with the C library's words as message.</summary>
    ValueTask<Socket> ConnectAsync(SshPrincipal principal, string path, CancellationToken cancellationToken);

    /// <summary>Returns a socket that is bound to <paramref name="path"/> and listens, and that leaves the file where it is when it is closed. Throws <see cref="SshException"/>
    /// (<see cref="SshError.ForwardFailed"/>).</summary>
    ValueTask<Socket> ListenAsync(SshPrincipal principal, string path, CancellationToken cancellationToken);
}

/// <summary>Opens Unix sockets as the user this process is, whoever asks: for a server that serves that user alone, or whose policy knows what that means.</summary>
/// <param name="options">StreamLocalBindMask and StreamLocalBindUnlink; null for OpenSSH's defaults.</param>
public sealed class ProcessUnixSockets(ListenOptions? options = null) : IUnixSocketOpener
{
    private readonly ListenOptions _options = options ?? new ListenOptions();

    public ValueTask<Socket> ConnectAsync(SshPrincipal principal, string path, CancellationToken cancellationToken) => UnixSocket.ConnectAsync(path, cancellationToken);

    public ValueTask<Socket> ListenAsync(SshPrincipal principal, string path, CancellationToken cancellationToken) => new(UnixSocket.Listen(path, _options));
}
