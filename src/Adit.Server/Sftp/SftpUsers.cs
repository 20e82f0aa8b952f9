using System.Globalization;
using System.Runtime.Versioning;
using Adit.Server.Processes;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>Names of users and groups. In another root folder they are those of /etc/passwd and /etc/group there, if there are such files: no name service is asked, since what it needs would be loaded from inside.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SftpUsers(bool isInOtherRoot)
{
    private const int MostFile = 1024 * 1024, MostKnown = 4096;

    private readonly SystemUsers _system = new();
    private readonly Dictionary<uint, byte[]> _users = [], _groups = [];
    private readonly Dictionary<string, byte[]> _homes = [];
    private bool _isRead;

    /// <summary>Empty for an unknown one.</summary>
    public ReadOnlySpan<byte> UserName(uint uid)
    {
        ReadFiles();
        if (_users.TryGetValue(uid, out var name) || isInOtherRoot)
        {
            return name;
        }

        return Remember(_users, uid, _system.Find(uid) is { } account ? OsText.Encode(account.Name) : []);
    }

    /// <summary>Empty for an unknown one.</summary>
    public ReadOnlySpan<byte> GroupName(uint gid)
    {
        ReadFiles();
        if (_groups.TryGetValue(gid, out var name) || isInOtherRoot)
        {
            return name;
        }

        return Remember(_groups, gid, SystemUsers.GroupName(gid) is { } group ? OsText.Encode(group) : []);
    }

    /// <summary>The home folder of a user; null for an unknown one.</summary>
    public byte[]? HomeOf(ReadOnlySpan<byte> user)
    {
        ReadFiles();
        var name = OsText.Decode(user);
        return isInOtherRoot ? _homes.GetValueOrDefault(name) : _system.Find(name) is { } account ? OsText.Encode(account.HomeDirectory) : null;
    }

    private static byte[] Remember(Dictionary<uint, byte[]> names, uint id, byte[] name)
    {
        if (names.Count >= MostKnown)
        {
            names.Clear();
        }

        names[id] = name;
        return name;
    }

    private void ReadFiles()
    {
        if (!isInOtherRoot || _isRead)
        {
            return;
        }

        _isRead = true;
        const int passwdFields = 7, groupFields = 4, home = 5;
        foreach (var fields in Lines("/etc/passwd\0"u8, passwdFields))
        {
            if (uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var uid))
            {
                _users.TryAdd(uid, OsText.Encode(fields[0]));
                _homes.TryAdd(fields[0], OsText.Encode(fields[home]));
            }
        }

        foreach (var fields in Lines("/etc/group\0"u8, groupFields))
        {
            if (uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out var gid))
            {
                _groups.TryAdd(gid, OsText.Encode(fields[0]));
            }
        }
    }

    private static List<string[]> Lines(ReadOnlySpan<byte> path, int fields)
    {
        var lines = new List<string[]>();
        var content = new byte[MostFile];
        int length = 0, file;
        fixed (byte* name = path, target = content)
        {
            const int nonBlocking = 0x800; // a pipe there keeps nobody waiting
            file = SftpCalls.Open(name, SftpCalls.ReadOnly | SftpCalls.CloseOnExec | nonBlocking, 0);
            if (file < 0)
            {
                return lines;
            }

            nint count;
            while (length < content.Length && (count = SftpCalls.Read(file, target + length, (nuint)(content.Length - length))) > 0)
            {
                length += (int)count;
            }
        }

        _ = SftpCalls.Close(file);
        foreach (var line in OsText.Decode(content.AsSpan(0, length)).Split('\n'))
        {
            var parts = line.Split(':');
            if (parts.Length == fields && parts[0].Length > 0)
            {
                lines.Add(parts);
            }
        }

        return lines;
    }
}
