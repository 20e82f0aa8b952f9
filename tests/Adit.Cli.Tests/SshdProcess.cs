using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Adit.Cli.Tests;

/// <summary><c>adit sshd</c> as a process of its own.</summary>
internal sealed class SshdProcess : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly BlockingCollection<string> _lines = [];

    private SshdProcess(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text)
            {
                _lines.Add(text);
            }
            else
            {
                _lines.CompleteAdding();
            }
        };
        process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public static SshdProcess Start(params string[] arguments) => new(Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "adit"), ["sshd", .. arguments])
    {
        RedirectStandardError = true,
        RedirectStandardOutput = true,
        RedirectStandardInput = true,
    })!);

    /// <summary>Runs it to its end.</summary>
    public static async Task<(int ExitCode, string Output, string[] Errors)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        process._process.StandardInput.Close();
        var output = await process._process.StandardOutput.ReadToEndAsync().WaitAsync(Deadline);
        return (await process.ExitAsync(), output, [.. process._lines.GetConsumingEnumerable()]);
    }

    /// <summary>The next line that contains <paramref name="text"/>.</summary>
    public string WaitFor(string text)
    {
        var seen = new List<string>();
        while (_lines.TryTake(out var line, Deadline))
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }

            seen.Add(line);
        }

        throw new InvalidOperationException($"no \"{text}\" in: {string.Join(" | ", seen)}");
    }

    /// <summary>The port of the next "Server listening" line.</summary>
    public int WaitForPort() => int.Parse(WaitFor("Server listening on ").Split(' ')[^1].TrimEnd('.'), CultureInfo.InvariantCulture);

    public void Signal(string name)
    {
        using var kill = Process.Start("/bin/kill", [$"-{name}", Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async Task<int> ExitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Deadline);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _lines.Dispose();
    }
}
