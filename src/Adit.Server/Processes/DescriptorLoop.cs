using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Adit.Ssh;
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

    /// <summary>Tells of the next event among these, once. A descriptor that cannot be watched is told to be ready: reading or writing it shows what is wrong.</summary>
    public void Watch(uint events)
    {
        if (!DescriptorLoop.Shared.Watch(this, events))
        {
            ThreadPool.UnsafeQueueUserWorkItem(static self => self.OnReady(DescriptorLoop.Error), this, preferLocal: false);
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
        if (Volatile.Read(ref _closed) == 0)
        {
            ready(events);
        }
    }
}
