using System.Diagnostics;
using Adit.Cli.Diagnostics;

namespace Adit.Cli.Sessions;

/// <summary>A command for this machine: LocalCommand, and "!command" on the escape command line. The user's shell runs it, with this process's standard streams.</summary>
internal static class LocalCommand
{
    /// <summary>Waits for its end. What became of it is its own matter.</summary>
    public static async Task RunAsync(string command, LogOutput log, CancellationToken cancellationToken)
    {
        var shell = Environment.GetEnvironmentVariable("SHELL") is { Length: > 0 } set ? set : "/bin/sh";
        var start = new ProcessStartInfo(shell) { UseShellExecute = false };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(command);
        log.Write(OpenSshLogLevel.Debug3, $"Executing {shell} -c \"{command}\"");
        try
        {
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            log.Write(OpenSshLogLevel.Error, $"Couldn't execute {shell} -c \"{command}\": {e.Message}");
        }
    }
}
