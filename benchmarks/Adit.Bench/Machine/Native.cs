using System.Runtime.InteropServices;

namespace Adit.Bench.Machine;

/// <summary>The few system calls that .NET does not offer.</summary>
internal static partial class Native
{
    public const int SigTerm = 15;
    private const int ClockTicks = 2; // _SC_CLK_TCK

    /// <summary>Clock ticks per second, the unit of times in /proc/PID/stat.</summary>
    public static long TicksPerSecond { get; } = SysConf(ClockTicks);

    public static void Kill(int id, int signal) => _ = KillProcess(id, signal);

    /// <summary>Sleeps to within some 60 µs, where the runtime's own sleep counts in whole milliseconds.</summary>
    public static void Sleep(TimeSpan time)
    {
        if (time <= TimeSpan.Zero)
            return;
        var wanted = new TimeSpec { Seconds = (nint)time.TotalSeconds, Nanoseconds = (nint)(time.Ticks % TimeSpan.TicksPerSecond * 100) };
        _ = NanoSleep(in wanted, 0);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int KillProcess(int id, int signal);

    [LibraryImport("libc", EntryPoint = "sysconf")]
    private static partial nint SysConf(int name);

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int NanoSleep(in TimeSpec wanted, nint remaining);

    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
