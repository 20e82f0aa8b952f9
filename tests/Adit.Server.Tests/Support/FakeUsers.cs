using Adit.Server.Users;

namespace Adit.Server.Tests.Support;

/// <summary>Accounts made up by a test.</summary>
internal sealed class FakeUsers : IUserDatabase
{
    public Dictionary<string, UserAccount> Accounts { get; } = [];

    public Dictionary<string, ShadowEntry> Shadow { get; } = [];

    public Dictionary<string, string[]> Groups { get; } = [];

    /// <summary>Ids of groups.</summary>
    public Dictionary<string, uint[]> Ids { get; } = [];

    public uint ProcessUid { get; set; }

    public UserAccount? Find(string name) => Accounts.GetValueOrDefault(name);

    public UserAccount? Find(uint uid) => Accounts.Values.FirstOrDefault(account => account.Uid == uid);

    public IReadOnlyList<string> GroupNames(UserAccount account) => Groups.GetValueOrDefault(account.Name) ?? ["users"];

    public IReadOnlyList<uint> GroupIds(UserAccount account) => Ids.GetValueOrDefault(account.Name) ?? [account.Gid];

    public ShadowEntry? FindShadow(UserAccount account) => Shadow.GetValueOrDefault(account.Name);
}
