namespace Adit.Ssh.OpenSsh;

/// <summary>Why a file could not be used, in the words of strerror(3) that scripts and people know.</summary>
internal static class FileErrors
{
    public static string Describe(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "No such file or directory",
        UnauthorizedAccessException => "Permission denied",
        PathTooLongException => "File name too long",
        _ => e.Message,
    };
}
