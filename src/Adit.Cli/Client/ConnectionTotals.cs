using System.Diagnostics;
using System.Globalization;
using Adit.Cli.Diagnostics;
using Adit.Ssh;

namespace Adit.Cli.Client;

/// <summary>What a connection has carried, told at its end with -v as ssh tells it.</summary>
internal sealed class ConnectionTotals(SshClient client)
{
    private readonly long _began = Stopwatch.GetTimestamp();
    private TimeSpan? _time;

    /// <summary>The connection is closed: the time ends here.</summary>
    public void Stop() => _time = Stopwatch.GetElapsedTime(_began);

    /// <summary>Writes the lines.</summary>
    /// <param name="log">Shows them from VERBOSE on.</param>
    /// <param name="exitStatus">The program's; -1 where there is none.</param>
    public void Write(LogOutput log, int exitStatus)
    {
        var seconds = (_time ?? Stopwatch.GetElapsedTime(_began)).TotalSeconds;
        log.Write(OpenSshLogLevel.Verbose, string.Create(CultureInfo.InvariantCulture,
            $"Transferred: sent {client.BytesSent}, received {client.BytesReceived} bytes, in {seconds:F1} seconds"));
        if (seconds > 0)
        {
            log.Write(OpenSshLogLevel.Verbose, string.Create(CultureInfo.InvariantCulture,
                $"Bytes per second: sent {client.BytesSent / seconds:F1}, received {client.BytesReceived / seconds:F1}"));
        }

        log.Write(OpenSshLogLevel.Debug1, string.Create(CultureInfo.InvariantCulture, $"Exit status {exitStatus}"));
    }
}
