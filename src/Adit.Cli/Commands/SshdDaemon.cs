using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Cli.CommandLine;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Cli.Commands;

/// <summary><c>adit sshd</c> without -D. A process of .NET cannot be forked, so the one that was called starts its own program again with the same words (argv is what
/// "pgrep -f" looks at), in a session of its own and without any of its streams, and waits until that one listens or has failed. A pipe carries the errors
/// meanwhile, and a zero byte at the end.</summary>
internal sealed unsafe partial class SshdDaemon : IDisposable
{
    /// <summary>Tells the started process so, and who started it.</summary>
    private const string Variable = "ADIT_SSHD_DAEMON";

    private const int Pipe = 3, CloseOnExec = 0x80000, SetDescriptorFlags = 2, ReadWrite = 2, Interrupted = 4, BrokenPipe = 13;
    private const short DefaultSignals = 4, NewSession = 0x80;

    /// <summary>More than any of posix_spawn's types and sigset_t.</summary>
    private const int OpaqueSize = 1024;

    private readonly FileStream _starter;

    private SshdDaemon(FileStream starter) => _starter = starter;

    /// <summary>The daemon's end. Null where this process was not started to be one. Programs that are started from here do not see the mark.</summary>
    public static SshdDaemon? Adopt()
    {
        var mark = Environment.GetEnvironmentVariable(Variable);
        if (mark is null || !OperatingSystem.IsLinux())
        {
            return null;
        }

        Environment.SetEnvironmentVariable(Variable, null);

        // What somebody else left in the environment is not for us.
        return mark == Text(getppid()) && fcntl(Pipe, SetDescriptorFlags, 1) == 0
            ? new SshdDaemon(new FileStream(new SafeFileHandle(Pipe, ownsHandle: true), FileAccess.Write, bufferSize: 0))
            : null;
    }

    /// <summary>Starts the daemon. Returns 0 once it listens, else what it ended with, after its errors were shown.</summary>
    public static int Start()
    {
        var ends = stackalloc int[2];
        if (pipe2(ends, CloseOnExec) != 0)
        {
            throw Failed(Marshal.GetLastPInvokeError());
        }

        using var report = new FileStream(new SafeFileHandle(ends[0], ownsHandle: true), FileAccess.Read, bufferSize: 0);
        int process;
        using (new SafeFileHandle(ends[1], ownsHandle: true))
        {
            process = Spawn(ends[1]);
        }

        var buffer = new byte[1024];
        for (int count; (count = report.Read(buffer)) > 0;)
        {
            var said = buffer.AsSpan(0, count);
            var end = said.IndexOf((byte)0);
            StandardStreams.WriteError(Encoding.UTF8.GetString(end < 0 ? said : said[..end]));
            if (end >= 0)
            {
                return ExitCode.Success;
            }
        }

        return Wait(process);
    }

    /// <summary>An error, for whoever started it.</summary>
    public void Tell(string text) => Write(Encoding.UTF8.GetBytes(text.Replace("\0", "", StringComparison.Ordinal)));

    /// <summary>It listens: whoever started it goes on.</summary>
    public void Ready()
    {
        Environment.CurrentDirectory = "/";
        Write([0]);
        _starter.Dispose();
    }

    public void Dispose() => _starter.Dispose();

    private void Write(byte[] data)
    {
        try
        {
            _starter.Write(data);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Nobody waits any more.
        }
    }

    private static int Spawn(int pipe)
    {
        var actions = stackalloc byte[OpaqueSize];
        var attributes = stackalloc byte[OpaqueSize];
        var signals = stackalloc byte[OpaqueSize];
        Check(posix_spawn_file_actions_init(actions));
        Check(posix_spawnattr_init(attributes));
        var (words, variables) = (Block("/proc/self/cmdline", []), Block("/proc/self/environ", [Encoding.ASCII.GetBytes($"{Variable}={Text(Environment.ProcessId)}")]));
        try
        {
            for (var stream = 0; stream < Pipe; stream++)
            {
                Check(posix_spawn_file_actions_addopen(actions, stream, "/dev/null", ReadWrite, 0));
            }

            Check(posix_spawn_file_actions_adddup2(actions, pipe, Pipe)); // onto itself, where it is that: it then stays open

            // The runtime ignores it here, which is nothing for what the new one starts.
            _ = sigemptyset(signals);
            _ = sigaddset(signals, BrokenPipe);
            Check(posix_spawnattr_setsigdefault(attributes, signals));
            Check(posix_spawnattr_setflags(attributes, DefaultSignals | NewSession));
            int process;
            Check(posix_spawn(&process, "/proc/self/exe", actions, attributes, (byte**)words, (byte**)variables));
            return process;
        }
        finally
        {
            NativeMemory.Free((void*)words);
            NativeMemory.Free((void*)variables);
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>A null-ended array of C strings, as the system has them and as it wants them.</summary>
    private static nint Block(string path, byte[][] more)
    {
        var all = new List<byte[]>(more);
        var rest = File.ReadAllBytes(path).AsSpan();
        while (rest.IndexOf((byte)0) is >= 0 and var end)
        {
            all.Insert(all.Count - more.Length, rest[..end].ToArray());
            rest = rest[(end + 1)..];
        }

        var block = (byte**)NativeMemory.Alloc((nuint)(((all.Count + 1) * sizeof(byte*)) + all.Sum(text => text.Length + 1)));
        var next = (byte*)(block + all.Count + 1);
        for (var i = 0; i < all.Count; i++)
        {
            block[i] = next;
            all[i].CopyTo(new Span<byte>(next, all[i].Length));
            next[all[i].Length] = 0;
            next += all[i].Length + 1;
        }

        block[all.Count] = null;
        return (nint)block;
    }

    private static int Wait(int process)
    {
        int status;
        while (waitpid(process, &status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Interrupted)
            {
                return ExitCode.Ssh;
            }
        }

        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : ExitCode.Ssh;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw Failed(error);
        }
    }

    private static SshException Failed(int error) => new(SshError.Unknown, $"daemon() failed: {Marshal.GetPInvokeErrorMessage(error)}");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);

    [LibraryImport("libc")]
    private static partial int getppid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int process, int* status, int options);

    [LibraryImport("libc")]
    private static partial int sigemptyset(byte* signals);

    [LibraryImport("libc")]
    private static partial int sigaddset(byte* signals, int signal);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn_file_actions_addopen(byte* actions, int descriptor, string path, int flags, uint mode);

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
}
