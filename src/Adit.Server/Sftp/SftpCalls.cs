using System.Runtime.InteropServices;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>The C library's calls for files, with names as bytes that end with NUL and plain descriptors: none of them allocates. Numbers and layouts are those of 64-bit Linux, alike on x64 and arm64.</summary>
internal static unsafe partial class SftpCalls
{
    public const int ReadOnly = 0, WriteOnly = 1, ReadWrite = 2, AccessMode = 3, Create = 0x40, Exclusive = 0x80, NoControllingTerminal = 0x100, Truncate = 0x200, Append = 0x400, CloseOnExec = 0x80000;
    public const int Here = -100, NoFollow = 0x100, EmptyPath = 0x1000;
    public const uint BasicStatus = 0x7ff;
    public const int PathMax = 4096;

    public const int NotPermitted = 1, NoEntry = 2, Interrupted = 4, BadDescriptor = 9, TryAgain = 11, AccessDenied = 13, BadAddress = 14, OtherDevice = 18, NotFolder = 20, Invalid = 22, BrokenPipe = 32,
        NameTooLong = 36, NoSuchCall = 38, TooManyLinks = 40, NotSupported = 95;

    public static int Error => Marshal.GetLastPInvokeError();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true)]
    public static partial int Open(byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int file, byte* data, nuint length);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint Read(int file, byte* buffer, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint Write(int file, byte* data, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Flush(int file);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(int folder, byte* path, int flags, uint mask, LibC.StatxBuffer* result);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true)]
    public static partial int FileSystem(byte* path, FileSystemStatus* result);

    [LibraryImport("libc", EntryPoint = "fstatvfs", SetLastError = true)]
    public static partial int FileSystem(int file, FileSystemStatus* result);

    [LibraryImport("libc", EntryPoint = "truncate", SetLastError = true)]
    public static partial int SetLength(byte* path, long length);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int SetLength(int file, long length);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    public static partial int ChangeMode(int folder, byte* path, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int ChangeMode(int file, uint mode);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int ChangeOwner(int folder, byte* path, uint user, uint group, int flags);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int ChangeOwner(int file, uint user, uint group);

    /// <param name="times">Access and change: seconds and nanoseconds each.</param>
    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static partial int ChangeTimes(int folder, byte* path, long* times, int flags);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    public static partial int ChangeTimes(int file, long* times);

    [LibraryImport("libc", EntryPoint = "opendir", SetLastError = true)]
    public static partial nint OpenFolder(byte* path);

    [LibraryImport("libc", EntryPoint = "closedir", SetLastError = true)]
    public static partial int CloseFolder(nint folder);

    [LibraryImport("libc", EntryPoint = "dirfd", SetLastError = true)]
    public static partial int DescriptorOf(nint folder);

    /// <summary>struct dirent: a name that ends with NUL at <see cref="EntryName"/>.</summary>
    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    public static partial byte* ReadFolder(nint folder);

    public const int EntryName = 19;

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true)]
    public static partial int Remove(byte* path);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true)]
    public static partial int MakeFolder(byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true)]
    public static partial int RemoveFolder(byte* path);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true)]
    public static partial int Link(byte* path, byte* other);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true)]
    public static partial int Rename(byte* path, byte* other);

    [LibraryImport("libc", EntryPoint = "symlink", SetLastError = true)]
    public static partial int MakeSymlink(byte* target, byte* path);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    public static partial nint ReadSymlink(byte* path, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "getcwd", SetLastError = true)]
    public static partial byte* WorkingFolder(byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true)]
    public static partial int ChangeFolder(byte* path);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    public static partial int Limit(int resource, ulong* limits);

    /// <summary>struct tm: seconds, minutes, hours, day, month, years since 1900.</summary>
    [LibraryImport("libc", EntryPoint = "localtime_r")]
    public static partial int* LocalTime(long* time, int* result);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetVariable(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "tzset")]
    public static partial void LoadTimeZone();

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int ControlProcess(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc", EntryPoint = "getpwnam_r")]
    public static partial int FindUser(byte* name, LibC.Passwd* entry, byte* buffer, nuint length, LibC.Passwd** result);

    public const uint RegularFile = 0x8000, Symlink = 0xA000;

    /// <summary>struct statvfs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct FileSystemStatus
    {
        public ulong BlockSize, FragmentSize, Blocks, FreeBlocks, AvailableBlocks, Files, FreeFiles, AvailableFiles, Id, Flags, LongestName;
    }
}
