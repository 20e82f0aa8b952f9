using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Adit.Cli.Background;
using Adit.Cli.CommandLine;
using Adit.Server.Processes;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Cli.Commands;

/// <summary><c>adit sshd</c> without -D. A process of .NET cannot be forked, so the one that was called starts its own program again with the same words (argv is what
/// "pgrep -f" looks at), in a session of its own and without any of its streams, and waits until that one listens or has failed. A pipe carries the errors
/// meanwhile, and a zero byte at the end.</summary>
internal sealed unsafe partial class SshdDaemon : IDisposable
{
    /// <summary>Tells the started process so: who started it, and how many files programs may have open where that was. The runtime has raised this process's limit already, which
    /// the daemon inherits, and the daemon's parent goes.</summary>
    private const string Variable = "ADIT_SSHD_DAEMON";

    private const int Pipe = 3, CloseOnExec = 0x80000;

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
        var words = mark.Split(':');
        if (words.Length != 2 || words[0] != Text(PosixProcess.ParentId()) || !PosixProcess.KeepPrivate(Pipe))
        {
            return null;
        }

        if (ulong.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var files))
        {
            OpenFilesLimit.Adopt(files);
        }

        return new SshdDaemon(new FileStream(new SafeFileHandle(Pipe, ownsHandle: true), FileAccess.Write, bufferSize: 0));
    }

    /// <summary>Starts the daemon. Returns 0 once it listens, else what it ended with, after its errors were shown.</summary>
    public static int Start()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException();
        }

        var ends = stackalloc int[2];
        if (pipe2(ends, CloseOnExec) != 0)
        {
            throw Failed(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
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

        return PosixProcess.Wait(process).Code ?? ExitCode.Ssh;
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

    [SupportedOSPlatform("linux")]
    private static int Spawn(int pipe)
    {
        try
        {
            // Not to be locked: others may be starting too.
            using var nothing = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            var empty = (int)nothing.DangerousGetHandle();
            return PosixProcess.Spawn(
                "/proc/self/exe",
                Words("/proc/self/cmdline"),
                [.. Words("/proc/self/environ"), Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Variable}={Environment.ProcessId}:{OpenFilesLimit.Usual}"))],
                [(empty, 0), (empty, 1), (empty, 2), (pipe, Pipe)],
                leavesSession: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed(e.Message);
        }
    }

    /// <summary>C strings, as the system has them.</summary>
    private static List<byte[]> Words(string path)
    {
        var words = new List<byte[]>();
        var rest = File.ReadAllBytes(path).AsSpan();
        while (rest.IndexOf((byte)0) is >= 0 and var end)
        {
            words.Add(rest[..end].ToArray());
            rest = rest[(end + 1)..];
        }

        return words;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static SshException Failed(string reason) => new(SshError.Unknown, $"daemon() failed: {reason}");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(int* ends, int flags);
}
