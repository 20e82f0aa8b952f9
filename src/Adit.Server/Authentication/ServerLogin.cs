using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Authentication;

/// <summary>What the server knows about somebody who logged in: the <see cref="Adit.Ssh.Authentication.SshPrincipal.State"/> of its principals.</summary>
/// <param name="Account">The system's account.</param>
/// <param name="Config">The configuration for this login, Match blocks applied.</param>
/// <param name="Restrictions">What the login's own credentials restrict.</param>
public sealed record ServerLogin(UserAccount Account, SshdConfig Config, LoginRestrictions Restrictions);

/// <summary>What the credentials themselves restrict, whatever the configuration allows.</summary>
/// <param name="ForwardingForbiddenBy">Why nothing may be forwarded, or null.</param>
public sealed record LoginRestrictions(string? ForwardingForbiddenBy = null)
{
    public static LoginRestrictions None { get; } = new();

    /// <summary>Both at once: what either forbids is forbidden.</summary>
    public LoginRestrictions And(LoginRestrictions other) => new(ForwardingForbiddenBy ?? other.ForwardingForbiddenBy);
}
