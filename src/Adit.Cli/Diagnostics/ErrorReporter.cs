using Adit.Cli.CommandLine;
using Adit.Ssh;

namespace Adit.Cli.Diagnostics;

/// <summary>The one place where a failure becomes lines for a person: first the line that OpenSSH prints, which scripts match, then ours, marked "adit: ",
/// which say what to do about it. Also says what to exit with.</summary>
internal static class ErrorReporter
{
    /// <summary>ssh's exit code for any failure of its own.</summary>
    public static int Report(LogOutput log, Exception error)
    {
        foreach (var line in Lines(error))
        {
            log.Write(OpenSshLogLevel.Error, line);
        }

        if (error is not (SshException or UsageException) || error.InnerException is not null)
        {
            log.Write(OpenSshLogLevel.Debug2, error.ToString());
        }

        return error is UsageException usage ? usage.Status : ExitCode.Ssh;
    }

    /// <summary>The lines alone, top one first; nothing of them is escaped yet.</summary>
    public static IEnumerable<string> Lines(Exception error) => error switch
    {
        SshException e => [.. Split(e.Message), .. Hints(e.Hint ?? DefaultHint(e))],
        UsageException e => [.. Split(e.Message), .. Hints(e.Hint)],
        OperationCanceledException => ["adit: cancelled"],
        UnauthorizedAccessException or IOException => [$"adit: {FileErrors.Describe(error)}"],
        _ => [$"adit: internal error: {error.GetType().Name}: {error.Message}", "adit: This is a bug in adit. Running with -vvv shows where it happened."],
    };

    public static IEnumerable<string> Hints(string? hint) => Split(hint).Select(line => $"adit: {line}");

    private static IEnumerable<string> Split(string? text) =>
        (text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r'));

    /// <summary>What helps where whoever threw said nothing more.</summary>
    private static string? DefaultHint(SshException error) => error.Error switch
    {
        SshError.NameResolution => "The name could not be looked up here. Check its spelling, and this machine's network and DNS.",
        SshError.ConnectFailed => "The SSH server could not be reached. Check host and port (-p), and whether a firewall is between.",
        SshError.Timeout => "The server did not answer in time (ConnectTimeout sets how long to wait).",
        SshError.KeepAliveTimeout => "The server stopped answering keepalives (ServerAliveInterval, ServerAliveCountMax): it, or the way to it, is down.",
        SshError.ConnectionLost => "The connection ended without a goodbye: the server, or its process for this login, is gone, or something between dropped it.",
        SshError.NoCommonAlgorithm => "The two sides have no algorithm in common. \"adit -Q cipher\", \"kex\", \"mac\", \"key\" list ours; -o can switch more on.",
        SshError.HostKeyUnknown => "Connect once by hand to see and accept the key, or add it to known_hosts.",
        SshError.LibraryMissing => "Install OpenSSL 3 (libcrypto), for instance with: apt install libssl3",
        _ => null,
    };
}
