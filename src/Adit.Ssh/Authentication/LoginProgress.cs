using Adit.Ssh.Wire;

namespace Adit.Ssh.Authentication;

/// <summary>Who is logging in, as far as that is known: for the server's log lines about connections that end before login.</summary>
internal sealed class LoginProgress
{
    private string? _userName;

    /// <summary>The user the client named; null before its first request.</summary>
    public string? UserName
    {
        get => _userName;
        set => _userName = value is null ? null : PeerText.Escape(value, 100);
    }

    /// <summary>The authenticator said that there is no such user.</summary>
    public bool IsUnknownUser { get; set; }

    /// <summary>An attempt failed that proves nothing good about the client: "none", which only asks, is not one.</summary>
    public bool HasFailed { get; set; }

    /// <summary>The login was ended by a rule (RefuseConnection).</summary>
    public bool IsRefused { get; set; }

    /// <summary>What it comes to when the login did not succeed.</summary>
    public SourceOffence Offence => IsRefused ? SourceOffence.Refused
        : IsUnknownUser ? SourceOffence.InvalidUser
        : HasFailed ? SourceOffence.AuthenticationFailure
        : SourceOffence.NoAuthentication;

    /// <summary>"authenticating user alice ", "invalid user bob " or nothing, as OpenSSH puts it before the address.</summary>
    public override string ToString() => (UserName, IsUnknownUser) switch
    {
        (null, _) => "",
        (_, true) => $"invalid user {UserName} ",
        _ => $"authenticating user {UserName} ",
    };
}
