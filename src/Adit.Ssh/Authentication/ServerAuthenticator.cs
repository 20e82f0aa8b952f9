using Adit.Ssh.Transport;

namespace Adit.Ssh.Authentication;

/// <summary>Lets a client log in (RFC 4252).</summary>
internal static class ServerAuthenticator
{
    /// <summary>Serves authentication requests until one is accepted; <see cref="IMessageExchange.CompleteAuthentication"/> has then been called. Throws
    /// <see cref="SshException"/> when the connection must end: the caller sends SSH_MSG_DISCONNECT with its <see cref="SshException.DisconnectReason"/>
    /// and its message.</summary>
    public static Task<SshPrincipal> RunAsync(IMessageExchange exchange, IUserAuthenticator authenticator, ServerAuthenticationOptions options, CancellationToken cancellationToken) =>
        new ServerAuthenticationSession(exchange, authenticator, options).RunAsync(cancellationToken);
}
