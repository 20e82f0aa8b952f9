namespace Adit.Cli.Diagnostics;

/// <summary>What the system says about a file it did not give us, in strerror(3)'s words.</summary>
internal static class FileErrors
{
    public static string Describe(Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException { InnerException: IOException { Message: { } inner } } when inner.Length > 0 => inner,
        UnauthorizedAccessException => "Permission denied",
        ArgumentException => "No such file or directory", // the empty name
        PathTooLongException => "File name too long",
        _ => error.Message,
    };
}
