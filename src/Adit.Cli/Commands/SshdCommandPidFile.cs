using System.Globalization;
using System.Text;
using Adit.Cli.Diagnostics;
using Adit.Server.Configuration;
using Microsoft.Extensions.Logging;

namespace Adit.Cli.Commands;

/// <summary>PidFile: there while the server listens.</summary>
internal sealed class SshdCommandPidFile : IDisposable
{
    private readonly string _path;
    private bool _disposed;

    private SshdCommandPidFile(string path) => _path = path;

    /// <summary>Null when there is to be none, or it cannot be written (which is logged and no reason to stop). The standard file of another sshd that runs is left alone.</summary>
    public static SshdCommandPidFile? Write(SshdConfig config, ILogger logger)
    {
        var path = config.Get(SshdKeywords.PidFile);
        if (path.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        if (!config.IsSet(SshdKeywords.PidFile) && IsInUse(path))
        {
            logger.LogInformation("{Path} belongs to another server that runs: not written", path);
            return null;
        }

        try
        {
            using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write });
            file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")));
            logger.LogDebug("pid file {Path} written", path);
            return new SshdCommandPidFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody without root has no business in the standard place, and did not ask for it.
            logger.Log(config.IsSet(SshdKeywords.PidFile) ? LogLevel.Error : LogLevel.Debug, "Couldn't create pid file \"{Path}\": {Reason}", path, FileErrors.Describe(e));
            return null;
        }
    }

    /// <summary>Once: a server that waits for its last connections was told to end before, and by then the file may be that of its successor.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        try
        {
            if (IsOurs(_path))
            {
                File.Delete(_path);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is stale now, and the next server replaces it.
        }
    }

    private static bool IsInUse(string path)
    {
        try
        {
            return Read(path) is { } pid && pid != Environment.ProcessId && Directory.Exists($"/proc/{pid}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool IsOurs(string path) => Read(path) == Environment.ProcessId;

    private static int? Read(string path) => int.TryParse(File.ReadAllText(path).AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : null;
}
