using Adit.Cli.CommandLine;
using Adit.Cli.Commands;
using Adit.Cli.Diagnostics;
using Adit.Ssh.Wire;

namespace Adit.Cli;

/// <summary>Finds the command and runs it.</summary>
internal static class Program
{
    private static Task<int> Main(string[] arguments)
    {
        if (!StandardDescriptors.Ensure())
        {
            return Task.FromResult(ExitCode.Failure);
        }

        // Read by the runtime when the first socket is made: what waits for a socket continues on the thread that saw it become ready, one hop less
        // per packet. Whatever does much work there moves to the pool by itself.
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        QuietMemory.Start();
        var invokedAs = InvokedAs();
        ProcessName.Take(invokedAs);
        return RunAsync(invokedAs, arguments);
    }

    /// <param name="invokedAs">The program's name as it was called: through a link named ssh or sshd it is that program.</param>
    /// <param name="arguments">The words after it.</param>
    internal static Task<int> RunAsync(string invokedAs, string[] arguments) => (Path.GetFileName(invokedAs), arguments) switch
    {
        ("ssh", _) => SshCommand.RunAsync(arguments, asSsh: true),
        ("sshd", _) => SshdCommand.RunAsync(arguments, asSshd: true),
        (_, [] or ["--help" or "-h"] or ["help"]) => Print(Overview.Text),
        (_, ["--version" or "version"]) => Print(Overview.VersionLine + "\n"),
        (_, ["help", var name, ..]) => Help(name),
        (_, [['-', ..], ..]) => SshCommand.RunAsync(arguments),
        (_, [var name, .. var rest]) => CommandTable.Find(name) is { } command ? command.RunAsync(rest) : Unknown(name, rest),
    };

    private static Task<int> Help(string name) => CommandTable.Find(name) switch
    {
        { } command => command.RunAsync(["--help"]),
        null when CommandTable.Names.Contains(name) => Print(Overview.Text),
        null => Unknown(name, []),
    };

    private static Task<int> Unknown(string name, string[] rest)
    {
        StandardStreams.WriteErrorLine($"adit: unknown command: {PeerText.Escape(name)}");
        var meant = name.Contains('@') || name.StartsWith("ssh://", StringComparison.Ordinal)
            ? $"adit ssh {PeerText.Escape(string.Join(' ', [name, .. rest]))}"
            : CommandTable.Nearest(name) is { } near ? $"adit {near}" : null;
        StandardStreams.WriteErrorLine(meant is null ? "adit --help lists the commands." : $"Did you mean \"{meant}\"? adit --help lists the commands.");
        return Task.FromResult(ExitCode.Usage);
    }

    private static Task<int> Print(string text)
    {
        StandardStreams.WriteOut(text);
        return Task.FromResult(ExitCode.Success);
    }

    /// <summary>argv[0]. The runtime replaces it by the assembly's path, so it is read from the system where that tells.</summary>
    private static string InvokedAs()
    {
        try
        {
            if (OperatingSystem.IsLinux())
            {
                var line = File.ReadAllBytes("/proc/self/cmdline").AsSpan();
                var end = line.IndexOf((byte)0);
                return System.Text.Encoding.UTF8.GetString(end < 0 ? line : line[..end]);
            }
        }
        catch (IOException)
        {
            // No /proc: the name the runtime knows has to do.
        }

        return Path.GetFileNameWithoutExtension(Environment.ProcessPath ?? "adit");
    }
}
