using System.Net;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Transport;

/// <summary>Decides whether a server's host key may be trusted.</summary>
public interface IHostKeyVerifier
{
    /// <summary>Key types already known for this host, best first; the client asks for those first. Empty when none.</summary>
    IReadOnlyList<string> KnownKeyTypes(string host, int port);

    /// <summary>Returns when the key is trusted; throws <see cref="SshException"/> (HostKeyUnknown, HostKeyChanged, HostKeyRevoked) when not.
    /// The key's signature over the exchange hash has already been verified.</summary>
    ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken);
}

/// <summary>The key a server presented and where.</summary>
/// <param name="Host">The name the user gave (or HostKeyAlias).</param>
/// <param name="Port">The port the user gave.</param>
/// <param name="Address">The address that was really connected to, where known.</param>
/// <param name="Key">The host key or host certificate.</param>
public sealed record HostKeyContext(string Host, int Port, IPAddress? Address, PublicKey Key)
{
    /// <summary>Set by the verifier where the key is wrong and the connection goes on all the same (StrictHostKeyChecking no with a changed or revoked key).
    /// Somebody may sit in the middle: the client must then not use passwords, keyboard-interactive, agent or X11 forwarding, port forwarding or tunnels.</summary>
    public bool IsUnsafe { get; set; }

    /// <summary>Set by the verifier where the key was known to the user before, or a person accepted it: only then may it vouch for the server's other keys.</summary>
    public bool IsKnown { get; set; }
}
