using System.Text;
using Adit.Ssh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sftp;

/// <summary>The server's end of <see cref="SftpLog"/>: what a process that serves SFTP says goes to the server's log, line by line.</summary>
internal sealed class SftpLogLines(ILogger logger)
{
    private const int MostLine = 16 * 1024;

    private readonly List<byte> _line = [];
    private bool? _isSftp;

    /// <summary>False when it is not SFTP that speaks, but a helper that could not become what it was to be.</summary>
    public bool Takes(ReadOnlySpan<byte> said)
    {
        _isSftp ??= said is [SftpLog.Mark, ..];
        if (_isSftp == false)
        {
            return false;
        }

        while (said.IndexOf((byte)'\n') is var end and >= 0)
        {
            Add(said[..end]);
            Log();
            said = said[(end + 1)..];
        }

        Add(said);
        return true;
    }

    private void Add(ReadOnlySpan<byte> part) => _line.AddRange(part[..Math.Min(part.Length, MostLine - _line.Count)]);

    private void Log()
    {
        if (_line.Count > 2 && _line[0] == SftpLog.Mark)
        {
            var text = PeerText.Escape(Encoding.UTF8.GetString([.. _line[2..]]), MostLine);
            if (_line[1] == SftpLog.ErrorMark)
            {
                logger.LogError("{Line}", text);
            }
            else
            {
                logger.LogInformation(LogEvents.Session, "{Line}", text);
            }
        }

        _line.Clear();
    }
}
