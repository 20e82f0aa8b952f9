namespace Adit.Ssh.Authentication;

/// <summary>An <see cref="IUserAuthenticator"/> that has rules which depend on who logs in, and count before anything is decided.</summary>
internal interface ILoginRules
{
    /// <summary>Called once per connection, at its first request. Null: nothing special holds.</summary>
    ValueTask<LoginRules?> RulesForAsync(UserAuthenticationRequest request, CancellationToken cancellationToken);
}

/// <summary>What holds for one login in place of the server's options; null for what they say.</summary>
internal sealed record LoginRules
{
    /// <summary>Why the connection is to end here.</summary>
    public string? Refusal { get; init; }

    /// <summary>Empty for none.</summary>
    public string? Banner { get; init; }

    public int? MaxAuthTries { get; init; }
}
