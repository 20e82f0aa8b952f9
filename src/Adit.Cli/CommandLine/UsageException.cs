namespace Adit.Cli.CommandLine;

/// <summary>A command line that cannot be obeyed.</summary>
/// <param name="message">The first line, as OpenSSH words it.</param>
internal sealed class UsageException(string message) : Exception(message)
{
    /// <summary>A line that helps, or null.</summary>
    public string? Hint { get; init; }

    /// <summary>What to exit with.</summary>
    public int Status { get; init; } = ExitCode.Ssh;

    /// <summary>Whether the command's usage follows.</summary>
    public bool ShowUsage { get; init; }

    /// <summary>The command line makes no sense as a whole: only the usage is shown.</summary>
    public static UsageException UsageOnly { get; } = new("") { ShowUsage = true };
}
