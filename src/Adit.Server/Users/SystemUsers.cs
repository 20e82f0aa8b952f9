using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Adit.Server.Users;

/// <summary>The system's own accounts, asked for through the C library.</summary>
[SupportedOSPlatform("linux")]
public sealed class SystemUsers : IUserDatabase
{
    /// <summary>Longest name asked for; Linux allows 32 characters, directories more.</summary>
    private const int MaxNameLength = 256;

    /// <summary>What the kernel takes (NGROUPS_MAX).</summary>
    private const int MaxGroups = 64 * 1024;

    private const int FirstBuffer = 2 * 1024;
    private const int LargestBuffer = 4 * 1024 * 1024;

    public uint ProcessUid { get; } = LibC.GetEffectiveUserId();

    public unsafe UserAccount? Find(string name) =>
        IsPossibleName(name)
            ? Query<UserAccount>((buffer, length) =>
            {
                LibC.Passwd entry;
                LibC.Passwd* result;
                var error = LibC.FindUserByName(name, &entry, buffer, length, &result);
                return (error, result is null ? null : ToAccount(result));
            })
            : null;

    public unsafe UserAccount? Find(uint uid) =>
        Query<UserAccount>((buffer, length) =>
        {
            LibC.Passwd entry;
            LibC.Passwd* result;
            var error = LibC.FindUserById(uid, &entry, buffer, length, &result);
            return (error, result is null ? null : ToAccount(result));
        });

    public IReadOnlyList<string> GroupNames(UserAccount account)
    {
        var ids = GroupIds(account);
        var names = new List<string>(ids.Count);
        foreach (var id in ids)
        {
            if (GroupName(id) is { } name && !names.Contains(name))
            {
                names.Add(name);
            }
        }

        return names;
    }

    public unsafe IReadOnlyList<uint> GroupIds(UserAccount account)
    {
        var ids = new uint[32];
        while (true)
        {
            var count = ids.Length;
            fixed (uint* pointer = ids)
            {
                if (LibC.GetGroupList(account.Name, account.Gid, pointer, &count) >= 0)
                {
                    return ids[..count];
                }
            }

            if (ids.Length >= MaxGroups)
            {
                return ids;
            }

            ids = new uint[Math.Min(Math.Max(ids.Length * 2, count), MaxGroups)];
        }
    }

    public unsafe ShadowEntry? FindShadow(UserAccount account) =>
        Query<ShadowEntry>((buffer, length) =>
        {
            LibC.Shadow entry;
            LibC.Shadow* result;
            var error = LibC.FindShadowByName(account.Name, &entry, buffer, length, &result);
            return (error, result is null
                ? null
                : new ShadowEntry(Text(result->Hash), result->LastChange, result->Maximum, result->Inactive, result->Expire));
        });

    internal static unsafe string? GroupName(uint id) =>
        Query<string>((buffer, length) =>
        {
            LibC.Group entry;
            LibC.Group* result;
            var error = LibC.FindGroupById(id, &entry, buffer, length, &result);
            return (error, result is null ? null : Text(result->Name));
        });

    private static bool IsPossibleName(string name) => name.Length is > 0 and <= MaxNameLength && !name.AsSpan().ContainsAnyInRange('\0', '\x1f');

    private static unsafe UserAccount ToAccount(LibC.Passwd* entry) =>
        new(Text(entry->Name), entry->Uid, entry->Gid, Text(entry->Home), Text(entry->Shell), Text(entry->Password));

    private static unsafe string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private unsafe delegate (int Error, T? Result) Call<T>(byte* buffer, nuint length);

    /// <summary>Runs one of the "_r" calls with a buffer that grows until the entry fits (a group may have thousands of members).</summary>
    private static unsafe T? Query<T>(Call<T> call)
        where T : class
    {
        for (var size = FirstBuffer; size <= LargestBuffer; size *= 4)
        {
            var buffer = new byte[size];
            fixed (byte* pointer = buffer)
            {
                var (error, result) = call(pointer, (nuint)size);
                Array.Clear(buffer); // it may have held a password hash
                if (error != LibC.RangeTooSmall)
                {
                    return result;
                }
            }
        }

        return null;
    }
}
