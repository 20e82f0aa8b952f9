using System.Runtime.InteropServices;

namespace Adit.Server.Users;

/// <summary>Whose rights the system is asked for: what setgroups(2), setresgid(2) and setresuid(2) make of a thread.</summary>
/// <param name="Uid">Of the account.</param>
/// <param name="Gid">Its primary group.</param>
/// <param name="Groups">All its groups, in rising order.</param>
internal sealed record UserIdentity(uint Uid, uint Gid, IReadOnlyList<uint> Groups)
{
    /// <summary>Why this process cannot act as <paramref name="account"/>; null when it can.</summary>
    public static string? Obstacle(uint processUid, UserAccount? account)
    {
        if (account is null)
        {
            return "there is no account to open Unix sockets as";
        }

        if (account.Uid == processUid)
        {
            return null;
        }

        if (processUid != 0)
        {
            return "Unix sockets only for the user that the server runs as: it is not root";
        }

        return SystemCalls.OfThisMachine is null ? $"Unix sockets only for root: taking another user's identity is not built for {RuntimeInformation.RuntimeIdentifier}" : null;
    }

    /// <summary>The identity to take for <paramref name="account"/>; null where the process has it. May take as long as the name service does.</summary>
    public static UserIdentity? Of(UserAccount account, IUserDatabase users) =>
        account.Uid == users.ProcessUid ? null : new UserIdentity(account.Uid, account.Gid, [.. users.GroupIds(account).Append(account.Gid).Distinct().Order()]);
}
