using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Adit.Cli.Multiplexing;

/// <summary>A descriptor that another process handed over: a terminal, a pipe, a socket, a file. The other process and its children use it too, so its mode stays as it is:
/// a thread waits until it is ready and then reads or writes as much as cannot block. Disposing ends a wait. One call at a time.</summary>
internal sealed partial class PassedDescriptor(int descriptor) : IDisposable
{
    private const int Interrupted = 4;
    private const int WouldBlock = 11;
    private const short PollIn = 1;
    private const short PollOut = 4;

    /// <summary>PIPE_BUF: what a pipe that is ready to be written to has room for.</summary>
    private const int SafeWrite = 4096;

    private readonly BlockingCollection<Action> _work = [];
    private readonly Lock _lock = new();
    private int _wakeReader = -1;
    private int _wakeWriter = -1;
    private bool _isStarted;
    private bool _isDisposed;

    /// <summary>The number of it here.</summary>
    public int Number => descriptor;

    /// <summary>Waits for bytes; 0 at the end, after a failure, and when disposed.</summary>
    public Task<int> ReadAsync(Memory<byte> buffer) => Do(() => Read(buffer.Span), 0);

    /// <summary>Writes all of it, waiting as long as it takes. False when nobody reads any more, and when disposed.</summary>
    public Task<bool> WriteAsync(ReadOnlyMemory<byte> data) => Do(() => Write(data.Span), false);

    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            if (_isStarted)
            {
                // The thread may be waiting: it closes what it uses.
                Close(_wakeWriter);
                _work.CompleteAdding();
                return;
            }
        }

        Close(descriptor);
    }

    public static void Close(int number) => _ = close(number);

    private Task<T> Do<T>(Func<T> call, T ended)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return Task.FromResult(ended);
            }

            if (!_isStarted)
            {
                StartLocked();
            }

            var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            _work.Add(() => done.SetResult(call()));
            return done.Task;
        }
    }

    private unsafe void StartLocked()
    {
        var pair = stackalloc int[2];
        if (pipe2(pair, 0x80000) != 0) // O_CLOEXEC
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }

        (_wakeReader, _wakeWriter, _isStarted) = (pair[0], pair[1], true);
        new Thread(Run, 128 * 1024) { IsBackground = true, Name = $"passed descriptor {descriptor}" }.Start();
    }

    private void Run()
    {
        foreach (var call in _work.GetConsumingEnumerable())
        {
            call();
        }

        Close(_wakeReader);
        Close(descriptor);
    }

    private int Read(Span<byte> buffer)
    {
        while (Wait(PollIn))
        {
            var count = read(descriptor, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
            if (count >= 0)
            {
                return (int)count;
            }

            if (Marshal.GetLastPInvokeError() is not (Interrupted or WouldBlock))
            {
                return 0;
            }
        }

        return 0;
    }

    private bool Write(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            if (!Wait(PollOut))
            {
                return false;
            }

            var count = write(descriptor, ref MemoryMarshal.GetReference(data), (nuint)Math.Min(data.Length, SafeWrite));
            if (count >= 0)
            {
                data = data[(int)count..];
            }
            else if (Marshal.GetLastPInvokeError() is not (Interrupted or WouldBlock))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>False when disposed meanwhile.</summary>
    private unsafe bool Wait(short events)
    {
        var waits = stackalloc PollDescriptor[2];
        while (true)
        {
            waits[0] = new() { Descriptor = descriptor, Events = events };
            waits[1] = new() { Descriptor = _wakeReader, Events = PollIn };
            if (poll(waits, 2, -1) >= 0)
            {
                return waits[1].Returned == 0;
            }

            if (Marshal.GetLastPInvokeError() != Interrupted)
            {
                return true; // the call itself will tell
            }
        }
    }

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int pipe2(int* descriptors, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int descriptor, ref byte buffer, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, ref readonly byte data, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
