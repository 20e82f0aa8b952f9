namespace Adit.Server.Configuration;

/// <summary>Why the system did not give us a file, in strerror(3)'s words.</summary>
internal static class FileFailure
{
    public static string Describe(Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException { InnerException: IOException { Message: { Length: > 0 } inner } } => inner,
        UnauthorizedAccessException => "Permission denied",
        PathTooLongException => "File name too long",
        _ => error.Message,
    };
}
