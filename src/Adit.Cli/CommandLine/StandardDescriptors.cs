using System.Runtime.InteropServices;

namespace Adit.Cli.CommandLine;

/// <summary>Standard input, output and error when this program was started without some of them (<c>ssh host &lt;&amp;- &gt;&amp;-</c>, as some start what stays behind).
/// Their numbers then belong to whatever the runtime opened first: what is read as standard input would be its random numbers, and what is written as an error could go to the server.</summary>
internal static unsafe partial class StandardDescriptors
{
    private const int GetFlags = 1; // F_GETFD
    private const int SetFlags = 2; // F_SETFD
    private const int CloseOnExec = 1; // FD_CLOEXEC
    private const int ReadWrite = 2; // O_RDWR
    private const int BrokenPipe = 13; // SIGPIPE

    /// <summary>Makes those that are missing /dev/null, as OpenSSH does, by starting this program once more in this process: the runtime needs what it opened for itself.
    /// False where the system does not let it: nothing may be read or written then. What there is to say about that has been said, if there is a standard error.</summary>
    public static bool Ensure()
    {
        if (!OperatingSystem.IsLinux())
        {
            return true;
        }

        Span<int> missing = stackalloc int[3];
        var count = 0;
        for (var descriptor = Descriptor.StandardInput; descriptor <= Descriptor.StandardError; descriptor++)
        {
            if (IsMissing(descriptor))
            {
                missing[count++] = descriptor;
            }
        }

        if (count == 0)
        {
            return true;
        }

        var error = Restart(missing[..count]);
        if (missing[count - 1] != Descriptor.StandardError)
        {
            StandardStreams.WriteErrorLine($"Couldn't open /dev/null in place of standard input or output: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        return false;
    }

    /// <summary>What closes at exec was not there at exec.</summary>
    private static bool IsMissing(int descriptor)
    {
        var flags = fcntl(descriptor, GetFlags, 0);
        return flags < 0 || (flags & CloseOnExec) != 0;
    }

    /// <summary>Returns only with the error that kept it from starting again.</summary>
    private static int Restart(ReadOnlySpan<int> missing)
    {
        var line = File.ReadAllBytes("/proc/self/cmdline");
        var words = line.AsSpan().Count((byte)0);
        var argv = (byte**)NativeMemory.Alloc((nuint)((words + 1) * sizeof(byte*))); // for good: this process either becomes another program or ends
        fixed (byte* text = line)
        {
            var next = text;
            for (var word = 0; word < words; word++)
            {
                argv[word] = next;
                next += MemoryMarshal.CreateReadOnlySpanFromNullTerminated(next).Length + 1;
            }

            argv[words] = null;
            var nothing = open("/dev/null", ReadWrite);
            if (nothing < 0)
            {
                return Marshal.GetLastPInvokeError();
            }

            if (nothing > Descriptor.StandardError)
            {
                _ = fcntl(nothing, SetFlags, CloseOnExec);
            }

            // An ignored signal stays so for the program and all that it starts, and the runtime ignores this one.
            _ = signal(BrokenPipe, 0); // SIG_DFL
            foreach (var descriptor in missing)
            {
                _ = dup2(nothing, descriptor);
            }

            _ = execv("/proc/self/exe", argv);
        }

        return Marshal.GetLastPInvokeError();
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, nint argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execv(string path, byte** arguments);
}
