using System.Runtime.InteropServices;

namespace Adit.Server.Users;

/// <summary>What tells one state of a file from another without reading it: which file it is, its size, and when its content and its modes last changed.</summary>
/// <param name="Error">errno where it could not be looked at; a file that is not there has a state too.</param>
internal readonly record struct FileStamp(int Error, ulong Inode, uint DeviceMajor, uint DeviceMinor, ulong Size, ushort Mode, long ModifiedSeconds, uint ModifiedNanoseconds, long ChangedSeconds, uint ChangedNanoseconds)
{
    public static unsafe FileStamp Of(string path)
    {
        LibC.StatxBuffer status;
        return !path.StartsWith('/') || path.Contains('\0') ? default(FileStamp) with { Error = LibC.NoEntry }
            : LibC.Statx(LibC.AtCurrentDirectory, path, 0, LibC.StatxBasic, &status) != 0 ? default(FileStamp) with { Error = Marshal.GetLastPInvokeError() }
            : new FileStamp(0, status.Inode, status.DeviceMajor, status.DeviceMinor, status.Size, status.Mode,
                status.ModifiedSeconds, status.ModifiedNanoseconds, status.ChangedSeconds, status.ChangedNanoseconds);
    }
}
