using System.ComponentModel;
using System.Diagnostics;

namespace Adit.Bench.Machine;

/// <summary>A process of ours: what it says is kept (the end of it), and it is ended by its id, with its children.</summary>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptLines = 40;
    private const int KeptWidth = 400;
    private static readonly string[] NotInherited = ["SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY"];

    private readonly Process _process;
    private readonly Queue<string> _said = new();
    private readonly string? _counted;
    private int _countedLines;

    private ChildProcess(string name, Process process, string? counted, bool readOutput)
    {
        Name = name;
        _process = process;
        _counted = counted;
        Id = process.Id;
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginErrorReadLine();
        if (readOutput)
        {
            process.OutputDataReceived += (_, line) => Keep(line.Data);
            process.BeginOutputReadLine();
        }
    }

    public string Name { get; }

    public int Id { get; }

    public bool HasExited => _process.HasExited;

    /// <summary>Lines so far that held the text it was started with.</summary>
    public int CountedLines => Volatile.Read(ref _countedLines);

    /// <summary>The last things it said, after its exit code once it has one.</summary>
    public string Said
    {
        get
        {
            string ended = HasExited ? $"[exit code {_process.ExitCode}] " : "";
            lock (_said)
                return ended + string.Join(" | ", _said);
        }
    }

    /// <param name="name">For messages.</param>
    /// <param name="file">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="counted">A text whose lines are to be counted.</param>
    public static ChildProcess Start(string name, string file, IEnumerable<string> arguments, string? counted = null) => Start(name, file, arguments, counted, readOutput: true);

    /// <summary>Starts a process that is talked to line by line.</summary>
    public static (ChildProcess Process, StreamWriter Input, StreamReader Output) StartDialogue(string name, string file, IEnumerable<string> arguments)
    {
        var child = Start(name, file, arguments, counted: null, readOutput: false);
        return (child, child._process.StandardInput, child._process.StandardOutput);
    }

    /// <summary>Runs a program to its end and returns what it printed; throws when it fails.</summary>
    public static string Run(string file, params string[] arguments)
    {
        var start = StartInfo(file, arguments);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromSeconds(60)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{file} did not end");
        }

        return process.ExitCode == 0 ? output + errors.Result : throw new InvalidOperationException($"{file} ended with exit code {process.ExitCode}: {errors.Result.Trim()}");
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            var family = ProcessTree.Family(Id);
            Native.Kill(Id, Native.SigTerm);
            if (!_process.WaitForExit(TimeSpan.FromSeconds(3)))
                _process.Kill(entireProcessTree: true);
            foreach (int id in family)
            {
                if (id != Id && ProcessTree.IsAlive(id))
                    Native.Kill(id, Native.SigTerm);
            }
        }

        _process.Dispose();
    }

    private static ChildProcess Start(string name, string file, IEnumerable<string> arguments, string? counted, bool readOutput)
    {
        try
        {
            var process = Process.Start(StartInfo(file, arguments))!;
            if (readOutput)
                process.StandardInput.Close();
            return new ChildProcess(name, process, counted, readOutput);
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException($"cannot start {name} ({file}): {e.Message}", e);
        }
    }

    private static ProcessStartInfo StartInfo(string file, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (string name in NotInherited)
            start.Environment.Remove(name);
        return start;
    }

    private void Keep(string? line)
    {
        if (line is null)
            return;
        if (_counted is not null && line.Contains(_counted, StringComparison.Ordinal))
            Interlocked.Increment(ref _countedLines);
        lock (_said)
        {
            _said.Enqueue(line.Length > KeptWidth ? line[..KeptWidth] : line);
            if (_said.Count > KeptLines)
                _said.Dequeue();
        }
    }
}
