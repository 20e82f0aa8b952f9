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

    /// <summary>"authenticating user alice ", "invalid user bob " or nothing, as OpenSSH puts it before the address.</summary>
    public override string ToString() => (UserName, IsUnknownUser) switch
    {
        (null, _) => "",
        (_, true) => $"invalid user {UserName} ",
        _ => $"authenticating user {UserName} ",
    };
}
