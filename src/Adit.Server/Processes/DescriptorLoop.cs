using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>One thread that waits for the pipes, terminals and programs of all sessions of the process (epoll). A descriptor is watched for one event at a time; what is called
/// then must be short.</summary>
internal sealed unsafe class DescriptorLoop
{
    public const uint Readable = 1, Writable = 4, Error = 8, HangUp = 0x10;

    private const uint OneShot = 1u << 30;
    private const int Add = 1, Delete = 2, Modify = 3;
    private const int MaxEvents = 128;

    private static readonly Lazy<DescriptorLoop> Instance = new(() => new DescriptorLoop());

    // The kernel packs the structure on x64 only.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventSize - 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<long, PolledDescriptor> _watched = [];
    private readonly int _epoll;
    private long _last;

    private DescriptorLoop()
    {
        _epoll = ProcessCalls.CreateEpoll(ProcessCalls.OpenCloseOnExec);
        if (_epoll < 0)
        {
            throw new SshException(SshError.ResourceLimit, $"epoll_create: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}");
        }

        new Thread(Run) { IsBackground = true, Name = "Session streams" }.UnsafeStart();
    }

    public static DescriptorLoop Shared => Instance.Value;

    /// <summary>Hears of faults of whoever is called. The loop is the process's, so its log is the latest server's.</summary>
    public static ILogger Logger { get; set; } = NullLogger.Instance;

    /// <summary>Descriptors watched now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _watched.Count;
            }
        }
    }

    /// <summary>Watches a descriptor for one event from now on. Errors and hang-ups always count. False when it cannot be watched.</summary>
    internal bool Watch(PolledDescriptor descriptor, uint events)
    {
        var isNew = descriptor.Id == 0;
        if (isNew)
        {
            lock (_lock)
            {
                descriptor.Id = ++_last;
                _watched.Add(descriptor.Id, descriptor);
            }
        }

        return Control(isNew ? Add : Modify, descriptor.Handle, events | OneShot, descriptor.Id);
    }

    internal void Forget(PolledDescriptor descriptor)
    {
        if (descriptor.Id == 0)
        {
            return;
        }

        lock (_lock)
        {
            _watched.Remove(descriptor.Id);
        }

        _ = Control(Delete, descriptor.Handle, 0, 0);
    }

    private bool Control(int operation, SafeFileHandle handle, uint events, long id)
    {
        var change = stackalloc byte[16];
        var span = new Span<byte>(change, 16);
        span.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(span, events);
        BinaryPrimitives.WriteInt64LittleEndian(span[DataOffset..], id);
        return ProcessCalls.ControlEpoll(_epoll, operation, handle, change) == 0;
    }

    private void Run()
    {
        var events = (byte*)NativeMemory.Alloc((nuint)(MaxEvents * EventSize));
        while (true)
        {
            var count = ProcessCalls.WaitEpoll(_epoll, events, MaxEvents, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != ProcessCalls.Interrupted)
            {
                // Somebody closed it from under us. Turning round as fast as possible would help nobody.
                Environment.FailFast($"epoll_wait: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}");
            }

            for (var i = 0; i < count; i++)
            {
                var happened = new ReadOnlySpan<byte>(events + (i * EventSize), EventSize);
                PolledDescriptor? descriptor;
                lock (_lock)
                {
                    _watched.TryGetValue(BinaryPrimitives.ReadInt64LittleEndian(happened[DataOffset..]), out descriptor);
                }

                descriptor?.OnReady(BinaryPrimitives.ReadUInt32LittleEndian(happened));
            }
        }
    }
}

/// <summary>A non-blocking descriptor that the <see cref="DescriptorLoop"/> watches. Its owner calls nothing but <see cref="OnReady"/>'s receiver at the same time as another.</summary>
/// <param name="handle">Closed with <see cref="Close"/>.</param>
/// <param name="ready">Gets the events, on the loop's thread.</param>
internal sealed class PolledDescriptor(SafeFileHandle handle, Action<uint> ready)
{
    private int _closed;

    public SafeFileHandle Handle => handle;

    internal long Id { get; set; }

    /// <summary>Tells of the next event among these, once. One that epoll does not take (a user's share is used up, a file) is waited for by a thread: told at once, its owner would look,
    /// find nothing, and watch again.</summary>
    public void Watch(uint events)
    {
        if (!DescriptorLoop.Shared.Watch(this, events))
        {
            WatchByThread(events);
        }
    }

    /// <summary>Waits with poll(2), looking every second whether this was closed.</summary>
    internal void WatchByThread(uint events) => _ = BlockingWork.RunAsync(
        () =>
        {
            var (isReady, happened) = (false, 0u);
            while (!isReady && Volatile.Read(ref _closed) == 0)
            {
                isReady = Poll(events, out happened);
            }

            OnReady(happened);
            return isReady;
        },
        CancellationToken.None);

    private unsafe bool Poll(uint events, out uint happened)
    {
        const int patience = 1000;
        happened = DescriptorLoop.Error;
        var isHeld = false;
        try
        {
            handle.DangerousAddRef(ref isHeld);
            var request = new ProcessCalls.PollRequest { Descriptor = (int)handle.DangerousGetHandle(), Events = (short)events };
            var count = ProcessCalls.Poll(&request, 1, patience);
            happened = count > 0 ? (ushort)request.Happened : DescriptorLoop.Error;
            return count > 0 || (count < 0 && Marshal.GetLastPInvokeError() != ProcessCalls.Interrupted);
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
        finally
        {
            if (isHeld)
            {
                handle.DangerousRelease();
            }
        }
    }

    /// <summary>Nothing is told from here on.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            DescriptorLoop.Shared.Forget(this);
            handle.Dispose();
        }
    }

    internal void OnReady(uint events)
    {
        if (Volatile.Read(ref _closed) != 0)
        {
            return;
        }

        try
        {
            ready(events);
        }
        catch (Exception fault)
        {
            // One program's trouble: the thread is everybody's.
            DescriptorLoop.Logger.LogError(fault, "the streams of a program failed");
        }
    }
}
