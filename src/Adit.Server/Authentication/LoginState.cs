using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Authentication;

/// <summary>What is found out once per connection.</summary>
/// <param name="UserName">The name it was found out for.</param>
/// <param name="Account">Null when there is no such account, or it may not log in.</param>
/// <param name="Config">With the Match blocks that match.</param>
/// <param name="Methods">What leads in.</param>
/// <param name="Context">What the Match blocks were compared with.</param>
internal sealed record LoginState(string UserName, UserAccount? Account, SshdConfig Config, LoginMethods Methods, MatchContext Context)
{
    /// <summary>The configuration as a whole that <see cref="Config"/> was taken from.</summary>
    public required SshdConfig Whole { get; init; }

    /// <summary>There is such an account, and a line in the log says why it may not log in.</summary>
    public bool IsRefused { get; init; }

    /// <summary>Its transaction with PAM; null without UsePAM.</summary>
    public Pam.PamLogin? Pam { get; init; }

    public LoginOrigin Origin => new(Context.Host!, Context.Address!);

    public LoginNotes Notes { get; } = new();
}

/// <summary>A step of a login that succeeded.</summary>
/// <param name="Key">The key or certificate that was proven; null for another method.</param>
/// <param name="Rights">What it gives.</param>
internal sealed record LoginStep(Adit.Ssh.Keys.PublicKey? Key, LoginRights Rights)
{
    /// <summary>What programs said about the key: that holds as long as the login does.</summary>
    public CommandAnswers Answers { get; init; } = CommandAnswers.None;

    /// <summary>What the files were that let the key in, from before they were read; empty without a key.</summary>
    public FileStamp[] Stamps { get; init; } = [];

    /// <summary>A line about it for ExposeAuthInfo: the method, and the key.</summary>
    public string Information { get; init; } = "";
}
