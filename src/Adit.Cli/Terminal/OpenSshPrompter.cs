using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Adit.Cli.Diagnostics;

namespace Adit.Cli.Terminal;

/// <summary>Asks on the controlling terminal, or through the program in SSH_ASKPASS, by ssh(1)'s rules: SSH_ASKPASS_REQUIRE is "never", "prefer" (where there is
/// a display) or "force"; otherwise the program is for when there is a display and no terminal.</summary>
internal sealed class OpenSshPrompter(LogOutput log, Func<string, string?>? environment = null) : IPrompter, IDisposable
{
    private const string DefaultAskPass = "/usr/bin/ssh-askpass";

    /// <summary>Longest answer taken from the program.</summary>
    private const int MaxAnswer = 1024;

    private readonly Func<string, string?> _environment = environment ?? Environment.GetEnvironmentVariable;

    /// <summary>One question at a time.</summary>
    private readonly SemaphoreSlim _turn = new(1, 1);

    public async ValueTask<string?> AskAsync(string prompt, bool echo, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await AskInTurnAsync(prompt, echo, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    /// <summary>The decision alone: which way a question goes.</summary>
    internal static (bool UseProgram, bool AllowProgram) Choose(Func<string, string?> environment)
    {
        var allow = !string.IsNullOrEmpty(environment("DISPLAY")) || !string.IsNullOrEmpty(environment("WAYLAND_DISPLAY"));
        return environment("SSH_ASKPASS_REQUIRE")?.ToUpperInvariant() switch
        {
            "FORCE" => (true, true),
            "PREFER" => (allow, allow),
            "NEVER" => (false, false),
            _ => (false, allow),
        };
    }

    private async ValueTask<string?> AskInTurnAsync(string prompt, bool echo, CancellationToken cancellationToken)
    {
        var (useProgram, allowProgram) = Choose(_environment);
        if (!useProgram && !OperatingSystem.IsWindows())
        {
            using var terminal = ControllingTerminal.TryOpen();
            if (terminal is not null)
            {
                return await terminal.AskAsync(prompt, echo, cancellationToken).ConfigureAwait(false);
            }

            log.Write(OpenSshLogLevel.Debug1, "read_passphrase: can't open /dev/tty: No such device or address");
        }

        if (!allowProgram)
        {
            return null;
        }

        var program = _environment("SSH_ASKPASS") is { Length: > 0 } set ? set : DefaultAskPass;
        return await RunProgramAsync(program, prompt, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Runs the program with the question as its only argument (no shell) and takes the first line it prints. Null when it fails or refuses.</summary>
    private async ValueTask<string?> RunProgramAsync(string program, string prompt, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, UseShellExecute = false };
        start.ArgumentList.Add(prompt);
        try
        {
            using var process = Process.Start(start)!;
            try
            {
                var buffer = new byte[MaxAnswer];
                var length = await process.StandardOutput.BaseStream.ReadAtLeastAsync(buffer, MaxAnswer, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                process.StandardOutput.Close();
                await process.WaitForExitAsync(cancellationToken).ConfigureAwait(false);
                var answer = Encoding.UTF8.GetString(buffer, 0, length);
                CryptographicOperations.ZeroMemory(buffer);
                var end = answer.AsSpan().IndexOfAny('\r', '\n');
                return process.ExitCode == 0 ? end < 0 ? answer : answer[..end] : null;
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                throw;
            }
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            log.Write(OpenSshLogLevel.Error, $"ssh_askpass: exec({program}): {e.Message}");
            return null;
        }
    }
}
