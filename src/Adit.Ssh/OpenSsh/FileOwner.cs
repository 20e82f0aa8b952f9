using System.Runtime.InteropServices;

namespace Adit.Ssh.OpenSsh;

/// <summary>Who owns a file.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint OwnerWanted = 8; // STATX_UID

    /// <summary>getuid(2); 0 on Windows.</summary>
    public static uint CurrentUser => OperatingSystem.IsWindows() ? 0 : GetUserId();

    /// <summary>True when the file is root's or the current user's and nobody else may write to it. Where the owner cannot be found out only the mode counts.</summary>
    public static bool IsTrusted(string path)
    {
        if (OperatingSystem.IsWindows())
            return true;
        if ((File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            return false;
        return !OperatingSystem.IsLinux() || Statx(CurrentFolder, path, 0, OwnerWanted, out var status) != 0
            || (status.Mask & OwnerWanted) == 0 || status.Owner == 0 || status.Owner == CurrentUser;
    }

    [LibraryImport("libc", EntryPoint = "getuid")]
    private static partial uint GetUserId();

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint wanted, out Status status);

    /// <summary>struct statx: only what is looked at is named.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(0)]
        public uint Mask;

        [FieldOffset(20)]
        public uint Owner;
    }
}
