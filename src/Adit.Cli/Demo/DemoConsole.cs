using Adit.Cli.CommandLine;

namespace Adit.Cli.Demo;

/// <summary>What the demo writes, as rich as the terminal takes it: UTF-8, bold, a line that is rewritten; plain lines where output is a file or pipe.</summary>
internal sealed class DemoConsole
{
    /// <summary>The variables that set the character encoding, strongest first.</summary>
    private static readonly string[] LocaleVariables = ["LC_ALL", "LC_CTYPE", "LANG"];

    private readonly Action<string> _write;
    private readonly bool _terminal;
    private readonly bool _colour;
    private readonly Lock _gate = new();
    private string _status = "";

    public DemoConsole()
        : this(StandardStreams.WriteOut, !Console.IsOutputRedirected, Environment.GetEnvironmentVariable)
    {
    }

    internal DemoConsole(Action<string> write, bool terminal, Func<string, string?> environment)
    {
        _write = write;
        _terminal = terminal && environment("TERM") is not (null or "" or "dumb");
        _colour = _terminal && string.IsNullOrEmpty(environment("NO_COLOR"));
        var locale = LocaleVariables.Select(environment).FirstOrDefault(value => !string.IsNullOrEmpty(value)) ?? "";
        Unicode = OperatingSystem.IsMacOS() || locale.Contains("UTF-8", StringComparison.OrdinalIgnoreCase) || locale.Contains("UTF8", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether box-drawing characters can be shown.</summary>
    public bool Unicode { get; }

    public string Tick => Unicode ? _colour ? "\e[32m✓\e[0m" : "✓" : "ok";

    public string Bold(string text) => _colour ? $"\e[1m{text}\e[0m" : text;

    public void Line(string text = "", int indent = 0)
    {
        var margin = new string(' ', indent);
        _write(margin + text.Replace("\n", "\n" + margin, StringComparison.Ordinal) + "\n");
    }

    /// <summary>Replaces the last line on a terminal; silent elsewhere.</summary>
    public void Status(string text)
    {
        lock (_gate)
        {
            if (_terminal && text != _status)
            {
                _status = text;
                _write($"\r{text}\e[K");
            }
        }
    }

    /// <summary>Leaves the last word standing.</summary>
    public void EndStatus(string text)
    {
        lock (_gate)
        {
            _write(_terminal ? $"\r{text}\e[K\n" : text + "\n");
        }
    }
}
