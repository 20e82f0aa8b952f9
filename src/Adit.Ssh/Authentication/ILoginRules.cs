namespace Adit.Ssh.Authentication;

/// <summary>An <see cref="IUserAuthenticator"/> that has rules which depend on who logs in, and count before anything is decided.</summary>
internal interface ILoginRules
{
    /// <summary>Called once per connection, at its first request. Null: nothing special holds.</summary>
    ValueTask<LoginRules?> RulesForAsync(UserAuthenticationRequest request, CancellationToken cancellationToken);

    /// <summary>Somebody proved who they are, by every step that is wanted. The last word, ahead of the success message: for what costs something and must be undone in <see cref="ForgetAsync"/>.
    /// Null: nothing against it.</summary>
    ValueTask<LoginCompletion?> CompleteAsync(AuthenticationPeer peer, SshPrincipal principal, CancellationToken cancellationToken) => ValueTask.FromResult<LoginCompletion?>(null);

    /// <summary>The connection is over, logged in or not, and everything that ran for it. Called once.</summary>
    ValueTask ForgetAsync(AuthenticationPeer peer) => ValueTask.CompletedTask;
}

/// <summary>What an authenticator says about a login that is complete.</summary>
/// <param name="Text">To show the user; empty for nothing.</param>
/// <param name="Refusal">Why the connection is to end here; null to go on.</param>
internal sealed record LoginCompletion(string Text, string? Refusal);

/// <summary>What holds for one login in place of the server's options; null for what they say.</summary>
internal sealed record LoginRules
{
    /// <summary>Why the connection is to end here.</summary>
    public string? Refusal { get; init; }

    /// <summary>Empty for none.</summary>
    public string? Banner { get; init; }

    public int? MaxAuthTries { get; init; }
}
