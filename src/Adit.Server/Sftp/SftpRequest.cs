namespace Adit.Server.Sftp;

/// <summary>What a client may ask for: a message of the protocol's version 3, or an extension.</summary>
/// <param name="Name">As -p, -P and -Q name it.</param>
/// <param name="Type">The message's number; 200 for extensions.</param>
/// <param name="Extension">The extension's name on the wire; null for a message.</param>
/// <param name="Version">The extension's version, as it is announced.</param>
/// <param name="Writes">It changes something: refused by -R.</param>
internal sealed record SftpRequest(string Name, byte Type, string? Extension, string Version, bool Writes)
{
    public const byte Init = 1, Open = 3, Close = 4, Read = 5, Write = 6, LinkStatus = 7, FileStatus = 8, SetStatus = 9, SetFileStatus = 10, OpenFolder = 11, ReadFolder = 12, Remove = 13, MakeFolder = 14,
        RemoveFolder = 15, RealPath = 16, Status = 17, Rename = 18, ReadLink = 19, MakeLink = 20, Extended = 200;

    /// <summary>All of them, in the order of sftp-server's -Q.</summary>
    public static SftpRequest[] All { get; } =
    [
        Message("open", Open), Message("close", Close), Message("read", Read), Message("write", Write, writes: true), Message("lstat", LinkStatus), Message("fstat", FileStatus),
        Message("setstat", SetStatus, writes: true), Message("fsetstat", SetFileStatus, writes: true), Message("opendir", OpenFolder), Message("readdir", ReadFolder), Message("remove", Remove, writes: true),
        Message("mkdir", MakeFolder, writes: true), Message("rmdir", RemoveFolder, writes: true), Message("realpath", RealPath), Message("stat", Status), Message("rename", Rename, writes: true),
        Message("readlink", ReadLink), Message("symlink", MakeLink, writes: true),
        new("posix-rename", Extended, "posix-rename@openssh.com", "1", true),
        new("statvfs", Extended, "statvfs@openssh.com", "2", false),
        new("fstatvfs", Extended, "fstatvfs@openssh.com", "2", false),
        new("hardlink", Extended, "hardlink@openssh.com", "1", true),
        new("fsync", Extended, "fsync@openssh.com", "1", true),
        new("lsetstat", Extended, "lsetstat@openssh.com", "1", true),
        new("limits", Extended, "limits@openssh.com", "1", false),
        new("expand-path", Extended, "expand-path@openssh.com", "1", false),
        new("copy-data", Extended, "copy-data", "1", true),
        new("home-directory", Extended, "home-directory", "1", false),
        new("users-groups-by-id", Extended, "users-groups-by-id@openssh.com", "1", false),
    ];

    /// <summary>Null for a message that there is none of.</summary>
    public static SftpRequest? OfType(byte type)
    {
        foreach (var request in All)
        {
            if (request.Type == type && request.Extension is null)
            {
                return request;
            }
        }

        return null;
    }

    /// <summary>Null for an extension that there is none of.</summary>
    public static SftpRequest? OfExtension(ReadOnlySpan<byte> name)
    {
        foreach (var request in All)
        {
            if (request.Extension is { } extension && System.Text.Ascii.Equals(name, extension))
            {
                return request;
            }
        }

        return null;
    }

    private static SftpRequest Message(string name, byte type, bool writes = false) => new(name, type, null, "", writes);
}

/// <summary>SSH_FX_*: how a request ended.</summary>
internal enum SftpStatus : uint
{
    Ok = 0,
    EndOfFile = 1,
    NoSuchFile = 2,
    PermissionDenied = 3,
    Failure = 4,
    BadMessage = 5,
    Unsupported = 8,
}

internal static class SftpStatuses
{
    /// <summary>As sftp-server translates the system's errors.</summary>
    public static SftpStatus OfError(int error) => error switch
    {
        0 => SftpStatus.Ok,
        SftpCalls.NoEntry or SftpCalls.NotFolder or SftpCalls.BadDescriptor or SftpCalls.TooManyLinks => SftpStatus.NoSuchFile,
        SftpCalls.NotPermitted or SftpCalls.AccessDenied or SftpCalls.BadAddress => SftpStatus.PermissionDenied,
        SftpCalls.NameTooLong or SftpCalls.Invalid => SftpStatus.BadMessage,
        SftpCalls.NoSuchCall => SftpStatus.Unsupported,
        _ => SftpStatus.Failure,
    };

    /// <summary>Of a call that returned <paramref name="result"/>.</summary>
    public static SftpStatus OfResult(nint result) => result == -1 ? OfError(SftpCalls.Error) : SftpStatus.Ok;

    public static string Text(SftpStatus status) => status switch
    {
        SftpStatus.Ok => "Success",
        SftpStatus.EndOfFile => "End of file",
        SftpStatus.NoSuchFile => "No such file",
        SftpStatus.PermissionDenied => "Permission denied",
        SftpStatus.Failure => "Failure",
        SftpStatus.BadMessage => "Bad message",
        _ => "Operation unsupported",
    };
}
