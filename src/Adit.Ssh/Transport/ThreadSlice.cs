using System.Runtime.InteropServices;

namespace Adit.Ssh.Transport;

/// <summary>How long the kernel lets a thread run before another's turn (sched_setattr(2), Linux 6.12 and later; earlier ones take it and do nothing). A thread that asks for less at a time gets it sooner after
/// it was woken, and no more in all.</summary>
internal static unsafe partial class ThreadSlice
{
    /// <summary>The least that the kernel grants.</summary>
    private const ulong Nanoseconds = 100_000;

    /// <summary>SCHED_FLAG_RESET_ON_FORK: a thread or program that is started here has the kernel's usual slice.</summary>
    private const ulong ResetOnFork = 1;

    private const int Other = 0, Batch = 3; // SCHED_OTHER, SCHED_BATCH

    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>Short slices for this thread. Where that is not to be had everything stays as it is.</summary>
    public static void Shorten() => Set(Nanoseconds);

    /// <summary>The kernel's own for this thread.</summary>
    public static void Restore() => Set(0);

    private static void Set(ulong nanoseconds)
    {
        Attributes attributes = default;
        if (Call(IsArm ? 275 : 315, 0, &attributes, (nuint)sizeof(Attributes), 0) != 0) // sched_getattr
            return;
        // ResetOnFork takes a preference away from what is started here (nice below 0): whoever gave it meant it for everything.
        if (attributes.Policy is not (Other or Batch) || attributes.Nice < 0)
            return;
        attributes.Size = (uint)sizeof(Attributes);
        attributes.Flags |= ResetOnFork;
        attributes.Runtime = nanoseconds;
        _ = Call(IsArm ? 274 : 314, 0, &attributes, 0, 0); // sched_setattr
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint Call(nint number, nint thread, Attributes* attributes, nuint third, nuint fourth);

    /// <summary>struct sched_attr, its first version.</summary>
    private struct Attributes
    {
        public uint Size;
        public uint Policy;
        public ulong Flags;
        public int Nice;
        public uint Priority;
        public ulong Runtime;
        public ulong Deadline;
        public ulong Period;
    }
}
