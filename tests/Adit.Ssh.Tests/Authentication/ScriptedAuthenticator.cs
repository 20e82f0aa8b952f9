using System.Collections.Concurrent;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Asks a function and keeps what it was asked.</summary>
internal sealed class ScriptedAuthenticator(Func<UserAuthenticationRequest, CancellationToken, ValueTask<AuthenticationDecision>> decide) : IUserAuthenticator
{
    private int _inside;

    public ScriptedAuthenticator(Func<UserAuthenticationRequest, AuthenticationDecision> decide)
        : this((request, _) => ValueTask.FromResult(decide(request)))
    {
    }

    public ConcurrentQueue<UserAuthenticationRequest> Requests { get; } = new();

    public async ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
    {
        Assert.Equal(1, Interlocked.Increment(ref _inside)); // never concurrently for one connection
        try
        {
            Requests.Enqueue(request);
            return await decide(request, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _inside);
        }
    }

    /// <summary>Lets these keys in, for user alice.</summary>
    public static ScriptedAuthenticator ForKeys(params PublicKey[] keys) => new(request => request switch
    {
        PublicKeyRequest { UserName: "alice" } r when keys.Contains(r.Key) => Accept(request),
        _ => Deny("publickey"),
    });

    public static AuthenticationDecision Deny(params string[] methods) => new AuthenticationDecision.Denied(methods);

    public static AuthenticationDecision Partial(params string[] methods) => new AuthenticationDecision.Partial(methods);

    public static AuthenticationDecision Accept(UserAuthenticationRequest request) =>
        new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName });
}
