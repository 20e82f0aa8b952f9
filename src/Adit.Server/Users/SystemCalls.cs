using System.Runtime.InteropServices;

namespace Adit.Server.Users;

/// <summary>Linux's system calls by number, and the C library's function that makes one. Its functions for changing identity change that of all threads; the calls
/// themselves change the calling thread alone. Plain fields, so that using them runs no code.</summary>
internal unsafe struct SystemCalls
{
    /// <summary>Null where the numbers are not known.</summary>
    public static readonly SystemCalls? OfThisMachine = OperatingSystem.IsLinux() ? Load(RuntimeInformation.ProcessArchitecture) : null;

    public nint SetGroups, GetGroups, SetResUid, GetResUid, SetResGid, GetResGid, CapGet, CapSet, Unshare, Umask;
    public nint Socket, Connect, Bind, Listen, SetSocketOption, ChangeMode, Unlink, Statx, Close, OpenAt, Ioctl;

    /// <summary>syscall(2): the number and up to five arguments; -1 with the error in <see cref="Error"/>.</summary>
    public delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint> Call;

    /// <summary>Where the calling thread's errno is.</summary>
    public delegate* unmanaged<int*> Error;

    private static SystemCalls? Load(Architecture architecture)
    {
        SystemCalls calls;
        switch (architecture)
        {
            case Architecture.X64:
                calls = new SystemCalls
                {
                    SetGroups = 116,
                    GetGroups = 115,
                    SetResUid = 117,
                    GetResUid = 118,
                    SetResGid = 119,
                    GetResGid = 120,
                    CapGet = 125,
                    CapSet = 126,
                    Unshare = 272,
                    Umask = 95,
                    Socket = 41,
                    Connect = 42,
                    Bind = 49,
                    Listen = 50,
                    SetSocketOption = 54,
                    ChangeMode = 91,
                    Unlink = 263,
                    Statx = 332,
                    Close = 3,
                    OpenAt = 257,
                    Ioctl = 16,
                };
                break;
            case Architecture.Arm64:
                calls = new SystemCalls
                {
                    SetGroups = 159,
                    GetGroups = 158,
                    SetResUid = 147,
                    GetResUid = 148,
                    SetResGid = 149,
                    GetResGid = 150,
                    CapGet = 90,
                    CapSet = 91,
                    Unshare = 97,
                    Umask = 166,
                    Socket = 198,
                    Connect = 203,
                    Bind = 200,
                    Listen = 201,
                    SetSocketOption = 208,
                    ChangeMode = 52,
                    Unlink = 35,
                    Statx = 291,
                    Close = 57,
                    OpenAt = 56,
                    Ioctl = 29,
                };
                break;
            default:
                return null;
        }

        if (!NativeLibrary.TryLoad("libc", out var library)
            || !NativeLibrary.TryGetExport(library, "syscall", out var call) || !NativeLibrary.TryGetExport(library, "__errno_location", out var error))
        {
            return null;
        }

        calls.Call = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)call;
        calls.Error = (delegate* unmanaged<int*>)error;
        return calls;
    }
}
