using System.Runtime.InteropServices;
using Adit.Server.Users;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>fcntl(2)'s lock on a whole file, of the kind that belongs to the open file and not to the process: it stands against those of other processes of either kind, and against this process's
/// own. It goes when the file is closed.</summary>
internal static unsafe partial class FileLock
{
    private const int TryOpenFileLock = 37; // F_OFD_SETLK
    private const short Shared = 0, Exclusive = 1; // F_RDLCK, F_WRLCK

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Locks it for writing. Anybody who may read the file can hold a lock for as long as they like, so this tries for <paramref name="limit"/>, on the calling thread, and no longer: the
    /// system's own waiting can be ended by a signal alone.</summary>
    /// <returns>False when others held one all the time, or the file has none.</returns>
    public static bool TryTake(SafeFileHandle file, TimeSpan limit)
    {
        var end = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        while (!TryOnce(file, Exclusive))
        {
            if (Marshal.GetLastPInvokeError() is not (ProcessCalls.TryAgain or LibC.PermissionDenied or ProcessCalls.Interrupted) || Environment.TickCount64 >= end)
            {
                return false;
            }

            Thread.Sleep(Pause);
        }

        return true;
    }

    /// <summary>Locks it against writers, as any reader can. False when a writer has it.</summary>
    public static bool TryShare(SafeFileHandle file) => TryOnce(file, Shared);

    private static bool TryOnce(SafeFileHandle file, short kind)
    {
        var request = new Request { Kind = kind };
        return Control(file, TryOpenFileLock, &request) == 0;
    }

    /// <summary>struct flock with 64-bit offsets; all zero but the kind: from the file's start (SEEK_SET) to whatever its end becomes, and no process.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 32)]
    private struct Request
    {
        [FieldOffset(0)] public short Kind;
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, Request* request);
}
