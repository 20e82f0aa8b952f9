using System.Runtime.InteropServices;

namespace Adit.Cli.CommandLine;

/// <summary>Reads a descriptor on a thread of its own, and can stop while nothing comes: bytes that come later are left for whoever shares the descriptor. What awaits a read
/// goes on at once on that thread, since a key that was pressed should wait for no other. One read at a time. What is there already when the first read begins is taken even where it is
/// stopped by then: what a short command leaves of a file or a loop's list must not depend on who was faster, and OpenSSH's client takes it.</summary>
internal sealed partial class DescriptorReader : IDisposable
{
    private const short PollIn = 1;
    private const int SetDescriptorFlags = 2; // F_SETFD
    private const int CloseOnExec = 1; // FD_CLOEXEC

    private readonly int _descriptor;
    private readonly SemaphoreSlim _asked = new(0);
    private readonly int[] _wake = [-1, -1];
    private readonly ManualResetEventSlim _going = new(true);
    private readonly Lock _gate = new();
    private TaskCompletionSource<int>? _read;
    private Memory<byte> _buffer;
    private bool _stopped;
    private bool _ended;
    private bool _hasRead;

    public DescriptorReader(int descriptor)
    {
        _descriptor = descriptor;
        if (!OperatingSystem.IsWindows() && pipe(_wake) == 0)
        {
            _ = fcntl(_wake[0], SetDescriptorFlags, CloseOnExec);
            _ = fcntl(_wake[1], SetDescriptorFlags, CloseOnExec);
        }

        new Thread(Run) { IsBackground = true, Name = $"reads descriptor {descriptor}" }.Start();
    }

    /// <summary>Waits for bytes; 0 at the end, on a failure, and once stopped.</summary>
    public Task<int> ReadAsync(Memory<byte> buffer)
    {
        lock (_gate)
        {
            if (_stopped)
            {
                return Task.FromResult(0);
            }

            _buffer = buffer;
            _read = new TaskCompletionSource<int>();
            _asked.Release();
            return _read.Task;
        }
    }

    /// <summary>The read that waits returns 0, and so do those that follow.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = true;
            Wake();
            _going.Set();
            _asked.Release();
        }
    }

    /// <summary>Leaves what comes from now on to whoever shares the descriptor, until <see cref="Resume"/>; a read that waits goes on waiting. Does nothing where there is no poll(2).</summary>
    public void Pause()
    {
        lock (_gate)
        {
            if (_stopped || _wake[1] < 0)
            {
                return;
            }

            _going.Reset();
            Wake();
        }
    }

    public void Resume() => _going.Set();

    public void Dispose() => Stop();

    private void Wake()
    {
        if (!_ended && _wake[1] >= 0)
        {
            _ = write(_wake[1], 1, 1);
        }
    }

    private void Run()
    {
        while (true)
        {
            _asked.Wait();
            TaskCompletionSource<int>? read;
            lock (_gate)
            {
                (read, _read) = (_read, null);
                if (read is null && _stopped)
                {
                    _ended = true;
                    break;
                }
            }

            var count = IsReadable() ? Descriptor.Read(_descriptor, _buffer.Span) : 0;
            _hasRead = true;
            read?.SetResult(count);
        }

        foreach (var end in _wake.Where(end => end >= 0))
        {
            _ = close(end);
        }
    }

    /// <summary>Waits for input. False once stopped. Where there is no poll(2), or it knows no such descriptor, the read itself has to wait.</summary>
    private bool IsReadable()
    {
        if (_wake[0] < 0)
        {
            return true;
        }

        var waits = new PollDescriptor[] { new() { Descriptor = _descriptor, Events = PollIn }, new() { Descriptor = _wake[0], Events = PollIn } };
        while (true)
        {
            _going.Wait();
            if (poll(waits, (nuint)waits.Length, -1) < 0)
            {
                if (Marshal.GetLastPInvokeError() == Descriptor.Interrupted)
                {
                    continue;
                }

                return true;
            }

            if (waits[1].Returned == 0 || (!_hasRead && waits[0].Returned != 0))
            {
                return true;
            }

            lock (_gate)
            {
                if (_stopped)
                {
                    return false;
                }

                _ = read(_wake[0], out _, 1); // one byte for each pause
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc")]
    private static partial int pipe([Out] int[] descriptors);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial nint write(int descriptor, in byte data, nuint length);

    [LibraryImport("libc")]
    private static partial nint read(int descriptor, out byte data, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll([In, Out] PollDescriptor[] descriptors, nuint count, int timeout);
}
