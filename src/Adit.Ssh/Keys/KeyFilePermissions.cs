using System.Globalization;
using System.Runtime.InteropServices;

namespace Adit.Ssh.Keys;

/// <summary>A private key that others may read is not used (OpenSSH's rule: group and others have no rights on a file that is our own).</summary>
internal static partial class KeyFilePermissions
{
    private const UnixFileMode OthersRights =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute |
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Throws <see cref="SshException"/> (<see cref="SshError.FileAccess"/>) when the file is too open.</summary>
    public static void Check(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var mode = File.GetUnixFileMode(path);
        if ((mode & OthersRights) == 0 || IsSomebodyElses(path))
            return;
        string octal = Convert.ToString((int)mode & 0x1ff, 8).PadLeft(3, '0');
        const string frame = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@";
        throw new SshException(SshError.FileAccess, string.Create(CultureInfo.InvariantCulture,
            $"""
            {frame}
            @         WARNING: UNPROTECTED PRIVATE KEY FILE!          @
            {frame}
            Permissions 0{octal} for '{path}' are too open.
            It is required that your private key files are NOT accessible by others.
            This private key will be ignored.
            Load key "{path}": bad permissions
            """))
        {
            Hint = $"Take the others' rights away with: chmod 600 '{path}'",
        };
    }

    /// <summary>False where that cannot be found out: the stricter answer.</summary>
    private static bool IsSomebodyElses(string path)
    {
        if (!OperatingSystem.IsLinux())
            return false;
        try
        {
            return statx(CurrentFolder, path, 0, OwnerWanted, out var status) == 0
                && (status.Mask & OwnerWanted) != 0
                && status.Owner != getuid();
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
    }

    /// <summary>AT_FDCWD</summary>
    private const int CurrentFolder = -100;

    /// <summary>STATX_UID</summary>
    private const uint OwnerWanted = 8;

    /// <summary>struct statx, as far as it is looked at; the same on every Linux architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileStatus
    {
        [FieldOffset(0)]
        public uint Mask;

        [FieldOffset(20)]
        public uint Owner;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, out FileStatus status);

    [LibraryImport("libc")]
    private static partial uint getuid();
}
