using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Transport;

/// <summary>Watches the sockets of the process with a few threads, each with an epoll(7) of its own: a socket's number says which. A socket is watched only while somebody waits for it,
/// and one event is taken at a time: whoever waits goes on right on the thread that took it. With one epoll for all threads a socket that has something again when it is waited for
/// anew would wake another thread, on another processor, just when this one is about to look itself. .NET's own engine wakes a thread for
/// every arrival on every socket, waited for or not, which costs a busy tunnel a sixth of its CPU time.</summary>
internal static unsafe partial class SocketPoller
{
    /// <summary>EPOLLIN.</summary>
    public const uint Readable = 1;

    /// <summary>EPOLLOUT.</summary>
    public const uint Writable = 4;

    /// <summary>EPOLLERR and EPOLLHUP: whoever waits, for whatever, finds out by trying.</summary>
    public const uint Failed = 0x18;

    private const uint OneShot = 1u << 30;
    private const uint EdgeTriggered = 1u << 31;
    private const int Add = 1;
    private const int Modify = 3;
    private const int CloseOnExec = 0x80000;
    private const int MonotonicClock = 1;
    private const int TimerFlags = 0x80800; // TFD_NONBLOCK, TFD_CLOEXEC
    private const int TimerMark = 1; // beside the descriptor in an event's data
    private const int Interrupted = 4;
    private const int StackSize = 256 * 1024;

    /// <summary>Events that may go before a loop that has more to do: they are most often short, and many may wait.</summary>
    private const int EventsBetweenTurns = 4;

    /// <summary>How long after such a loop the threads keep their short slices: these mean more changes of thread for whoever shares the processor.</summary>
    private static readonly long ShortSliceTicks = Stopwatch.Frequency / 4;

    /// <summary>A batch of a fast stream takes a tenth of this, or somewhat more where the thread had to wait for its processor.</summary>
    private static readonly TimeSpan LongBatch = TimeSpan.FromMilliseconds(4);

    /// <summary>struct epoll_event is packed on x64 alone: uint32 events, then 8 bytes of our own at 4 or at 8.</summary>
    private static readonly int DataOffset = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    private static readonly Lock TableLock = new();
    private static readonly int[] Epolls = Start(); // none where there is no epoll
    private static SocketReadiness?[] _byDescriptor = new SocketReadiness?[256];

    private static long _lastBusy = -ShortSliceTicks; // when one of the threads last had such a loop

    [ThreadStatic]
    private static Queue<(Action<object> Work, object State)>? _after; // on threads of the poller only

    [ThreadStatic]
    private static Action? _later; // the same

    [ThreadStatic]
    private static long _begun; // the same: when it began what it is at

    /// <summary>False where epoll(7) is not to be had: then .NET's engine waits.</summary>
    public static bool IsSupported => Epolls.Length > 0;

    /// <summary>Begins to watch, for one event. The descriptor must stay open during the call.</summary>
    /// <param name="socket">Who hears of it.</param>
    /// <param name="descriptor">What to watch.</param>
    /// <param name="interest"><see cref="Readable"/>, <see cref="Writable"/> or both.</param>
    /// <param name="isNew">It was not watched before.</param>
    /// <exception cref="SocketException">The kernel has no room for it.</exception>
    public static void Watch(SocketReadiness socket, int descriptor, uint interest, bool isNew)
    {
        if (isNew)
            Enter(socket, descriptor);
        var value = stackalloc byte[16];
        *(uint*)value = interest | OneShot;
        *(int*)(value + DataOffset) = descriptor;
        *(int*)(value + DataOffset + 4) = 0;
        int epoll = EpollOf(descriptor);
        if (epoll_ctl(epoll, isNew ? Add : Modify, descriptor, value) == 0)
            return;
        // Watched already under the other name of the operation: the same descriptor was closed and opened again.
        if (epoll_ctl(epoll, isNew ? Modify : Add, descriptor, value) != 0)
            throw new SocketException((int)SocketError.NoBufferSpaceAvailable); // /proc/sys/fs/epoll/max_user_watches, or memory
    }

    /// <summary>A timer of timerfd_create(2): each time it runs out, <see cref="SocketReadiness.OnTimer"/> of the socket with this descriptor is called. Null where there is no room for another descriptor.</summary>
    public static SafeFileHandle? TryMakeTimer(int descriptor)
    {
        var timer = new SafeFileHandle(timerfd_create(MonotonicClock, TimerFlags), ownsHandle: true);
        var value = stackalloc byte[16];
        *(uint*)value = Readable | EdgeTriggered;
        *(int*)(value + DataOffset) = descriptor;
        *(int*)(value + DataOffset + 4) = TimerMark;
        if (!timer.IsInvalid && epoll_ctl(EpollOf(descriptor), Add, (int)timer.DangerousGetHandle(), value) == 0)
            return timer;
        timer.Dispose();
        return null;
    }

    /// <summary>The socket is closed; its descriptor may be another's by now.</summary>
    public static void Forget(SocketReadiness socket, int descriptor)
    {
        lock (TableLock)
        {
            if (descriptor < _byDescriptor.Length && _byDescriptor[descriptor] == socket)
                _byDescriptor[descriptor] = null;
        }
    }

    /// <summary>Has this thread do something once it is done with the event that it is at: another loop may have its socket by then, and no thread has to be woken. The pool does what is too much for it.
    /// False on a thread that is not the poller's.</summary>
    /// <param name="work">Must not block, nor throw.</param>
    /// <param name="state">For it.</param>
    public static bool TryRunAfter(Action<object> work, object state)
    {
        if (_after is not { } after)
            return false;
        after.Enqueue((work, state));
        return true;
    }

    /// <summary>Has this thread go on with something once it has looked for other events, so that a loop with much to do stays on it and still lets others in. One such loop for each thread: another's goes to the pool,
    /// where it keeps nobody waiting, and so does one whose batches take long (compression). False for these, and on a thread that is not the poller's.</summary>
    public static bool TryRunLater(Action work)
    {
        if (_after is null || _later is not null || Stopwatch.GetElapsedTime(_begun) > LongBatch)
            return false;
        _later = work;
        return true;
    }

    private static void Enter(SocketReadiness socket, int descriptor)
    {
        lock (TableLock)
        {
            if (descriptor >= _byDescriptor.Length)
                Array.Resize(ref _byDescriptor, Math.Max(descriptor + 1, _byDescriptor.Length * 2));
            _byDescriptor[descriptor] = socket;
        }
    }

    private static int EpollOf(int descriptor) => Epolls[descriptor % Epolls.Length];

    private static int[] Start()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture is not (Architecture.X64 or Architecture.Arm64))
            return [];
        int[] epolls = new int[Math.Clamp(2 * Environment.ProcessorCount, 4, 8)];
        for (int i = 0; i < epolls.Length; i++)
        {
            epolls[i] = epoll_create1(CloseOnExec);
            if (epolls[i] < 0)
                return [];
        }
        foreach (int epoll in epolls)
            new Thread(Run, StackSize) { IsBackground = true, Name = "Adit Sockets" }.UnsafeStart(epoll);
        return epolls;
    }

    private static void Run(object? epoll)
    {
        int descriptor = (int)epoll!;
        var received = stackalloc byte[16];
        int passed = 0;
        bool isShort = false;
        var after = _after = new Queue<(Action<object> Work, object State)>();
        while (true)
        {
            int count = epoll_wait(descriptor, received, 1, _later is null ? -1 : 0);
            _begun = Stopwatch.GetTimestamp();
            if (count > 0)
                Dispatch(*(int*)(received + DataOffset), *(int*)(received + DataOffset + 4) == TimerMark, *(uint*)received);
            else if (count < 0 && Marshal.GetLastPInvokeError() != Interrupted)
                throw new IOException($"epoll_wait: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
            // One piece of work behind each event: more, or what that brings about, would keep everybody's sockets waiting.
            if (after.TryDequeue(out var next))
            {
                GiveToPool(after);
                next.Work(next.State);
                GiveToPool(after);
            }
            SetSlice(ref isShort);
            if (_later is { } later && (count <= 0 || ++passed >= EventsBetweenTurns))
            {
                passed = 0;
                _later = null;
                _begun = Stopwatch.GetTimestamp();
                later();
                GiveToPool(after);
            }
        }
    }

    /// <summary>Short slices for this thread while any of them carries a busy stream: what is waited for beside that may be another's to carry.</summary>
    private static void SetSlice(ref bool isShort)
    {
        // Rarely written: all of them read it.
        if (_later is not null && _begun - Volatile.Read(ref _lastBusy) > ShortSliceTicks / 16)
            Volatile.Write(ref _lastBusy, _begun);
        bool shall = _begun - Volatile.Read(ref _lastBusy) < ShortSliceTicks;
        if (shall == isShort)
            return;
        isShort = shall;
        if (shall)
            ThreadSlice.Shorten();
        else
            ThreadSlice.Restore();
    }

    private static void GiveToPool(Queue<(Action<object> Work, object State)> after)
    {
        while (after.TryDequeue(out var next))
            ThreadPool.UnsafeQueueUserWorkItem(next.Work, next.State, preferLocal: false);
    }

    /// <summary>An event of a descriptor that was closed meanwhile may reach whoever has it now, who then tries in vain and waits again.</summary>
    private static void Dispatch(int descriptor, bool isTimer, uint events)
    {
        var table = Volatile.Read(ref _byDescriptor);
        var socket = descriptor < table.Length ? table[descriptor] : null;
        if (isTimer)
            socket?.OnTimer();
        else
            socket?.OnEvents(events);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(int epoll, int operation, int descriptor, byte* value);

    [LibraryImport("libc")]
    private static partial int timerfd_create(int clock, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epoll, byte* events, int count, int timeout);
}
