using System.Runtime.InteropServices;

namespace Adit.Server.Users;

/// <summary>The system's groups by name.</summary>
internal static unsafe partial class SystemGroups
{
    private const int FirstBuffer = 4 * 1024;
    private const int LargestBuffer = 4 * 1024 * 1024;

    /// <summary>The id of a group; null when there is none of that name.</summary>
    public static uint? Find(string name)
    {
        for (var size = FirstBuffer; size <= LargestBuffer; size *= 4)
        {
            var buffer = new byte[size];
            fixed (byte* pointer = buffer)
            {
                LibC.Group entry;
                LibC.Group* result;
                if (FindGroupByName(name, &entry, pointer, (nuint)size, &result) != LibC.RangeTooSmall)
                {
                    return result is null ? null : result->Gid;
                }
            }
        }

        return null;
    }

    [LibraryImport("libc", EntryPoint = "getgrnam_r", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FindGroupByName(string name, LibC.Group* entry, byte* buffer, nuint length, LibC.Group** result);
}
