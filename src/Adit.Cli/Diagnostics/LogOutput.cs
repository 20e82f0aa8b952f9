using System.Text;
using Adit.Cli.CommandLine;
using Adit.Ssh.Wire;

namespace Adit.Cli.Diagnostics;

/// <summary>Where a program's lines go: standard error, or the file of -E. Lines end in CR LF and carry OpenSSH's prefixes, since scripts match them.</summary>
internal sealed class LogOutput : IDisposable
{
    private readonly Action<string> _write;
    private readonly FileStream? _file;
    private readonly StepTimes _steps = new();
    private bool _isSystemLog;

    /// <summary>Logs to standard error.</summary>
    public LogOutput()
        : this(StandardStreams.WriteError)
    {
    }

    /// <summary>For tests: hands every line, with its end, to <paramref name="write"/>.</summary>
    internal LogOutput(Action<string> write) => _write = write;

    private LogOutput(FileStream file)
    {
        _file = file;
        _write = WriteToFile;
    }

    /// <summary>What is shown. Settable: -v and -q are known before LogLevel is.</summary>
    public OpenSshLogLevel Level { get; set; } = OpenSshLogLevel.Info;

    /// <summary>What is shown of the caller's doing in place of <see cref="Level"/>; null, or where it says null, for that.</summary>
    public Func<OpenSshLogLevel?>? LevelHere { get; set; }

    /// <summary>True when lines go to a terminal that a person is likely to watch.</summary>
    public bool IsTerminal => _file is null && !_isSystemLog && !Console.IsErrorRedirected;

    /// <summary>-y: logs to syslog(3) from here on, and nowhere else. Called again, it changes the facility.</summary>
    public void UseSystemLog(string facility, string program = "ssh")
    {
        SystemLog.Open(facility, program);
        _isSystemLog = true;
    }

    /// <summary>Gets errors as well, with their line ends, where somebody waits for this process and cannot see its log; null for nobody.</summary>
    public Action<string>? Witness { get; set; }

    /// <summary>True where lines go to standard error.</summary>
    public bool IsStandardError => _file is null && !_isSystemLog;

    /// <summary>Appends to a file, made for its owner alone. Throws <see cref="UsageException"/> with OpenSSH's line when it cannot be opened.</summary>
    public static LogOutput ToFile(string path)
    {
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.Append,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            return new LogOutput(new FileStream(path, options));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new UsageException($"Couldn't open logfile {path}: {(Directory.Exists(path) ? "Is a directory" : FileErrors.Describe(e))}") { Status = ExitCode.Failure };
        }
    }

    public bool Shows(OpenSshLogLevel level) => (LevelHere?.Invoke() ?? Level) is var most && level <= most && most != OpenSshLogLevel.Quiet;

    /// <summary>Writes <paramref name="text"/>, one log line per line of it, where <paramref name="level"/> is shown.</summary>
    public void Write(OpenSshLogLevel level, string text)
    {
        if (!Shows(level))
        {
            return;
        }

        Put(level, text);
        if (Shows(OpenSshLogLevel.Debug1) && _steps.After(text) is { } time)
        {
            Put(OpenSshLogLevel.Debug1, time);
        }
    }

    private void Put(OpenSshLogLevel level, string text)
    {
        if (level is OpenSshLogLevel.Fatal or OpenSshLogLevel.Error)
        {
            Witness?.Invoke(string.Concat(text.TrimEnd('\n').Split('\n').Select(line => PeerText.Escape(line.TrimEnd('\r')) + "\r\n")));
        }

        if (_isSystemLog)
        {
            SystemLog.Write(level, text);
            return;
        }

        var prefix = level switch
        {
            OpenSshLogLevel.Debug1 => "debug1: ",
            OpenSshLogLevel.Debug2 => "debug2: ",
            OpenSshLogLevel.Debug3 => "debug3: ",
            _ => "",
        };
        var lines = new StringBuilder(text.Length + 16);
        foreach (var line in text.TrimEnd('\n').Split('\n'))
        {
            lines.Append(prefix).Append(PeerText.Escape(line.TrimEnd('\r'))).Append("\r\n");
        }

        _write(lines.ToString());
    }

    public void Dispose() => _file?.Dispose();

    private void WriteToFile(string text)
    {
        lock (_file!)
        {
            try
            {
                _file.Write(Encoding.UTF8.GetBytes(text));
            }
            catch (IOException)
            {
                // A full disk must not end the tunnel.
            }
        }
    }
}
