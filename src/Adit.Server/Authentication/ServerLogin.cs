using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Forwarding;

namespace Adit.Server.Authentication;

/// <summary>What the server knows about somebody who logged in: the <see cref="Adit.Ssh.Authentication.SshPrincipal.State"/> of its principals. What holds now is in
/// <see cref="Grant"/>, one immutable object; <see cref="NowAsync"/> brings it up to date first.</summary>
public sealed class ServerLogin
{
    private readonly LoginReview? _review;
    private readonly LoginGrant? _fixed;

    /// <summary>A login whose rights stay what they are.</summary>
    public ServerLogin(UserAccount account, SshdConfig config, LoginRights rights)
    {
        Account = account;
        _fixed = new LoginGrant(config, rights);
    }

    internal ServerLogin(UserAccount account, LoginReview review)
    {
        Account = account;
        _review = review;
    }

    /// <summary>The system's account.</summary>
    public UserAccount Account { get; }

    /// <summary>Its transaction with PAM; null without UsePAM.</summary>
    internal Pam.PamLogin? Pam { get; init; }

    /// <summary>What it was proven with, one line for each step: "publickey ssh-ed25519 AAAA…". For ExposeAuthInfo.</summary>
    internal string Information { get; init; } = "";

    /// <summary>Tunnel devices that are being opened: a session that begins waits for them, for it tells their names to its program.</summary>
    internal TaskTracker OpeningTunnels { get; } = new();

    /// <summary>Takes rights away, whatever the credentials say.</summary>
    internal void Restrict(LoginRights restriction) => _review?.Restrict(restriction);

    /// <summary>What was granted when it was last looked at.</summary>
    public LoginGrant Grant => _review?.Grant ?? _fixed!;

    /// <summary>What is granted now: a new configuration counts at once, a change of the files that let the user in (authorized_keys and the like) within a second.</summary>
    public ValueTask<LoginGrant> NowAsync(CancellationToken cancellationToken = default) =>
        _review is null || _review.IsFresh ? new(Grant) : _review.RunAsync(cancellationToken);
}

/// <summary>What a login may do.</summary>
/// <param name="Config">The configuration for it, Match blocks applied.</param>
/// <param name="Rights">What its own credentials give.</param>
public sealed record LoginGrant(SshdConfig Config, LoginRights Rights)
{
    /// <summary>What runs in place of a client's command: ForceCommand, else what a credential forces; null for neither.</summary>
    public ForcedCommand? ForcedCommand =>
        Config.Get(SshdKeywords.ForceCommand) is var command && !command.Equals("none", StringComparison.OrdinalIgnoreCase) ? new ForcedCommand(command, "ForceCommand") : Rights.ForcedCommand;

    /// <summary>The rule against starting anything: the login was taken back, or its time is over. Null while it stands.</summary>
    public string? RuleAgainstPrograms(DateTimeOffset now) => Rights.Revocation ?? (Rights.End is { } end && end.Time <= now ? end.Rule : null);

    /// <summary>The rule against something: DisableForwarding, or what the credentials say. Null where neither is against it; directives about the one thing
    /// (AllowTcpForwarding, …) are for whoever offers that thing to ask.</summary>
    public string? RuleAgainst(LoginRight right, DateTimeOffset now) =>
        right is not (LoginRight.Pty or LoginRight.UserRc) && Config.Get(SshdKeywords.DisableForwarding) ? "DisableForwarding yes"
        : Rights.End is { } end && end.Time <= now ? end.Rule
        : Rights.RuleAgainst(right);
}
