using Adit.Ssh.OpenSsh;

namespace Adit.Server.Configuration;

/// <summary>One pattern of AllowUsers or DenyUsers: "user", or "user@host" where the host part is matched with the client's address (networks too) and name.</summary>
internal sealed class UserPattern
{
    private readonly string _user;
    private readonly string? _host;
    private readonly AddressPatternList? _addresses;

    private UserPattern(string user, string? host)
    {
        _user = user;
        _host = host;
        _addresses = host is null ? null : AddressPatternList.Parse(host);
    }

    /// <summary>Throws <see cref="Adit.Ssh.SshException"/> for a network with bits beyond its mask.</summary>
    public static UserPattern Parse(string text)
    {
        var at = text.IndexOf('@');
        return at < 0 ? new UserPattern(text, null) : new UserPattern(text[..at], text[(at + 1)..]);
    }

    /// <param name="user">The account's name.</param>
    /// <param name="host">The client's name with UseDNS, else its address.</param>
    /// <param name="address">The client's address.</param>
    public bool Matches(string user, string host, string address)
    {
        if (!PatternList.MatchPattern(user, _user))
        {
            return false;
        }

        if (_host is null)
        {
            return true;
        }

        var byAddress = _addresses!.Match(address);
        var byName = PatternList.Match(host, _host, ignoreCase: true);
        return byAddress != PatternMatch.Negated && byName != PatternMatch.Negated
            && (byAddress == PatternMatch.Matched || byName == PatternMatch.Matched);
    }
}
