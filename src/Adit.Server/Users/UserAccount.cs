namespace Adit.Server.Users;

/// <summary>A user of the system (passwd(5)).</summary>
/// <param name="Name">As the system spells it.</param>
/// <param name="PasswordField">A hash, or "x" where the shadow file has it.</param>
public sealed record UserAccount(string Name, uint Uid, uint Gid, string HomeDirectory, string Shell, string PasswordField = "x")
{
    public bool IsRoot => Uid == 0;

    /// <summary>Never shows the hash.</summary>
    public override string ToString() => $"{Name} (uid {Uid})";
}

/// <summary>What shadow(5) says about an account. Days count from 1970-01-01; -1 means the field is empty.</summary>
public sealed record ShadowEntry(string Hash, long LastChange = -1, long MaximumAge = -1, long InactiveAfter = -1, long ExpireDay = -1)
{
    /// <summary>Never shows the hash.</summary>
    public override string ToString() => "shadow entry";
}

/// <summary>Where accounts come from. Calls may take as long as the system's name service does.</summary>
public interface IUserDatabase
{
    /// <summary>The user this process runs as (its effective user id).</summary>
    uint ProcessUid { get; }

    /// <summary>The account called <paramref name="name"/>, or null. Any text may be asked for.</summary>
    UserAccount? Find(string name);

    /// <summary>The account of a user id, or null.</summary>
    UserAccount? Find(uint uid);

    /// <summary>Names of all groups the account is in, the primary one first.</summary>
    IReadOnlyList<string> GroupNames(UserAccount account);

    /// <summary>Ids of all groups the account is in, the primary one among them.</summary>
    IReadOnlyList<uint> GroupIds(UserAccount account);

    /// <summary>The shadow entry, or null when there is none or this process may not read it.</summary>
    ShadowEntry? FindShadow(UserAccount account);
}
