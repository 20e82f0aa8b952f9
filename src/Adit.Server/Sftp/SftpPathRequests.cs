using System.Globalization;
using Adit.Server.Configuration;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>Requests about names. Each is false for a message that is not well-formed. In the order of the message; links take the target first, as OpenSSH has it and not as the draft.</summary>
internal sealed unsafe class SftpPathRequests(SftpReplies replies, SftpHandles handles, SftpLog log, SftpPaths paths, bool isReadOnly)
{
    public const uint ModeBits = 0xFFF; // 07777

    private const uint UsualFileMode = 0x1B6, UsualFolderMode = 0x1FF; // 0666, 0777
    private const uint FlagRead = 1, FlagWrite = 2, FlagAppend = 4, FlagCreate = 8, FlagTruncate = 0x10, FlagExclusive = 0x20;

    public bool Open(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        var wanted = reader.UInt32();
        var attributes = reader.Attributes();
        if (reader.IsBad)
        {
            return false;
        }

        var flags = FlagsOf(wanted);
        var mode = attributes.Has(SftpAttributes.ModeFlag) ? attributes.Mode : UsualFileMode;
        if (log.Shows(SshdLogLevel.Info))
        {
            log.Write(SshdLogLevel.Info, $"open \"{SftpLog.Show(name)}\" flags {Show(wanted)} mode 0{Convert.ToString(mode, 8)}");
        }

        if (isReadOnly && ((flags & SftpCalls.AccessMode) != SftpCalls.ReadOnly || (flags & (SftpCalls.Create | SftpCalls.Truncate)) != 0))
        {
            log.Write(SshdLogLevel.Verbose, "Refusing open request in read-only mode");
            replies.Status(id, SftpStatus.PermissionDenied);
            return true;
        }

        var file = SftpCalls.Open(paths.First(name), flags | SftpCalls.CloseOnExec | SftpCalls.NoControllingTerminal, mode);
        if (file < 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
            return true;
        }

        Give(id, handles.AddFile(name, file, flags));
        return true;
    }

    public bool OpenFolder(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "opendir", name);
        var folder = SftpCalls.OpenFolder(paths.First(name));
        if (folder == 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
            return true;
        }

        Give(id, handles.AddFolder(name, folder));
        return true;
    }

    public bool Status(ref SftpReader reader, uint id, bool followsLinks)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Verbose, followsLinks ? "stat name" : "lstat name", name);
        LibC.StatxBuffer status;
        if (SftpCalls.Statx(SftpCalls.Here, paths.First(name), followsLinks ? 0 : SftpCalls.NoFollow, SftpCalls.BasicStatus, &status) != 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
        }
        else
        {
            replies.Attributes(id, SftpAttributes.Of(status));
        }

        return true;
    }

    /// <summary>Each attribute is tried; the last failure is told. A link itself has no size.</summary>
    public bool SetStatus(ref SftpReader reader, uint id, bool followsLinks)
    {
        var name = reader.Name();
        var wanted = reader.Attributes();
        if (reader.IsBad)
        {
            return false;
        }

        if (!followsLinks && wanted.Has(SftpAttributes.SizeFlag))
        {
            replies.Status(id, SftpStatus.BadMessage);
            return true;
        }

        LogSet(log, name, wanted);
        var (path, flags, status) = ((nint)paths.First(name), followsLinks ? 0 : SftpCalls.NoFollow, SftpStatus.Ok);
        if (wanted.Has(SftpAttributes.SizeFlag))
        {
            Note(SftpCalls.SetLength((byte*)path, (long)wanted.Size), ref status);
        }

        if (wanted.Has(SftpAttributes.ModeFlag))
        {
            Note(SftpCalls.ChangeMode(SftpCalls.Here, (byte*)path, wanted.Mode & ModeBits, flags), ref status);
        }

        if (wanted.Has(SftpAttributes.TimesFlag))
        {
            var times = stackalloc long[] { wanted.Accessed, 0, wanted.Modified, 0 };
            Note(SftpCalls.ChangeTimes(SftpCalls.Here, (byte*)path, times, flags), ref status);
        }

        if (wanted.Has(SftpAttributes.OwnerFlag))
        {
            Note(SftpCalls.ChangeOwner(SftpCalls.Here, (byte*)path, wanted.Uid, wanted.Gid, flags), ref status);
        }

        replies.Status(id, status);
        return true;
    }

    public bool Remove(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "remove name", name);
        replies.Status(id, SftpStatuses.OfResult(SftpCalls.Remove(paths.First(name))));
        return true;
    }

    public bool MakeFolder(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        var attributes = reader.Attributes();
        if (reader.IsBad)
        {
            return false;
        }

        var mode = attributes.Has(SftpAttributes.ModeFlag) ? attributes.Mode & ModeBits : UsualFolderMode;
        if (log.Shows(SshdLogLevel.Info))
        {
            log.Write(SshdLogLevel.Info, $"mkdir name \"{SftpLog.Show(name)}\" mode 0{Convert.ToString(mode, 8)}");
        }

        replies.Status(id, SftpStatuses.OfResult(SftpCalls.MakeFolder(paths.First(name), mode)));
        return true;
    }

    public bool RemoveFolder(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "rmdir name", name);
        replies.Status(id, SftpStatuses.OfResult(SftpCalls.RemoveFolder(paths.First(name))));
        return true;
    }

    /// <summary>The third version's rename replaces nothing.</summary>
    public bool Rename(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        var other = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "rename", name, other);
        replies.Status(id, Rename(paths.First(name), paths.Second(other)));
        return true;
    }

    public bool Replace(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        var other = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "posix-rename", name, other);
        replies.Status(id, SftpStatuses.OfResult(SftpCalls.Rename(paths.First(name), paths.Second(other))));
        return true;
    }

    public bool ReadLink(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Verbose, "readlink", name);
        var target = paths.ReadLink(name, out var status);
        if (status == SftpStatus.Ok)
        {
            replies.Name(id, target);
        }
        else
        {
            replies.Status(id, status);
        }

        return true;
    }

    public bool MakeLink(ref SftpReader reader, uint id)
    {
        var target = reader.Name();
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "symlink", target, name);
        replies.Status(id, SftpStatuses.OfResult(SftpCalls.MakeSymlink(paths.First(target), paths.Second(name))));
        return true;
    }

    public bool MakeHardLink(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        var other = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "hardlink", name, other);
        replies.Status(id, SftpStatuses.OfResult(SftpCalls.Link(paths.First(name), paths.Second(other))));
        return true;
    }

    public bool FileSystem(ref SftpReader reader, uint id)
    {
        var name = reader.Name();
        if (reader.IsBad)
        {
            return false;
        }

        Log(SshdLogLevel.Info, "statvfs", name);
        SftpCalls.FileSystemStatus status;
        if (SftpCalls.FileSystem(paths.First(name), &status) != 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
        }
        else
        {
            Reply(replies, id, status);
        }

        return true;
    }

    public static void Reply(SftpReplies replies, uint id, in SftpCalls.FileSystemStatus status)
    {
        const ulong readOnly = 1, noSetUid = 2; // ST_RDONLY, ST_NOSUID: the same on the wire
        replies.BeginExtended(id);
        replies.Add(status.BlockSize);
        replies.Add(status.FragmentSize);
        replies.Add(status.Blocks);
        replies.Add(status.FreeBlocks);
        replies.Add(status.AvailableBlocks);
        replies.Add(status.Files);
        replies.Add(status.FreeFiles);
        replies.Add(status.AvailableFiles);
        replies.Add(status.Id);
        replies.Add(status.Flags & (readOnly | noSetUid));
        replies.Add(status.LongestName);
        replies.End();
    }

    /// <summary>What is about to be set, in the order it is.</summary>
    public static void LogSet(SftpLog log, ReadOnlySpan<byte> name, in SftpAttributes wanted)
    {
        if (!log.Shows(SshdLogLevel.Info))
        {
            return;
        }

        var shown = SftpLog.Show(name);
        if (wanted.Has(SftpAttributes.SizeFlag))
        {
            log.Write(SshdLogLevel.Info, $"set \"{shown}\" size {wanted.Size}");
        }

        if (wanted.Has(SftpAttributes.ModeFlag))
        {
            log.Write(SshdLogLevel.Info, $"set \"{shown}\" mode {Convert.ToString(wanted.Mode, 8).PadLeft(4, '0')}");
        }

        if (wanted.Has(SftpAttributes.TimesFlag))
        {
            log.Write(SshdLogLevel.Info, $"set \"{shown}\" modtime {DateTimeOffset.FromUnixTimeSeconds(wanted.Modified).ToString("yyyyMMdd-HH:mm:ss", CultureInfo.InvariantCulture)}");
        }

        if (wanted.Has(SftpAttributes.OwnerFlag))
        {
            log.Write(SshdLogLevel.Info, $"set \"{shown}\" owner {wanted.Uid} group {wanted.Gid}");
        }
    }

    /// <summary>A file by a second name and without the first, so that nothing can be replaced; where a file system has no second names, and for anything else, by a look ahead.</summary>
    private static SftpStatus Rename(byte* name, byte* other)
    {
        LibC.StatxBuffer status;
        if (SftpCalls.Statx(SftpCalls.Here, name, SftpCalls.NoFollow, SftpCalls.BasicStatus, &status) != 0)
        {
            return SftpStatuses.OfError(SftpCalls.Error);
        }

        if (status.Type == SftpCalls.RegularFile)
        {
            if (SftpCalls.Link(name, other) == 0)
            {
                if (SftpCalls.Remove(name) == 0)
                {
                    return SftpStatus.Ok;
                }

                var reason = SftpStatuses.OfError(SftpCalls.Error);
                _ = SftpCalls.Remove(other);
                return reason;
            }

            var error = SftpCalls.Error;
            if (error is not (SftpCalls.NotSupported or SftpCalls.NoSuchCall or SftpCalls.OtherDevice or SftpCalls.NotPermitted))
            {
                return SftpStatuses.OfError(error);
            }
        }

        return SftpCalls.Statx(SftpCalls.Here, other, 0, SftpCalls.BasicStatus, &status) == 0 ? SftpStatus.Failure : SftpStatuses.OfResult(SftpCalls.Rename(name, other));
    }

    private void Give(uint id, int? handle)
    {
        if (handle is { } number)
        {
            replies.Handle(id, number);
        }
        else
        {
            replies.Status(id, SftpStatus.Failure);
        }
    }

    private static int FlagsOf(uint wanted) =>
        ((wanted & (FlagRead | FlagWrite)) switch
        {
            FlagRead | FlagWrite => SftpCalls.ReadWrite,
            FlagWrite => SftpCalls.WriteOnly,
            _ => SftpCalls.ReadOnly,
        })
        | ((wanted & FlagAppend) != 0 ? SftpCalls.Append : 0) | ((wanted & FlagCreate) != 0 ? SftpCalls.Create : 0)
        | ((wanted & FlagTruncate) != 0 ? SftpCalls.Truncate : 0) | ((wanted & FlagExclusive) != 0 ? SftpCalls.Exclusive : 0);

    private static string Show(uint flags)
    {
        string[] names = ["READ", "WRITE", "APPEND", "CREATE", "TRUNCATE", "EXCL"];
        return string.Join(',', names.Where((_, i) => (flags & (1u << i)) != 0));
    }

    private void Log(SshdLogLevel level, string what, ReadOnlySpan<byte> name)
    {
        if (log.Shows(level))
        {
            log.Write(level, $"{what} \"{SftpLog.Show(name)}\"");
        }
    }

    private void Log(SshdLogLevel level, string what, ReadOnlySpan<byte> name, ReadOnlySpan<byte> other)
    {
        if (log.Shows(level))
        {
            log.Write(level, $"{what} old \"{SftpLog.Show(name)}\" new \"{SftpLog.Show(other)}\"");
        }
    }

    private static void Note(int result, ref SftpStatus status) => status = result == -1 ? SftpStatuses.OfError(SftpCalls.Error) : status;
}
