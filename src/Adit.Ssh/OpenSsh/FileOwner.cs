using System.Globalization;
using System.Runtime.InteropServices;

namespace Adit.Ssh.OpenSsh;

/// <summary>Who owns a file.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const uint OwnerWanted = 8; // STATX_UID
    private const uint GroupWanted = 16; // STATX_GID

    /// <summary>getuid(2); 0 on Windows.</summary>
    public static uint CurrentUser => OperatingSystem.IsWindows() ? 0 : GetUserId();

    /// <summary>True when the file is root's or the current user's and nobody else may write to it. As in Debian's OpenSSH, a group that is the user's alone counts as nobody
    /// else: there, files are made for it. Where the owner cannot be found out only the mode counts.</summary>
    public static bool IsTrusted(string path)
    {
        if (OperatingSystem.IsWindows())
            return true;
        var mode = File.GetUnixFileMode(path);
        if ((mode & UnixFileMode.OtherWrite) != 0)
            return false;
        bool forGroup = (mode & UnixFileMode.GroupWrite) != 0;
        if (!OperatingSystem.IsLinux() || Statx(CurrentFolder, path, 0, OwnerWanted | GroupWanted, out var status) != 0 || (status.Mask & OwnerWanted) == 0)
            return !forGroup;
        return (status.Owner == 0 || status.Owner == CurrentUser)
            && (!forGroup || ((status.Mask & GroupWanted) != 0 && IsPrivate(status.Group, status.Owner, "/etc/passwd", "/etc/group")));
    }

    /// <summary>True when the group has the user as its only member, by its own line and by those of all users. A group that is not in the files belongs to who knows whom.</summary>
    internal static bool IsPrivate(uint group, uint user, string passwords, string groups)
    {
        try
        {
            // name:password:user:group:… and name:password:group:member,member
            var users = Fields(passwords).Where(fields => fields.Length > 3).ToList();
            string groupText = group.ToString(CultureInfo.InvariantCulture), userText = user.ToString(CultureInfo.InvariantCulture);
            string[] names = [.. users.Where(fields => fields[2] == userText).Select(fields => fields[0])];
            return names.Length > 0 && users.TrueForAll(fields => fields[3] != groupText || fields[2] == userText)
                && Fields(groups).FirstOrDefault(fields => fields.Length > 3 && fields[2] == groupText) is { } line
                && line[3].Split(',', StringSplitOptions.RemoveEmptyEntries).All(names.Contains);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static IEnumerable<string[]> Fields(string file) => File.ReadLines(file).Select(line => line.Split(':'));

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

        [FieldOffset(24)]
        public uint Group;
    }
}
