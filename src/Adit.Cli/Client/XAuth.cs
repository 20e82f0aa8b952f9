using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Adit.Cli.Diagnostics;

namespace Adit.Cli.Client;

/// <summary>A display's cookie, as xauth tells it.</summary>
/// <param name="Protocol">The authorization protocol's name.</param>
/// <param name="Data">The cookie.</param>
internal sealed record XAuthEntry(string Protocol, byte[] Data)
{
    private const string Usual = "MIT-MAGIC-COOKIE-1";

    /// <summary>As long as OpenSSH takes them, in hexadecimal digits.</summary>
    private const int MaxDigits = 511;

    /// <summary>Reads what "xauth list" prints: <c>display  protocol  hexadecimal digits</c>, a line each. The entry of the usual protocol, else the first; null for none.</summary>
    public static XAuthEntry? Parse(string text)
    {
        XAuthEntry? first = null;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length != 3 || words[1].Length > MaxDigits || !words[1].All(IsNameCharacter) || ReadHex(words[2]) is not { } data)
            {
                continue;
            }

            var entry = new XAuthEntry(words[1], data);
            if (entry.Protocol == Usual)
            {
                return entry;
            }

            first ??= entry;
        }

        return first;
    }

    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '/';

    private static byte[]? ReadHex(string digits) =>
        digits.Length is > 0 and <= MaxDigits && digits.Length % 2 == 0 && digits.All(char.IsAsciiHexDigit) ? Convert.FromHexString(digits) : null;
}

/// <summary>xauth(1), run without a shell. It finds the person's own file by XAUTHORITY and HOME, as everything else does.</summary>
/// <param name="path">XAuthLocation.</param>
/// <param name="log">For its command lines.</param>
internal sealed class XAuth(string path, LogOutput log)
{
    private const string LocalHost = "localhost:";

    /// <summary>How much longer than the forwarding the X server keeps an untrusted cookie: were it gone first, a connection that is still let through would be one without.</summary>
    private const int Slack = 60;

    private const int MaxOutput = 1 << 16;

    /// <summary>xauth waits up to 20 seconds for a file that another one has locked.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The display's cookie, with which a program may do there whatever the person's own programs may. Null where none is known.</summary>
    public async Task<XAuthEntry?> ListAsync(string display, CancellationToken cancellationToken) => await RunAsync(["list", Name(display)], cancellationToken).ConfigureAwait(false) is { } text ? XAuthEntry.Parse(text) : null;

    /// <summary>Has the X server make a cookie for programs that are not trusted (the SECURITY extension). Null where it does not.</summary>
    /// <param name="display">The value of DISPLAY.</param>
    /// <param name="timeout">How long it is to serve; null for no end.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<XAuthEntry?> GenerateAsync(string display, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        DirectoryInfo folder;
        try
        {
            folder = Directory.CreateTempSubdirectory("adit-x11-"); // for this user alone
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Write(OpenSshLogLevel.Error, $"adit: no folder for the cookie could be made: {e.Message}");
            return null;
        }

        try
        {
            var file = Path.Combine(folder.FullName, "xauthfile");
            List<string> generate = ["-f", file, "generate", Name(display), "MIT-MAGIC-COOKIE-1", "untrusted"];
            if (timeout is { } end)
            {
                generate.AddRange(["timeout", Math.Min((long)end.TotalSeconds + Slack, uint.MaxValue).ToString(CultureInfo.InvariantCulture)]);
            }

            return await RunAsync(generate, cancellationToken).ConfigureAwait(false) is not null
                && await RunAsync(["-f", file, "list", Name(display)], cancellationToken).ConfigureAwait(false) is { } text
                ? XAuthEntry.Parse(text)
                : null;
        }
        finally
        {
            Remove(folder);
        }
    }

    /// <summary>The X server's own machine is not in the file by that name.</summary>
    private static string Name(string display) => display.StartsWith(LocalHost, StringComparison.Ordinal) ? $"unix:{display[LocalHost.Length..]}" : display;

    /// <summary>What it printed; null where it failed, which it may do for many reasons that are no fault.</summary>
    private async Task<string?> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        log.Write(OpenSshLogLevel.Debug2, $"xauth command: {path} {string.Join(' ', arguments)}");
        var start = new ProcessStartInfo(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Patience);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            log.Write(OpenSshLogLevel.Debug1, $"{path}: {e.Message}");
            return null;
        }

        using (process)
        {
            try
            {
                process.StandardInput.Close();
                var texts = await Task.WhenAll(
                    ReadAsync(process.StandardOutput.BaseStream, deadline.Token), ReadAsync(process.StandardError.BaseStream, deadline.Token)).ConfigureAwait(false);
                await process.WaitForExitAsync(deadline.Token).ConfigureAwait(false);
                if (process.ExitCode == 0)
                {
                    return texts[0];
                }

                log.Write(OpenSshLogLevel.Debug1, $"xauth: {Adit.Ssh.Wire.PeerText.Escape(texts[1].Trim(), 1024)}");
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                log.Write(OpenSshLogLevel.Error, $"adit: {path} did not end within {Patience.TotalSeconds:0} seconds and is not waited for.");
            }
            catch (IOException e)
            {
                log.Write(OpenSshLogLevel.Debug1, $"xauth: {e.Message}");
            }
            finally
            {
                End(process);
            }
        }

        return null;
    }

    /// <summary>Keeps the first of it, and reads all of it: a full pipe would hold the program up.</summary>
    private static async Task<string> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var kept = new byte[MaxOutput];
        var count = await stream.ReadAtLeastAsync(kept, MaxOutput, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        await stream.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return Encoding.ASCII.GetString(kept, 0, count);
    }

    private static void End(Process process)
    {
        try
        {
            process.Kill();
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // It ended.
        }
    }

    private void Remove(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            log.Write(OpenSshLogLevel.Error, $"adit: {folder.FullName} could not be removed: {e.Message}");
        }
    }
}
