using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Cli.Demo;

/// <summary>Lets one user in with one key.</summary>
internal sealed class DemoAuthenticator(string userName, PublicKey key) : IUserAuthenticator
{
    private static readonly AuthenticationDecision No = new AuthenticationDecision.Denied(["publickey"]);

    public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) => ValueTask.FromResult(
        request is PublicKeyRequest asked && asked.UserName == userName && asked.Key.Equals(key)
            ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = userName, Key = key, Method = "publickey" })
            : No);
}

/// <summary>Lets connections through to the demo's page and nowhere else, and counts them.</summary>
internal sealed class DemoPolicy(DemoPage page, DemoTraffic traffic) : IForwardingPolicy
{
    public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken)
    {
        var allowed = request.Kind == ForwardingKind.DirectTcp && request.Host == page.Endpoint.Address.ToString() && request.Port == page.Endpoint.Port;
        if (allowed && request.Resolved is null)
        {
            traffic.Opened();
        }

        return ValueTask.FromResult(allowed ? ForwardingDecision.Allow : ForwardingDecision.Deny("the demo forwards to its own page only"));
    }
}

/// <summary>Trusts one host key.</summary>
internal sealed class PinnedHostKey(PublicKey key) : IHostKeyVerifier
{
    public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [key.KeyType];

    public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => context.Key.Equals(key)
        ? ValueTask.CompletedTask
        : throw new SshException(SshError.HostKeyChanged, "Host key verification failed.") { Hint = "The server on the demo's port is not the demo's." };
}
