using System.Collections;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Ssh;

namespace Adit.Cli.Background;

/// <summary>What a process in the background is for.</summary>
internal enum BackgroundPurpose
{
    /// <summary>-f, ForkAfterAuthentication: the whole run goes into the background.</summary>
    Run,
    /// <summary>ControlPersist: the connection does; whoever started it becomes its first passenger.</summary>
    Master,
}

/// <summary>The foreground half of going into the background. A process of .NET cannot be forked, so this one starts its own program again with the same words (argv is
/// what "pgrep -f" looks at), in the same session and on the same terminal. The other one connects and asks what there is to ask; when it is ready it
/// leaves the session, and says so through a socket that it was given. See <see cref="BackgroundChild"/>.</summary>
internal static class BackgroundLauncher
{
    /// <summary>Names the descriptor of that socket to the new process.</summary>
    internal const string Variable = "ADIT_BACKGROUND";

    /// <summary>Starts the background process and waits until it is ready. Null then; otherwise the exit code it ended with, after it has said why.</summary>
    /// <param name="purpose">What it is for.</param>
    /// <param name="words">What follows "ssh" on its command line; null for this process's own.</param>
    /// <exception cref="SshException">It could not be started.</exception>
    public static async Task<int?> RunAsync(BackgroundPurpose purpose, IReadOnlyList<string>? words = null)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new SshException(SshError.Configuration, "daemon() failed: Function not implemented") { Hint = "On Windows nothing goes into the background: leave -f out." };
        }

        int process;
        var (here, there) = PosixProcess.SocketPair();
        using var ready = new Socket(new SafeSocketHandle(here, ownsHandle: true));
        using (var other = new SafeSocketHandle(there, ownsHandle: true))
        {
            try
            {
                var marker = string.Create(CultureInfo.InvariantCulture, $"{Variable}={there}:{Environment.ProcessId}:{purpose}");
                process = PosixProcess.Spawn(Environment.ProcessPath!, words is null ? Arguments() : Ssh(Arguments()[0], Assembly(Environment.ProcessPath!), words), [.. Variables(), Encoding.ASCII.GetBytes(marker), MatchAnswers.Mark], [(there, there)]);
            }
            catch (IOException e)
            {
                throw new SshException(SshError.Unknown, $"daemon() failed: {e.Message}", e);
            }
        }

        using var signals = new EndingSignals();
        var answer = ReceiveAsync(ready);
        if (await Task.WhenAny(answer, signals.Received).ConfigureAwait(false) == answer && await answer.ConfigureAwait(false))
        {
            return null;
        }

        // Either it has ended, or this process is to: the end of the socket tells the other one.
        ready.Dispose();
        var (code, signal) = await Task.Factory.StartNew(
            () => OperatingSystem.IsWindows() ? default : PosixProcess.Wait(process), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        if (signals.Received.IsCompleted)
        {
            signal = EndingSignals.Number(await signals.Received.ConfigureAwait(false));
        }

        if (signal != 0)
        {
            // Whoever waits for this process sees what a single one would have shown.
            PosixProcess.EndBy(signal);
        }

        return code ?? ExitCode.Ssh;
    }

    private static async Task<bool> ReceiveAsync(Socket ready)
    {
        try
        {
            return await ready.ReceiveAsync(new byte[1]).ConfigureAwait(false) == 1;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>The client under the name that this process was called by.</summary>
    /// <param name="name">That name.</param>
    /// <param name="assembly">What a process run by "dotnet adit.dll" has to be told first; null for none.</param>
    /// <param name="words">What follows "ssh".</param>
    internal static List<byte[]> Ssh(byte[] name, string? assembly, IReadOnlyList<string> words)
    {
        var isSsh = assembly is null && name.AsSpan()[(name.AsSpan().LastIndexOf((byte)'/') + 1)..].SequenceEqual("ssh"u8);
        IEnumerable<string> ahead = (assembly, isSsh) switch
        {
            ({ } file, _) => [file, "ssh"],
            (null, true) => [],
            (null, false) => ["ssh"],
        };
        return [name, .. ahead.Concat(words).Select(Encoding.UTF8.GetBytes)];
    }

    /// <summary>The program's assembly where its process is the runtime's; null where it is the program's own.</summary>
    /// <param name="process">The process's file.</param>
    internal static string? Assembly(string process) =>
        Path.GetFileNameWithoutExtension(process) == "dotnet" ? Path.GetFullPath(Environment.GetCommandLineArgs()[0]) : null;

    /// <summary>argv as the system has it: the runtime replaces its first word, and decodes.</summary>
    private static List<byte[]> Arguments() =>
        FromSystem("/proc/self/cmdline")
        ?? [.. (Assembly(Environment.ProcessPath!) is null ? [] : (IEnumerable<string>)["dotnet"]).Concat(Environment.GetCommandLineArgs()).Select(Encoding.UTF8.GetBytes)];

    private static IEnumerable<byte[]> Variables()
    {
        var all = FromSystem("/proc/self/environ")
            ?? [.. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}"))];
        return all.Where(variable => !variable.AsSpan().StartsWith("ADIT_BACKGROUND="u8) && !variable.AsSpan().StartsWith("ADIT_BACKGROUND_MATCHES="u8));
    }

    private static List<byte[]>? FromSystem(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        try
        {
            var rest = File.ReadAllBytes(path).AsSpan();
            var words = new List<byte[]>();
            while (rest.IndexOf((byte)0) is >= 0 and var end)
            {
                words.Add(rest[..end].ToArray());
                rest = rest[(end + 1)..];
            }

            return words;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
