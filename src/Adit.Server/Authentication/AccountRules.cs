using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Wire;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Where a login comes from.</summary>
/// <param name="Host">The client's name with UseDNS, else its address.</param>
/// <param name="Address">The client's address.</param>
internal sealed record LoginOrigin(string Host, string Address);

/// <summary>Whether an account may log in at all, whatever it can prove.</summary>
internal sealed class AccountRules(IUserDatabase users, TimeProvider clock)
{
    /// <summary>Null when it may; else the line for the log.</summary>
    public string? Refusal(UserAccount account, SshdConfig config, LoginOrigin origin)
    {
        var name = PeerText.Escape(account.Name, 100);
        if (users.ProcessUid != 0 && account.Uid != users.ProcessUid)
        {
            return $"User {name} not allowed because this server does not run as root: only its own user (uid {users.ProcessUid}) can log in";
        }

        return ShadowRefusal(account, name, config)
            ?? ShellRefusal(account, name)
            ?? ListRefusal(account, name, config, origin);
    }

    /// <summary>Why the account's password no longer counts (shadow(5)), or null.</summary>
    public string? PasswordRefusal(UserAccount account)
    {
        if (users.FindShadow(account) is not { } shadow)
        {
            return null;
        }

        var name = PeerText.Escape(account.Name, 100);
        return shadow.LastChange == 0 ? $"User {name} password has expired (root forced)"
            : shadow.MaximumAge >= 0 && shadow.LastChange > 0 && shadow.LastChange + shadow.MaximumAge < Today ? $"User {name} password has expired (password aged)"
            : null;
    }

    private long Today => clock.GetUtcNow().ToUnixTimeSeconds() / (24 * 60 * 60);

    /// <summary>With PAM all of this is PAM's account check to say.</summary>
    private string? ShadowRefusal(UserAccount account, string name, SshdConfig config)
    {
        if (config.Get(K.UsePam))
        {
            return null;
        }

        var shadow = users.FindShadow(account);
        if (shadow?.ExpireDay is >= 0 and var day && day <= Today)
        {
            return $"Account {name} has expired";
        }

        var hash = shadow?.Hash ?? account.PasswordField;
        return hash.StartsWith('!') ? $"User {name} not allowed because account is locked" : null;
    }

    private static string? ShellRefusal(UserAccount account, string name)
    {
        var shell = account.Shell.Length == 0 ? "/bin/sh" : account.Shell;
        if (!File.Exists(shell))
        {
            return $"User {name} not allowed because shell {shell} does not exist";
        }

        const UnixFileMode execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        return !OperatingSystem.IsWindows() && (File.GetUnixFileMode(shell) & execute) == 0
            ? $"User {name} not allowed because shell {shell} is not executable"
            : null;
    }

    /// <summary>In the manual's order: DenyUsers, AllowUsers, DenyGroups, AllowGroups.</summary>
    private string? ListRefusal(UserAccount account, string name, SshdConfig config, LoginOrigin origin)
    {
        var from = $"User {name} from {PeerText.Escape(origin.Host, 100)} not allowed because";
        if (MatchesUser(config.Get(K.DenyUsers)))
        {
            return $"{from} listed in DenyUsers";
        }

        var allowUsers = config.Get(K.AllowUsers);
        if (allowUsers.Count > 0 && !MatchesUser(allowUsers))
        {
            return $"{from} not listed in AllowUsers";
        }

        var (denyGroups, allowGroups) = (config.Get(K.DenyGroups), config.Get(K.AllowGroups));
        if (denyGroups.Count == 0 && allowGroups.Count == 0)
        {
            return null;
        }

        var groups = users.GroupNames(account);
        return groups.Count == 0 ? $"{from} not in any group"
            : MatchesGroup(groups, denyGroups) ? $"{from} a group is listed in DenyGroups"
            : allowGroups.Count > 0 && !MatchesGroup(groups, allowGroups) ? $"{from} none of user's groups are listed in AllowGroups"
            : null;

        bool MatchesUser(IReadOnlyList<string> patterns) =>
            patterns.Any(pattern => UserPattern.Parse(pattern).Matches(account.Name, origin.Host, origin.Address));

        static bool MatchesGroup(IReadOnlyList<string> groups, IReadOnlyList<string> patterns) =>
            patterns.Any(pattern => groups.Any(group => Adit.Ssh.OpenSsh.PatternList.MatchPattern(group, pattern)));
    }
}
