using System.Net;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Bench.Cases;

/// <summary>Both ends as this process's own objects, where processes would be in the way.</summary>
internal static class LibraryEnds
{
    public static async Task<SshServer> StartServerAsync(PrivateKey hostKey, PublicKey userKey)
    {
        var server = new SshServer(new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { hostKey },
            Authenticator = new OneKey(userKey),
            ForwardingPolicy = new AllowAll(),
        });
        await server.StartAsync();
        return server;
    }

    public static Task<SshClient> ConnectAsync(int port, ISigner userKey, PublicKey hostKey, CancellationToken cancellation) => SshClient.ConnectAsync(
        new SshClientOptions
        {
            Host = "127.0.0.1",
            Port = port,
            UserName = Environment.UserName,
            Credentials = { Credential.Key(userKey) },
            HostKeyVerifier = new Trust(hostKey),
            ConnectTimeout = TimeSpan.FromSeconds(60),
        },
        cancellation);

    private sealed class AllowAll : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Allow);
    }

    private sealed class Trust(PublicKey key) : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [key.KeyType];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) =>
            context.Key.Equals(key) ? ValueTask.CompletedTask : throw new SshException(SshError.HostKeyUnknown, "Host key verification failed.");
    }

    private sealed class OneKey(PublicKey key) : IUserAuthenticator
    {
        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            new(request is PublicKeyRequest { Key: var offered } && offered.Equals(key)
                ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Key = key, Method = "publickey" })
                : new AuthenticationDecision.Denied(["publickey"]));
    }
}
