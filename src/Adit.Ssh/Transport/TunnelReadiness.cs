using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Transport;

/// <summary>Waits until a tunnel device can be read. One waiter, who goes on on the thread that saw the event. Close the device by <see cref="Close"/>, which ends the wait.</summary>
internal sealed class TunnelReadiness(SafeFileHandle handle) : IPolled
{
    private readonly AsyncSignal _readable = new();
    private int _descriptor = -1;
    private volatile bool _closed;

    /// <summary>Completes when there is something to read, or the device was closed. Throws <see cref="SocketException"/> where the kernel cannot watch it, and <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask WaitReadableAsync()
    {
        if (!SocketPoller.IsSupported)
            throw new SocketException((int)SocketError.OperationNotSupported);
        bool held = false;
        try
        {
            handle.DangerousAddRef(ref held);
            int descriptor = (int)handle.DangerousGetHandle();
            bool isNew = _descriptor < 0;
            Volatile.Write(ref _descriptor, descriptor);
            SocketPoller.Watch(this, descriptor, SocketPoller.Readable, isNew);
        }
        finally
        {
            if (held)
                handle.DangerousRelease();
        }
        if (_closed)
            _readable.Set(); // by whoever did not see the descriptor yet
        return _readable.WaitAsync(mayInline: true);
    }

    /// <summary>Nobody wants the device any more.</summary>
    public bool IsOver => _closed;

    /// <summary>Ends the wait and all that follow; whoever waited closes the device.</summary>
    public void End()
    {
        _closed = true;
        _readable.Set();
    }

    /// <summary>Closes the device. From any thread, any number of times.</summary>
    public void Close()
    {
        handle.Dispose();
        _closed = true;
        if (Volatile.Read(ref _descriptor) is >= 0 and var descriptor)
            SocketPoller.Forget(this, descriptor);
        _readable.Set();
    }

    void IPolled.OnEvents(uint events) => _readable.Set(inline: true);

    void IPolled.OnTimer()
    {
    }
}
