namespace Adit.Ssh.Keys;

/// <summary>Writes a small file so that nobody sees a half of it, nor with more rights than it is meant to have.</summary>
internal static class AtomicFile
{
    /// <param name="path">Where to.</param>
    /// <param name="content">What.</param>
    /// <param name="mode">The file's mode from the first moment on; ignored on Windows.</param>
    /// <param name="overwrite">False: the file must not exist, and is created with O_EXCL. True: written beside it, then renamed over it.</param>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool overwrite)
    {
        string created = path;
        bool exists = false;
        try
        {
            string target = overwrite ? Resolve(path) : path;
            created = overwrite ? $"{target}.{Path.GetRandomFileName()}" : target;
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0 };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = mode;
            using (var stream = new FileStream(created, options))
            {
                exists = true;
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }
            if (created != target)
                File.Move(created, target, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            if (exists)
                TryDelete(created);
            throw Failure(path, e, exists);
        }
    }

    /// <summary>What a link points to, so that it is replaced and not the link.</summary>
    private static string Resolve(string path) =>
        // The full path, because a relative link is not found from a relative path without a folder.
        File.Exists(path) && File.ResolveLinkTarget(Path.GetFullPath(path), returnFinalTarget: true) is { } target ? target.FullName : path;

    private static SshException Failure(string path, Exception e, bool created)
    {
        string reason = e switch
        {
            DirectoryNotFoundException => "No such file or directory",
            UnauthorizedAccessException => "Permission denied",
            IOException when !created && File.Exists(path) => "File exists",
            _ => e.Message,
        };
        return new SshException(SshError.FileAccess, $"Saving key \"{path}\" failed: {reason}", e);
    }

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report.
        }
    }
}
