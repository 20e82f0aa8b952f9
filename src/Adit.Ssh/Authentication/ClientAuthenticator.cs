using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Authentication;

/// <summary>How a login succeeded.</summary>
/// <param name="Method">The method that completed it: "none", "publickey", "password", "keyboard-interactive".</param>
/// <param name="Key">The key used, for "publickey".</param>
/// <param name="PartialMethods">Methods that succeeded before it, where the server wanted several.</param>
internal sealed record ClientAuthenticationResult(string Method, PublicKey? Key, IReadOnlyList<string> PartialMethods);

/// <summary>Logs in (RFC 4252).</summary>
internal static class ClientAuthenticator
{
    /// <summary>Asks for the ssh-userauth service and logs in. Throws <see cref="SshException"/>: <see cref="SshError.AuthenticationFailed"/> when the
    /// server accepted nothing (the caller sends SSH_MSG_DISCONNECT with its <see cref="SshException.DisconnectReason"/>), or the connection's own.</summary>
    public static async Task<ClientAuthenticationResult> AuthenticateAsync(
        IMessageExchange exchange, ClientAuthenticationOptions options, CancellationToken cancellationToken)
    {
        var session = new ClientAuthenticationSession(exchange, options);
        await using (session.ConfigureAwait(false))
            return await session.RunAsync(cancellationToken).ConfigureAwait(false);
    }
}
