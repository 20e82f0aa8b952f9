using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Adit.Ssh.Transport;

/// <summary>Waits until a non-blocking socket can be read or written. One waiter for each; it goes on right on the thread that saw the event, so what it does next is bounded
/// (<see cref="ThreadTurn"/>). Waits may end early: whoever waits tries, and waits again. Close the socket by <see cref="CloseSocket"/>, which ends all waits.</summary>
internal sealed class SocketReadiness
{
    private readonly Socket? _socket;
    private readonly SafeHandle _handle;
    private readonly AsyncSignal _readable = new();
    private AsyncSignal? _writable; // few sockets are ever full
    private int _descriptor = -1;
    private uint _watched; // what somebody waits for; the kernel may be set to more or, for a moment, to less
    private volatile bool _closed;
    private ReceiveModeration? _moderation; // few sockets are busy

    public SocketReadiness(Socket socket) => (_socket, _handle) = (socket, socket.SafeHandle);

    /// <summary>For a device that is read without blocking and can be watched like a socket. Only where <see cref="SocketPoller.IsSupported"/>; the device is read and written by its owner.</summary>
    public SocketReadiness(SafeHandle device) => _handle = device;

    /// <summary>Completes when a receive has something to say, or the socket was closed. Throws <see cref="SocketException"/> and <see cref="ObjectDisposedException"/>
    /// where it would.</summary>
    public ValueTask WaitReadableAsync()
    {
        if (!SocketPoller.IsSupported)
            return Wait(_socket!);
        if (_moderation is { } moderation && _descriptor >= 0)
            moderation.BeforeWait(_descriptor);
        Watch(SocketPoller.Readable);
        return _readable.WaitAsync(mayInline: true);

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        static async ValueTask Wait(Socket socket) => await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
    }

    /// <summary>The reader received so much: what waits are judged by.</summary>
    public void Received(int count)
    {
        if (_moderation is { } moderation)
            moderation.Received(count);
        else if (count >= ModerationPolicy.Much && SocketPoller.IsSupported && _socket!.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
            _moderation = new ReceiveModeration(_socket);
    }

    /// <summary>Sends what goes and returns the count; where nothing does, waits for room and returns 0. Throws as the socket does.</summary>
    public ValueTask<int> SendAsync(ReadOnlyMemory<byte> data)
    {
        if (!SocketPoller.IsSupported)
            return _socket!.SendAsync(data, SocketFlags.None);
        int count = TrySend(data.Span);
        if (count > 0 || data.IsEmpty)
            return new ValueTask<int>(count);
        return WatchWritable().WaitForNothingAsync(mayInline: true);
    }

    /// <summary>Connects without .NET's engine, which would watch the socket from then on until it is closed. Throws <see cref="SocketException"/> as the socket does, and
    /// <see cref="OperationCanceledException"/> with the socket closed.</summary>
    public static async ValueTask ConnectAsync(Socket socket, EndPoint endPoint, CancellationToken cancellationToken)
    {
        if (!SocketPoller.IsSupported)
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return;
        }
        cancellationToken.ThrowIfCancellationRequested();
        socket.Blocking = false;
        if (SocketCalls.BeginConnect(socket, endPoint))
            return;
        var readiness = new SocketReadiness(socket);
        using (cancellationToken.UnsafeRegister(static self => ((SocketReadiness)self!).CloseSocket(), readiness))
        {
            await readiness.WatchWritable().WaitAsync(mayInline: true).ConfigureAwait(false);
        }
        cancellationToken.ThrowIfCancellationRequested();
        SocketCalls.Finish(socket);
    }

    /// <summary>Ends the wait for something to read, now or the next one: whoever waits has something else to look at.</summary>
    public void WakeReader() => _readable.Set();

    /// <summary>Closes the socket, or the device; who waits for it finds that out.</summary>
    public void CloseSocket()
    {
        if (_socket is { } socket)
            socket.Dispose();
        else
            _handle.Dispose();
        _closed = true;
        _moderation?.Close();
        if (Volatile.Read(ref _descriptor) is >= 0 and var descriptor)
            SocketPoller.Forget(this, descriptor);
        _readable.Set();
        Volatile.Read(ref _writable)?.Set();
    }

    /// <summary>On a thread of the poller.</summary>
    internal void OnEvents(uint events)
    {
        if (_closed)
            return;
        uint fired = (events & SocketPoller.Failed) != 0 ? SocketPoller.Readable | SocketPoller.Writable : events;
        uint before = Interlocked.And(ref _watched, ~fired);
        fired &= before;
        // Every event ends the watch for all: what is still waited for begins anew.
        if ((before & ~fired) != 0)
            TryArm();
        // The one that may go on right here comes last.
        if ((fired & SocketPoller.Writable) != 0)
            _writable!.Set(inline: (fired & SocketPoller.Readable) == 0);
        if ((fired & SocketPoller.Readable) != 0)
            _readable.Set(inline: true);
    }

    /// <summary>For tests.</summary>
    internal void Moderate(ReceiveModeration moderation) => _moderation = moderation;

    /// <summary>On a thread of the poller: the wait has been long enough.</summary>
    internal void OnTimer()
    {
        if (_closed || (Interlocked.And(ref _watched, ~SocketPoller.Readable) & SocketPoller.Readable) == 0)
            return; // that wait is over
        _moderation?.EndWait();
        _readable.Set(inline: true);
    }

    private AsyncSignal WatchWritable()
    {
        var writable = Volatile.Read(ref _writable);
        if (writable is null)
        {
            var made = new AsyncSignal();
            writable = Interlocked.CompareExchange(ref _writable, made, null) ?? made;
        }
        Watch(SocketPoller.Writable);
        return writable;
    }

    private int TrySend(ReadOnlySpan<byte> data)
    {
        int count = _socket!.Send(data, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => 0,
            _ => throw new SocketException((int)error),
        };
    }

    private void Watch(uint what)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if ((Interlocked.Or(ref _watched, what) & what) == 0)
            Arm();
    }

    private void TryArm()
    {
        try
        {
            Arm();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Whoever waits finds out by waiting again.
            _readable.Set();
            Volatile.Read(ref _writable)?.Set();
        }
    }

    /// <summary>Has the kernel watch what is waited for. Two threads may do so at once, one for each direction: whoever finds that it told an old state tells it again. No lock is
    /// held over the call, for the event may come on another thread before it returns. The handle is held meanwhile, so that its number is not another's.</summary>
    private void Arm()
    {
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
            bool isNew = _descriptor < 0;
            int descriptor = (int)_handle.DangerousGetHandle();
            Volatile.Write(ref _descriptor, descriptor);
            uint told = 0;
            for (uint watched = Volatile.Read(ref _watched); (watched & ~told) != 0; watched = Volatile.Read(ref _watched))
            {
                SocketPoller.Watch(this, descriptor, told = watched, isNew);
                isNew = false;
            }
        }
        finally
        {
            if (held)
                _handle.DangerousRelease();
        }
    }
}
