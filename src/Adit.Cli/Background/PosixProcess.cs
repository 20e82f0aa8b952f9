using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Adit.Cli.Background;

/// <summary>What starting programs and going into the background need of the system and the runtime does not offer.</summary>
[UnsupportedOSPlatform("windows")]
internal static unsafe partial class PosixProcess
{
    public const int HangUp = 1;
    public const int Terminate = 15;

    /// <summary>SIGWINCH.</summary>
    public const int WindowChange = 28;

    private const int Interrupted = 4; // EINTR
    private const int ReadWrite = 2; // O_RDWR
    private const int SetDescriptorFlags = 2; // F_SETFD
    private const int CloseOnExec = 1; // FD_CLOEXEC
    private const int BrokenPipe = 13; // SIGPIPE
    private const short SetDefaultSignals = 4; // POSIX_SPAWN_SETSIGDEF
    private const short SetSession = 0x80; // POSIX_SPAWN_SETSID of Linux

    /// <summary>More than any system's posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t.</summary>
    private const int OpaqueSize = 1024;

    private static int DuplicateCloseOnExec => OperatingSystem.IsLinux() ? 1030 : OperatingSystem.IsMacOS() ? 67 : 17;

    /// <summary>Starts a program with descriptors that the runtime would not hand over. It has this process's standard streams where they are not among those.</summary>
    /// <param name="path">The file to run.</param>
    /// <param name="arguments">All of argv, without the zero bytes that end them.</param>
    /// <param name="environment">The environment, likewise.</param>
    /// <param name="descriptors">Descriptors of this process, and the numbers that the program gets them under, one after the other; all others that close at exec stay
    /// here.</param>
    /// <param name="leavesSession">Linux: it has a session of its own, and no controlling terminal; else it stays in this process's session and group.</param>
    /// <returns>Its process id.</returns>
    /// <exception cref="IOException">It could not be started; the message is the system's.</exception>
    public static int Spawn(
        string path, IReadOnlyList<byte[]> arguments, IReadOnlyList<byte[]> environment, ReadOnlySpan<(int From, int To)> descriptors, bool leavesSession = false)
    {
        var actions = stackalloc byte[OpaqueSize];
        var attributes = stackalloc byte[OpaqueSize];
        var signals = stackalloc byte[OpaqueSize];
        Check(posix_spawn_file_actions_init(actions));
        Check(posix_spawnattr_init(attributes));
        using var argv = new StringVector(arguments);
        using var environ = new StringVector(environment);
        try
        {
            // Where it goes onto itself that takes the close-on-exec flag away, in the child alone.
            foreach (var (from, to) in descriptors)
            {
                Check(posix_spawn_file_actions_adddup2(actions, from, to));
            }

            // The runtime ignores it in this process, which is nothing for the programs that the new one starts.
            _ = sigemptyset(signals);
            _ = sigaddset(signals, BrokenPipe);
            Check(posix_spawnattr_setsigdefault(attributes, signals));
            Check(posix_spawnattr_setflags(attributes, leavesSession ? (short)(SetDefaultSignals | SetSession) : SetDefaultSignals));
            int process;
            Check(posix_spawn(&process, path, actions, attributes, argv.Pointer, environ.Pointer));
            return process;
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Waits for the end of a child: its exit code, or null and the signal that ended it.</summary>
    public static (int? Code, int Signal) Wait(int process)
    {
        int status;
        while (waitpid(process, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Interrupted)
            {
                return (null, 0);
            }
        }

        var signal = status & 0x7f;
        return signal == 0 ? ((status >> 8) & 0xff, 0) : (null, signal);
    }

    public static void Kill(int process, int signal) => _ = kill(process, signal);

    /// <summary>Ends this process by <paramref name="signal"/>, at once. The runtime keeps its own handler for a while after nobody listens any more, and
    /// hands the signal on only then.</summary>
    public static void EndBy(int signal)
    {
        _ = PosixProcess.signal(signal, 0); // SIG_DFL
        _ = kill(Environment.ProcessId, signal);
    }

    public static int ParentId() => getppid();

    /// <summary>A session of its own: no controlling terminal, no signals from one. False where the process leads a group already.</summary>
    public static bool LeaveSession() => setsid() >= 0;

    /// <summary>Other descriptors of the files that standard input, output and error are: the runtime makes some for itself, and who waits for the end of a pipe would
    /// wait for them.</summary>
    public static IReadOnlyList<int> StandardCopies()
    {
        const string Folder = "/proc/self/fd";
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        try
        {
            var files = Directory.GetFileSystemEntries(Folder).Select(path => (Number: int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture), Target: Target(path))).ToList();
            var standard = files.Where(file => file.Number <= 2).Select(file => file.Target).ToHashSet();
            return [.. files.Where(file => file.Number > 2 && file.Target is not null && standard.Contains(file.Target)).Select(file => file.Number)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }

        static string? Target(string link)
        {
            try
            {
                return new FileInfo(link).LinkTarget;
            }
            catch (IOException)
            {
                return null; // the one that listed the folder is gone by now
            }
        }
    }

    /// <summary>Makes each of the descriptors /dev/null.</summary>
    public static void Silence(ReadOnlySpan<int> descriptors)
    {
        var nothing = open("/dev/null", ReadWrite);
        if (nothing < 0)
        {
            throw Failure();
        }

        foreach (var descriptor in descriptors)
        {
            _ = dup2(nothing, descriptor);
            if (descriptor > 2)
            {
                _ = KeepPrivate(descriptor);
            }
        }

        if (descriptors.IndexOf(nothing) < 0)
        {
            _ = close(nothing);
        }
    }

    /// <summary>A copy of a descriptor that no program started from here inherits.</summary>
    public static int Duplicate(int descriptor)
    {
        var copy = fcntl(descriptor, DuplicateCloseOnExec, 3);
        return copy >= 0 ? copy : throw Failure();
    }

    /// <summary>What this process was given is not for the programs that it starts.</summary>
    public static bool KeepPrivate(int descriptor) => fcntl(descriptor, SetDescriptorFlags, CloseOnExec) == 0;

    /// <summary>Two connected sockets.</summary>
    public static (int Here, int There) SocketPair()
    {
        var pair = stackalloc int[2];
        if (socketpair(1, 1, 0, pair) != 0) // AF_UNIX, SOCK_STREAM
        {
            throw Failure();
        }

        _ = KeepPrivate(pair[0]);
        _ = KeepPrivate(pair[1]);
        return (pair[0], pair[1]);
    }

    private static IOException Failure() => new(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(int* process, string path, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc")]
    private static partial int sigemptyset(byte* signals);

    [LibraryImport("libc")]
    private static partial int sigaddset(byte* signals, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int process, int* status, int options);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    [LibraryImport("libc")]
    private static partial int getppid();

    [LibraryImport("libc")]
    private static partial int setsid();

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int domain, int type, int protocol, int* pair);

    /// <summary>A null-ended array of C strings in memory that stays where it is.</summary>
    [UnsupportedOSPlatform("windows")]
    private sealed class StringVector : IDisposable
    {
        public StringVector(IReadOnlyList<byte[]> values)
        {
            var bytes = values.Sum(value => value.Length + 1);
            Pointer = (byte**)NativeMemory.Alloc((nuint)(((values.Count + 1) * sizeof(byte*)) + bytes));
            var next = (byte*)(Pointer + values.Count + 1);
            for (var i = 0; i < values.Count; i++)
            {
                Pointer[i] = next;
                values[i].CopyTo(new Span<byte>(next, values[i].Length));
                next[values[i].Length] = 0;
                next += values[i].Length + 1;
            }

            Pointer[values.Count] = null;
        }

        public byte** Pointer { get; }

        public void Dispose() => NativeMemory.Free(Pointer);
    }
}
