using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Users;

/// <summary>What became of an attempt to read a user's file.</summary>
/// <param name="Content">The bytes, or null when the file was not read.</param>
/// <param name="Problem">Why not, in OpenSSH's words; null for a file that simply does not exist.</param>
internal sealed record UserFileResult(byte[]? Content, string? Problem)
{
    public static UserFileResult Missing { get; } = new(null, null);

    public static UserFileResult Refused(string problem) => new(null, problem);
}

/// <summary>Reads files that decide about a user's rights and that the user may have arranged to mislead us with: links to other people's files, pipes that never
/// end, folders that somebody else can write to.</summary>
internal static unsafe class UserFile
{
    private const ushort TypeMask = 0xF000;
    private const ushort RegularFile = 0x8000;
    private const ushort GroupOrOthersWrite = 0x12; // 022

    /// <summary>Reads a file as <paramref name="account"/> would: root opens it with the account's identity, groups included, and none of root's. What is checked afterwards is the file that was
    /// opened, by its descriptor, so that exchanging it in between gains nothing.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="strict">StrictModes: the file and every folder up to the home folder (or the root) belong to root or the account, and nobody else may write to them.</param>
    /// <param name="limit">A file with more bytes is refused.</param>
    public static UserFileResult Read(string path, UserAccount account, bool strict, int limit)
    {
        if (path.Contains('\0'))
        {
            return UserFileResult.Missing;
        }

        using var handle = OpenAs(account, path, out var error);
        if (handle.IsInvalid)
        {
            return error == LibC.NoEntry ? UserFileResult.Missing : UserFileResult.Refused(Marshal.GetPInvokeErrorMessage(error));
        }

        var descriptor = (int)handle.DangerousGetHandle();
        LibC.StatxBuffer status;
        if (LibC.Statx(descriptor, "", LibC.AtEmptyPath, LibC.StatxBasic, &status) != 0)
        {
            return UserFileResult.Refused(Marshal.GetLastPInvokeErrorMessage());
        }

        if ((status.Mode & TypeMask) != RegularFile)
        {
            return UserFileResult.Refused($"{path} is not a regular file");
        }

        if (strict && CheckModes(descriptor, path, status, account) is { } problem)
        {
            return UserFileResult.Refused($"Authentication refused: {problem}");
        }

        return ReadAll(handle, path, limit);
    }

    /// <summary>Whether <paramref name="account"/> can open a file for reading.</summary>
    public static bool Exists(string path, UserAccount account)
    {
        using var handle = OpenAs(account, path, out _);
        return !handle.IsInvalid;
    }

    private static SafeFileHandle OpenAs(UserAccount account, string path, out int error)
    {
        // O_NONBLOCK: opening a pipe must not wait for its other end.
        const int flags = LibC.OpenReadOnly | LibC.OpenNonBlocking | LibC.OpenNoControllingTerminal | LibC.OpenCloseOnExec;
        if (LibC.GetEffectiveUserId() != 0 || account.Uid == 0)
        {
            return Open(path, flags, out error);
        }

        return SystemCalls.OfThisMachine is null || !OperatingSystem.IsLinux() ? OpenWithFileSystemIdentity(account, path, flags, out error) : OpenWithIdentity(account, path, flags, out error);
    }

    /// <summary>By a thread that takes the whole identity for good: root's groups would open what the account may not, and the account's own what it may.</summary>
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    private static SafeFileHandle OpenWithIdentity(UserAccount account, string path, int flags, out int error)
    {
        uint[] groups = [.. new SystemUsers().GroupIds(account).Append(account.Gid).Distinct().Order()];
        var taken = new uint[groups.Length];
        using var native = new Processes.NativeStrings([path]);
        var call = new UnixSocketCall
        {
            File = native.First,
            OpenFlags = flags,
            TakesIdentity = true,
            Uid = account.Uid,
            Gid = account.Gid,
            GroupCount = groups.Length,
        };
        fixed (uint* pointer = groups, takenPointer = taken)
        {
            call.Groups = pointer;
            call.GroupsTaken = takenPointer;
            call.RunAndWait();
        }

        error = call.Step == UnixSocketStep.Done ? 0 : call.Step == UnixSocketStep.File ? call.Error : LibC.PermissionDenied;
        return new SafeFileHandle(error == 0 ? call.Descriptor : -1, ownsHandle: true);
    }

    /// <summary>Where no thread can take one. A server that is a program of its own has given root's groups up (<see cref="Processes.ProcessSetup"/>).</summary>
    private static SafeFileHandle OpenWithFileSystemIdentity(UserAccount account, string path, int flags, out int error)
    {
        // Both calls change this thread only; no await may come in between. They return what was set before, and report no failure otherwise.
        var ownGroup = LibC.SetFileSystemGroup(account.Gid);
        var ownUser = LibC.SetFileSystemUser(account.Uid);
        try
        {
            if (!IsFileSystemUser(account.Uid))
            {
                error = LibC.PermissionDenied;
                return new SafeFileHandle(-1, ownsHandle: false);
            }

            return Open(path, flags, out error);
        }
        finally
        {
            _ = LibC.SetFileSystemUser((uint)ownUser);
            _ = LibC.SetFileSystemGroup((uint)ownGroup);
            if (!IsFileSystemUser((uint)ownUser))
            {
                Environment.FailFast("setfsuid: the thread's own identity could not be restored");
            }
        }
    }

    /// <summary>An impossible id changes nothing and returns the one that is set.</summary>
    private static bool IsFileSystemUser(uint id) => (uint)LibC.SetFileSystemUser(uint.MaxValue) == id;

    private static SafeFileHandle Open(string path, int flags, out int error)
    {
        var descriptor = LibC.Open(path, flags);
        error = descriptor < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Null when all is well, else what is wrong.</summary>
    private static string? CheckModes(int descriptor, string path, in LibC.StatxBuffer opened, UserAccount account)
    {
        // The name under which the kernel knows the open file: no link is left in it.
        if (new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget is not { } real || !real.StartsWith('/'))
        {
            return $"cannot find out where {path} is";
        }

        LibC.StatxBuffer status;
        if (LibC.Statx(LibC.AtCurrentDirectory, real, LibC.AtNoFollow, LibC.StatxBasic, &status) != 0
            || (status.Inode, status.DeviceMajor, status.DeviceMinor) != (opened.Inode, opened.DeviceMajor, opened.DeviceMinor))
        {
            return $"{path} was moved while it was read";
        }

        if (!IsSafe(opened, account))
        {
            return $"bad ownership or modes for file {real}";
        }

        var home = RealPath(account.HomeDirectory);
        for (var folder = Path.GetDirectoryName(real); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (LibC.Statx(LibC.AtCurrentDirectory, folder, LibC.AtNoFollow, LibC.StatxBasic, &status) != 0 || !IsSafe(status, account))
            {
                return $"bad ownership or modes for directory {folder}";
            }

            if (folder == home)
            {
                break;
            }
        }

        return null;
    }

    private static bool IsSafe(in LibC.StatxBuffer status, UserAccount account) =>
        (status.Uid == 0 || status.Uid == account.Uid) && (status.Mode & GroupOrOthersWrite) == 0;

    /// <summary>The path without links, or null when it does not exist.</summary>
    internal static string? RealPath(string path)
    {
        const int pathOnly = 0x200000; // O_PATH
        using var handle = new SafeFileHandle(LibC.Open(path, pathOnly | LibC.OpenCloseOnExec), ownsHandle: true);
        return handle.IsInvalid ? null : new FileInfo($"/proc/self/fd/{handle.DangerousGetHandle()}").LinkTarget;
    }

    private static UserFileResult ReadAll(SafeFileHandle handle, string path, int limit)
    {
        try
        {
            var content = new MemoryStream();
            var buffer = new byte[8 * 1024];
            for (int read; (read = RandomAccess.Read(handle, buffer, content.Length)) > 0;)
            {
                if (content.Length + read > limit)
                {
                    return UserFileResult.Refused($"{path} is larger than {limit} bytes");
                }

                content.Write(buffer, 0, read);
            }

            return new UserFileResult(content.ToArray(), null);
        }
        catch (IOException error)
        {
            return UserFileResult.Refused(error.Message);
        }
    }
}
