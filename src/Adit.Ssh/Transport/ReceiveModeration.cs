using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Adit.Ssh.Transport;

/// <summary>Wakes the reader of a busy TCP socket for a good deal of data rather than for each piece, as network cards do with interrupts: while much comes fast the kernel reports the
/// socket only when as much is there as <see cref="ModerationPolicy"/> says (SO_RCVLOWAT, socket(7)), and a timer ends the wait if that takes too long. A wake-up costs more
/// than the work for the few bytes it may bring. Linux; one reader; made when a socket first receives much at once.</summary>
/// <param name="socket">The socket.</param>
/// <param name="policy">Another than its own, for tests.</param>
/// <param name="clock">And the time in nanoseconds.</param>
internal sealed partial class ReceiveModeration(Socket socket, ModerationPolicy? policy = null, Func<long>? clock = null)
{
    private const int SocketLevel = 1;
    private const int ReceiveLowWater = 18; // SO_RCVLOWAT

    private readonly ModerationPolicy _policy = policy ?? new(Now());
    private SafeFileHandle? _timer;
    private int _lowWater = 1;
    private volatile bool _timeIsUp;

    public void Received(int count) => _policy.Received(count);

    /// <summary>The reader is about to wait. Throws <see cref="SocketException"/> and <see cref="ObjectDisposedException"/>.</summary>
    /// <param name="descriptor">The socket's, which <see cref="SocketPoller"/> knows.</param>
    public void BeforeWait(int descriptor)
    {
        bool wasLate = _timeIsUp;
        _timeIsUp = false;
        int lowWater = _policy.NextWait(clock is null ? Now() : clock(), wasLate);
        if (lowWater > 1 && !TryStartTimer(descriptor))
            lowWater = 1; // there would be no end to the wait
        if (lowWater == _lowWater)
            return;
        socket.SetRawSocketOption(SocketLevel, ReceiveLowWater, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in lowWater)));
        _lowWater = lowWater;
    }

    /// <summary>On a thread of the poller: the time is up for a wait that is still on.</summary>
    public void EndWait() => _timeIsUp = true;

    /// <summary>The socket is closed.</summary>
    public void Close() => _timer?.Dispose();

    private static long Now() => (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    /// <summary>Starts it anew: what is left of the last wait's is forgotten. False where the process may have no more descriptors.</summary>
    private bool TryStartTimer(int descriptor)
    {
        _timer ??= SocketPoller.TryMakeTimer(descriptor);
        var setting = new TimerSetting { Nanoseconds = ModerationPolicy.Patience };
        return _timer is not null && timerfd_settime(_timer, 0, in setting, 0) == 0;
    }

    /// <summary>struct itimerspec: the period, which is none, and the time from now.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TimerSetting
    {
        public long PeriodSeconds;
        public long PeriodNanoseconds;
        public long Seconds;
        public long Nanoseconds;
    }

    [LibraryImport("libc")]
    private static partial int timerfd_settime(SafeFileHandle timer, int flags, in TimerSetting setting, nint old);
}
