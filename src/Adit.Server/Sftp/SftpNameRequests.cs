using System.Buffers.Binary;
using System.Runtime.Versioning;
using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>Requests that are answered with names: folders' entries, paths, users. Each is false for a message that is not well-formed.</summary>
/// <param name="home">The user's home folder, whatever root folder that is in.</param>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SftpNameRequests(SftpReplies replies, SftpHandles handles, SftpLog log, SftpPaths paths, SftpUsers users, byte[] home)
{
    private const int MostEntries = 100, MostPath = SftpCalls.PathMax + 256;

    private readonly SftpLongName _longName = new(users);
    private readonly byte[] _path = new byte[2 * MostPath];

    public bool ReadFolder(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        if (reader.IsBad)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Debug1))
        {
            log.Write(SshdLogLevel.Debug1, $"request {id}: readdir \"{SftpLog.Show(handles.Name(handle))}\" (handle {handle})");
        }

        var folder = handles.Folder(handle);
        if (folder == 0)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        var (count, now, descriptor) = (0, DateTimeOffset.UtcNow.ToUnixTimeSeconds(), SftpCalls.DescriptorOf(folder));
        replies.BeginNames(id);
        while (count < MostEntries && (nint)SftpCalls.ReadFolder(folder) is var entry and not 0)
        {
            var name = (byte*)entry + SftpCalls.EntryName;
            LibC.StatxBuffer status;
            if (SftpCalls.Statx(descriptor, name, SftpCalls.NoFollow, SftpCalls.BasicStatus, &status) != 0)
            {
                continue; // it has just gone
            }

            var text = System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name);
            replies.AddName(text, _longName.Of(text, status, now), SftpAttributes.Of(status));
            count++;
        }

        replies.EndNames(count);
        if (count == 0)
        {
            replies.Status(id, SftpStatus.EndOfFile);
        }

        return true;
    }

    public bool RealPath(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        name = name.IsEmpty ? "."u8 : name;
        Log("realpath", name);
        Resolve(id, name);
        return true;
    }

    /// <summary>expand-path: "~" is the folder the session began in, wherever it is now.</summary>
    public bool Expand(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        var folder = paths.WorkingFolder(out var error);
        if (error != 0)
        {
            replies.Status(id, SftpStatuses.OfError(error));
            return true;
        }

        if (name is [(byte)'~', not (byte)'/', ..])
        {
            var end = name.IndexOf((byte)'/') is var slash and >= 0 ? slash : name.Length;
            if (users.HomeOf(name[1..end]) is not { } folderOfUser)
            {
                replies.Status(id, SftpStatus.NoSuchFile, "no such user");
                return true;
            }

            name = Join(folderOfUser, name[Math.Min(end + 1, name.Length)..]);
        }
        else
        {
            name = name switch
            {
                [] => "."u8,
                [(byte)'/', ..] => name,
                [(byte)'~'] => Join(folder, default),
                [(byte)'~', ..] => Join(folder, name[2..]),
                _ => Join(folder, name),
            };
        }

        Log("expand", name);
        Resolve(id, name);
        return true;
    }

    /// <summary>As sftp-server: the session's own home, for any user that there is.</summary>
    public bool HomeFolder(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        if (users.HomeOf(name) is null)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        Log("home-directory", home);
        replies.Name(id, home);
        return true;
    }

    public bool UsersAndGroups(ref SftpReader reader, uint id)
    {
        var uids = reader.String();
        var gids = reader.String();
        if (reader.IsBad || uids.Length % sizeof(uint) != 0 || gids.Length % sizeof(uint) != 0)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Verbose))
        {
            log.Write(SshdLogLevel.Verbose, $"users-groups-by-id: {uids.Length / sizeof(uint)} users, {gids.Length / sizeof(uint)} groups");
        }

        var names = LengthOf(uids, areGroups: false) + LengthOf(gids, areGroups: true);
        if (names > SftpReplies.MostData)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        replies.BeginExtended(id);
        AddAll(uids, areGroups: false);
        AddAll(gids, areGroups: true);
        replies.End();
        return true;
    }

    private void AddAll(ReadOnlySpan<byte> ids, bool areGroups)
    {
        replies.Add((uint)LengthOf(ids, areGroups));
        for (; ids.Length > 0; ids = ids[sizeof(uint)..])
        {
            replies.Add(NameOf(ids, areGroups));
        }
    }

    private long LengthOf(ReadOnlySpan<byte> ids, bool areGroups)
    {
        long length = 0;
        for (; ids.Length > 0 && length <= SftpReplies.MostData; ids = ids[sizeof(uint)..])
        {
            length += sizeof(uint) + NameOf(ids, areGroups).Length;
        }

        return length;
    }

    private ReadOnlySpan<byte> NameOf(ReadOnlySpan<byte> ids, bool areGroups)
    {
        var number = BinaryPrimitives.ReadUInt32BigEndian(ids);
        return areGroups ? users.GroupName(number) : users.UserName(number);
    }

    private void Resolve(uint id, ReadOnlySpan<byte> name)
    {
        var path = paths.Resolve(name, out var error);
        if (error != 0)
        {
            replies.Status(id, SftpStatuses.OfError(error));
        }
        else
        {
            replies.Name(id, path);
        }
    }

    /// <summary>"folder/name"; what is too long stays too long.</summary>
    private ReadOnlySpan<byte> Join(ReadOnlySpan<byte> folder, ReadOnlySpan<byte> name)
    {
        folder = folder[..Math.Min(folder.Length, MostPath - 1)];
        name = name[..Math.Min(name.Length, MostPath)];
        folder.CopyTo(_path);
        _path[folder.Length] = (byte)'/';
        name.CopyTo(_path.AsSpan(folder.Length + 1));
        return _path.AsSpan(0, folder.Length + 1 + name.Length);
    }

    private void Log(string what, ReadOnlySpan<byte> name)
    {
        if (log.Shows(SshdLogLevel.Verbose))
        {
            log.Write(SshdLogLevel.Verbose, $"{what} \"{SftpLog.Show(name)}\"");
        }
    }
}
