using System.Runtime.CompilerServices;
using System.Text;

namespace Adit.Server.Users;

/// <summary>What may go wrong with a <see cref="UnixSocketCall"/>, by the step.</summary>
internal enum UnixSocketStep
{
    Done,
    Identity,
    Socket,
    Connect,
    Bind,
    Listen,
    File,
    Control,
}

/// <summary>One Unix socket, or one file, to be opened by a thread that takes a user's identity first and never gives it back.
/// <para>From the moment it takes the identity until it ends, that thread runs nothing but the two methods below: raw system calls, compiled beforehand, without an
/// allocation. A thread that the runtime starts from it (for its pool, its compiler, its collector) would have the user's identity as well, and keep it. It has no
/// way of telling anybody that it is done, either: whoever started it waits for its end.</para></summary>
internal unsafe struct UnixSocketCall
{
    private const int CurrentFolder = -100; // AT_FDCWD
    private const int Interrupted = 4;
    private const int InvalidArgument = 22;
    private const int AddressInUse = 98;
    private const int AttemptsAfterSignals = 100;

    /// <summary>Room for a path in bytes, its terminator included (sun_path).</summary>
    private const int MaxPath = 108;

    /// <summary>User ids that no process has, or next to none; see <see cref="TakeIdentity"/>. The first does not exist in containers whose ids are mapped.</summary>
    private const uint Nobody = uint.MaxValue - 1, OtherNobody = 65534;

    // What to do.

    /// <summary>A file's path, in place of a socket; null for a socket.</summary>
    public byte* File;
    public int OpenFlags;

    /// <summary>The ioctl(2) for the file once it is open, and its argument; 0 for none.</summary>
    public nint Control;
    public byte* ControlArgument;
    public bool IsListener;
    public bool UnlinkFirst;
    public uint Mode;
    public int Backlog;
    public int ConnectSeconds;
    public bool TakesIdentity;
    public uint Uid;
    public uint Gid;
    public uint* Groups;
    public uint* GroupsTaken;
    public int GroupCount;

    // How it went.
    public UnixSocketStep Step;
    public int Error;
    public int Descriptor;
    public uint ModeGiven;
    public bool IsTakenBySocket;

    private bool _isRehearsal;
    private int _addressLength;
    private fixed byte _address[2 + MaxPath];

    /// <summary>False when the path is too long.</summary>
    public bool TrySetPath(string path)
    {
        var length = Encoding.UTF8.GetByteCount(path);
        if (length >= MaxPath)
        {
            return false;
        }

        fixed (byte* address = _address)
        {
            *(ushort*)address = 1; // AF_UNIX
            Encoding.UTF8.GetBytes(path, new Span<byte>(address + 2, length));
            address[2 + length] = 0;
        }

        _addressLength = 2 + length + 1;
        return true;
    }

    /// <summary>Runs it on a thread of its own, to that thread's end. Blocks.</summary>
    public void RunAndWait()
    {
        fixed (UnixSocketCall* self = &this)
        {
            var thread = new Thread(static call => Run((UnixSocketCall*)(nint)call!)) { IsBackground = true, Name = "Unix socket" };
            thread.UnsafeStart((nint)self);
            thread.Join();
        }
    }

    private static void Run(UnixSocketCall* call)
    {
        var system = SystemCalls.OfThisMachine!.Value;
        // Once without effect: all that is going to run is compiled then.
        call->_isRehearsal = true;
        Open(call, &system);
        call->_isRehearsal = false;
        Open(call, &system);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Open(UnixSocketCall* call, SystemCalls* system)
    {
        const int unixFamily = 1, streamCloseOnExec = 1 | 0x80000, socketLevel = 1, sendTimeout = 21;
        const int cloneFileSystem = 0x200, noFollow = 0x100, typeAndMode = 3, allAccess = 0x1FF;
        const int modeOffset = 28, typeMask = 0xF000, socketType = 0xC000, modeMask = 0xFFF;

        if ((call->TakesIdentity || call->_isRehearsal) && !TakeIdentity(call, system))
        {
            return;
        }

        if (call->File != null)
        {
            var opened = system->Call(system->OpenAt, CurrentFolder, (nint)call->File, call->OpenFlags, 0, 0);
            call->Error = opened < 0 ? *system->Error() : 0;
            call->Step = opened < 0 ? UnixSocketStep.File : UnixSocketStep.Done;
            call->Descriptor = (int)opened;
            if (opened >= 0 && call->Control != 0 && system->Call(system->Ioctl, opened, call->Control, (nint)call->ControlArgument, 0, 0) < 0)
            {
                call->Error = *system->Error();
                call->Step = UnixSocketStep.Control;
                _ = system->Call(system->Close, opened, 0, 0, 0, 0);
            }

            return;
        }

        var path = (nint)(call->_address + 2);
        var status = stackalloc byte[256]; // struct statx
        var descriptor = system->Call(system->Socket, unixFamily, streamCloseOnExec, 0, 0, 0);
        if (descriptor < 0)
        {
            call->Step = UnixSocketStep.Socket;
            call->Error = *system->Error();
            return;
        }

        nint result;
        if (!call->IsListener)
        {
            // A listener whose queue is full makes connect(2) wait, for so long.
            var time = stackalloc long[2];
            time[0] = call->ConnectSeconds;
            time[1] = 0;
            _ = system->Call(system->SetSocketOption, descriptor, socketLevel, sendTimeout, (nint)time, 16);
            var attempts = 0;
            do
            {
                result = system->Call(system->Connect, descriptor, (nint)call->_address, call->_addressLength, 0, 0);
                call->Error = result < 0 ? *system->Error() : 0;
            }
            while (result < 0 && call->Error == Interrupted && ++attempts < AttemptsAfterSignals);
            call->Step = UnixSocketStep.Connect;
            time[0] = 0;
            _ = system->Call(system->SetSocketOption, descriptor, socketLevel, sendTimeout, (nint)time, 16);
        }
        else
        {
            if (call->UnlinkFirst && system->Call(system->Statx, CurrentFolder, path, noFollow, typeAndMode, (nint)status) == 0
                && (*(ushort*)(status + modeOffset) & typeMask) == socketType)
            {
                _ = system->Call(system->Unlink, CurrentFolder, path, 0, 0, 0);
            }

            // The file gets the mode of the unbound socket, less the umask. With a umask of the thread's own that is just what was asked for; where the thread may not have
            // one (a container's seccomp filter), it may be less but never more.
            _ = system->Call(system->ChangeMode, descriptor, (nint)call->Mode, 0, 0, 0);
            if (system->Call(system->Unshare, cloneFileSystem, 0, 0, 0, 0) == 0)
            {
                _ = system->Call(system->Umask, (nint)(allAccess & ~call->Mode), 0, 0, 0, 0);
            }

            result = system->Call(system->Bind, descriptor, (nint)call->_address, call->_addressLength, 0, 0);
            call->Error = result < 0 ? *system->Error() : 0;
            call->Step = UnixSocketStep.Bind;
            if (system->Call(system->Statx, CurrentFolder, path, noFollow, typeAndMode, (nint)status) == 0)
            {
                int mode = *(ushort*)(status + modeOffset);
                call->ModeGiven = (uint)(mode & modeMask);
                call->IsTakenBySocket = call->Error == AddressInUse && (mode & typeMask) == socketType;
            }

            if (result == 0)
            {
                result = system->Call(system->Listen, descriptor, call->Backlog, 0, 0, 0);
                call->Error = result < 0 ? *system->Error() : 0;
                call->Step = UnixSocketStep.Listen;
            }
        }

        if (result < 0)
        {
            _ = system->Call(system->Close, descriptor, 0, 0, 0, 0);
            return;
        }

        call->Step = UnixSocketStep.Done;
        call->Descriptor = (int)descriptor;
    }

    /// <summary>Groups, group and user of the calling thread, for good, and no capabilities; then a look whether that is so. The effective ids are the user's: files, the
    /// kernel's notes about who connected or listens (SO_PEERCRED) and everything else go by them. The real and saved user ids are nobody's, because those are what says
    /// who may send signals to a thread: with the user's there, the user could kill this one and the server with it, or change the server's limits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TakeIdentity(UnixSocketCall* call, SystemCalls* system)
    {
        var ids = stackalloc uint[3];
        if (call->_isRehearsal)
        {
            _ = system->Call(system->GetResUid, (nint)ids, (nint)(ids + 1), (nint)(ids + 2), 0, 0);
            _ = *system->Error();
            return false;
        }

        const nint unchanged = -1;
        const int wholeSet = 6;
        var header = stackalloc uint[2];
        header[0] = 0x20080522; // _LINUX_CAPABILITY_VERSION_3
        header[1] = 0; // this thread
        var capabilities = stackalloc uint[wholeSet];
        for (var i = 0; i < wholeSet; i++)
        {
            capabilities[i] = 0;
        }

        nint uid = (nint)call->Uid, gid = (nint)call->Gid;
        call->Step = UnixSocketStep.Identity;
        if (system->Call(system->SetGroups, call->GroupCount, (nint)call->Groups, 0, 0, 0) != 0
            || system->Call(system->SetResGid, gid, gid, gid, 0, 0) != 0)
        {
            call->Error = *system->Error();
            return false;
        }

        var nobody = call->Uid == Nobody ? OtherNobody : Nobody;
        var taken = system->Call(system->SetResUid, (nint)nobody, uid, (nint)nobody, 0, 0);
        if (taken != 0 && *system->Error() == InvalidArgument && call->Uid != OtherNobody)
        {
            nobody = OtherNobody;
            taken = system->Call(system->SetResUid, (nint)nobody, uid, (nint)nobody, 0, 0);
        }

        if (taken != 0 || system->Call(system->CapSet, (nint)header, (nint)capabilities, 0, 0, 0) != 0)
        {
            call->Error = *system->Error();
            return false;
        }

        // From here on nothing is believed. There is no errno for a kernel that did something else than it said.
        call->Error = 0;
        if (system->Call(system->GetResUid, (nint)ids, (nint)(ids + 1), (nint)(ids + 2), 0, 0) != 0 || ids[0] != nobody || ids[1] != call->Uid || ids[2] != nobody
            || system->Call(system->GetResGid, (nint)ids, (nint)(ids + 1), (nint)(ids + 2), 0, 0) != 0 || ids[0] != call->Gid || ids[1] != call->Gid || ids[2] != call->Gid
            || system->Call(system->GetGroups, call->GroupCount, (nint)call->GroupsTaken, 0, 0, 0) != call->GroupCount
            || system->Call(system->CapGet, (nint)header, (nint)capabilities, 0, 0, 0) != 0)
        {
            return false;
        }

        for (var i = 0; i < call->GroupCount; i++)
        {
            if (call->GroupsTaken[i] != call->Groups[i])
            {
                return false;
            }
        }

        for (var i = 0; i < wholeSet; i++)
        {
            if (capabilities[i] != 0)
            {
                return false;
            }
        }

        return system->Call(system->SetResUid, unchanged, 0, unchanged, 0, 0) != 0
            && system->Call(system->SetResUid, 0, 0, 0, 0, 0) != 0
            && (gid == 0 || system->Call(system->SetResGid, unchanged, 0, unchanged, 0, 0) != 0);
    }
}
