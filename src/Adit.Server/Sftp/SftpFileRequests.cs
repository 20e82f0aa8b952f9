using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>Requests about what is open. Each is false for a message that is not well-formed.</summary>
internal sealed unsafe class SftpFileRequests(SftpReplies replies, SftpHandles handles, SftpLog log)
{
    private const int CopyPiece = 64 * 1024;
    private const long FarAway = 1L << 40;

    private byte[]? _copied;

    /// <summary>Where replies go.</summary>
    public int Client { get; set; } = -1;

    public bool Close(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        if (reader.IsBad)
        {
            return false;
        }

        LogClose(handle, "");
        replies.Status(id, handles.Close(handle));
        return true;
    }

    /// <summary>Closes what is left open: the process may go on, and a folder of outside is a way out of another root folder.</summary>
    public void End()
    {
        for (var handle = 0; handle < handles.Count; handle++)
        {
            if (handles.File(handle, out _) >= 0 || handles.Folder(handle) != 0)
            {
                LogClose(handle, "forced ");
                _ = handles.Close(handle);
            }
        }
    }

    /// <summary>Reads into the reply itself.</summary>
    public bool Read(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        var (offset, length) = ((long)reader.UInt64(), (int)Math.Min(reader.UInt32(), SftpReplies.MostData));
        if (reader.IsBad)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Debug1))
        {
            log.Write(SshdLogLevel.Debug1, $"request {id}: read \"{SftpLog.Show(handles.Name(handle))}\" (handle {handle}) off {(ulong)offset} len {length}");
        }

        var file = handles.File(handle, out _);
        if (file < 0)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        nint count;
        fixed (byte* room = replies.DataRoom(length))
        {
            count = Reaches(file, offset) ? Pread(file, room, length, offset) : -1;
        }

        if (count < 0 || (count == 0 && length > 0))
        {
            replies.Status(id, count < 0 ? SftpStatuses.OfError(SftpCalls.Error) : SftpStatus.EndOfFile);
            return true;
        }

        replies.Data(id, (int)count);
        handles.CountRead(handle, count);
        return true;
    }

    public bool Write(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        var offset = (long)reader.UInt64();
        var data = reader.String();
        if (reader.IsBad)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Debug1))
        {
            log.Write(SshdLogLevel.Debug1, $"request {id}: write \"{SftpLog.Show(handles.Name(handle))}\" (handle {handle}) off {(ulong)offset} len {data.Length}");
        }

        var file = handles.File(handle, out var flags);
        if (file < 0)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        nint count;
        fixed (byte* pointer = data)
        {
            // An empty span has no address, and write(2) looks at it all the same.
            var empty = default(byte);
            count = Pwrite(file, pointer is null ? &empty : pointer, data.Length, offset, flags);
        }

        replies.Status(id, count == data.Length ? SftpStatus.Ok : count < 0 ? SftpStatuses.OfError(SftpCalls.Error) : SftpStatus.Failure);
        handles.CountWritten(handle, Math.Max(count, 0));
        return true;
    }

    public bool Status(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        if (reader.IsBad)
        {
            return false;
        }

        var file = handles.File(handle, out _);
        LibC.StatxBuffer status;
        var nothing = default(byte);
        if (file < 0)
        {
            replies.Status(id, SftpStatus.Failure);
        }
        else if (SftpCalls.Statx(file, &nothing, SftpCalls.EmptyPath, SftpCalls.BasicStatus, &status) != 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
        }
        else
        {
            replies.Attributes(id, SftpAttributes.Of(status));
        }

        return true;
    }

    /// <summary>Each attribute is tried; the last failure is told.</summary>
    public bool SetStatus(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        var wanted = reader.Attributes();
        if (reader.IsBad)
        {
            return false;
        }

        var file = handles.File(handle, out _);
        if (file < 0)
        {
            replies.Status(id, SftpStatus.Failure);
            return true;
        }

        SftpPathRequests.LogSet(log, handles.Name(handle), wanted);
        var status = SftpStatus.Ok;
        if (wanted.Has(SftpAttributes.SizeFlag))
        {
            Note(SftpCalls.SetLength(file, (long)wanted.Size), ref status);
        }

        if (wanted.Has(SftpAttributes.ModeFlag))
        {
            Note(SftpCalls.ChangeMode(file, wanted.Mode & SftpPathRequests.ModeBits), ref status);
        }

        if (wanted.Has(SftpAttributes.TimesFlag))
        {
            var times = stackalloc long[] { wanted.Accessed, 0, wanted.Modified, 0 };
            Note(SftpCalls.ChangeTimes(file, times), ref status);
        }

        if (wanted.Has(SftpAttributes.OwnerFlag))
        {
            Note(SftpCalls.ChangeOwner(file, wanted.Uid, wanted.Gid), ref status);
        }

        replies.Status(id, status);
        return true;
    }

    public bool FileSystem(ref SftpReader reader, uint id)
    {
        var file = handles.File(reader.Handle(), out _);
        if (reader.IsBad)
        {
            return false;
        }

        SftpCalls.FileSystemStatus status;
        if (file < 0)
        {
            replies.Status(id, SftpStatus.Failure);
        }
        else if (SftpCalls.FileSystem(file, &status) != 0)
        {
            replies.Status(id, SftpStatuses.OfError(SftpCalls.Error));
        }
        else
        {
            SftpPathRequests.Reply(replies, id, status);
        }

        return true;
    }

    public bool Flush(ref SftpReader reader, uint id)
    {
        var handle = reader.Handle();
        if (reader.IsBad)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Verbose))
        {
            log.Write(SshdLogLevel.Verbose, $"fsync \"{SftpLog.Show(handles.Name(handle))}\"");
        }

        var file = handles.File(handle, out _);
        replies.Status(id, file < 0 ? SftpStatus.NoSuchFile : SftpStatuses.OfResult(SftpCalls.Flush(file)));
        return true;
    }

    /// <summary>copy-data: from one open file to another, a length of 0 for all there is.</summary>
    public bool Copy(ref SftpReader reader, uint id)
    {
        var source = reader.Handle();
        var (readAt, length) = ((long)reader.UInt64(), reader.UInt64());
        var target = reader.Handle();
        var writeAt = (long)reader.UInt64();
        if (reader.IsBad)
        {
            return false;
        }

        if (log.Shows(SshdLogLevel.Debug1))
        {
            log.Write(SshdLogLevel.Debug1, $"request {id}: copy-data from \"{SftpLog.Show(handles.Name(source))}\" off {(ulong)readAt} len {length} to \"{SftpLog.Show(handles.Name(target))}\" off {(ulong)writeAt}");
        }

        var (from, to) = (handles.File(source, out _), handles.File(target, out var flags));
        replies.Status(id, source == target || from < 0 || to < 0 || handles.Name(source).SequenceEqual(handles.Name(target))
            ? SftpStatus.Failure
            : Copy((source, from, readAt), (target, to, writeAt), flags, length));
        return true;
    }

    private SftpStatus Copy((int Handle, int File, long Offset) source, (int Handle, int File, long Offset) target, int flags, ulong length)
    {
        const int fromStart = 0;
        if (SftpCalls.Seek(source.File, source.Offset, fromStart) < 0 || ((flags & SftpCalls.Append) == 0 && SftpCalls.Seek(target.File, target.Offset, fromStart) < 0))
        {
            return SftpStatuses.OfError(SftpCalls.Error);
        }

        _copied ??= GC.AllocateUninitializedArray<byte>(CopyPiece, pinned: true);
        var isAll = length == 0;
        fixed (byte* buffer = _copied)
        {
            while (isAll || length > 0)
            {
                // Some files have no end (/dev/zero), and one that is copied to another name of its own grows as it is read.
                if (IsClientGone())
                {
                    return SftpStatus.Failure;
                }

                var count = Pread(source.File, buffer, (int)(isAll ? CopyPiece : Math.Min(length, CopyPiece)), source.Offset);
                if (count <= 0)
                {
                    return count < 0 ? SftpStatuses.OfError(SftpCalls.Error) : isAll ? SftpStatus.Ok : SftpStatus.EndOfFile;
                }

                for (nint written = 0; written < count;)
                {
                    var more = Pwrite(target.File, buffer + written, (int)(count - written), target.Offset, flags);
                    if (more <= 0)
                    {
                        return more < 0 ? SftpStatuses.OfError(SftpCalls.Error) : SftpStatus.Failure;
                    }

                    written += more;
                    target.Offset += more;
                    handles.CountWritten(target.Handle, more);
                }

                handles.CountRead(source.Handle, count);
                source.Offset += count;
                length -= isAll ? 0 : (ulong)count;
            }
        }

        return SftpStatus.Ok;
    }

    private bool IsClientGone()
    {
        var polled = new ProcessCalls.PollRequest { Descriptor = Client };
        return ProcessCalls.Poll(&polled, 1, 0) > 0; // nothing was asked for, so it is POLLERR or POLLHUP
    }

    private void LogClose(int handle, string how)
    {
        if (!log.Shows(SshdLogLevel.Info))
        {
            return;
        }

        var name = SftpLog.Show(handles.Name(handle));
        if (handles.File(handle, out _) >= 0)
        {
            var (read, written) = handles.Bytes(handle);
            log.Write(SshdLogLevel.Info, $"{how}close \"{name}\" bytes read {read} written {written}");
        }
        else
        {
            log.Write(SshdLogLevel.Info, $"{how}closedir \"{name}\"");
        }
    }

    private static nint Pread(int file, byte* room, int length, long offset)
    {
        nint count;
        do
        {
            count = SftpCalls.Read(file, room, (nuint)length, offset);
        }
        while (count < 0 && SftpCalls.Error == SftpCalls.Interrupted);
        return count;
    }

    /// <summary>A file that was opened to append to is written at its end, whatever the offset.</summary>
    private static nint Pwrite(int file, byte* data, int length, long offset, int flags)
    {
        var appends = (flags & SftpCalls.Append) != 0;
        if (!appends && !Reaches(file, offset))
        {
            return -1;
        }

        nint count;
        do
        {
            count = appends ? SftpCalls.Write(file, data, (nuint)length) : SftpCalls.Write(file, data, (nuint)length, offset);
        }
        while (count < 0 && SftpCalls.Error == SftpCalls.Interrupted);
        return count;
    }

    /// <summary>Beyond what a file system can hold it is lseek(2) that says so, with an error of its own; sftp-server asks it each time.</summary>
    private static bool Reaches(int file, long offset) => offset is >= 0 and < FarAway || SftpCalls.Seek(file, offset, 0) >= 0;

    private static void Note(int result, ref SftpStatus status) => status = result == -1 ? SftpStatuses.OfError(SftpCalls.Error) : status;
}
