using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Adit.Interop.Tests.Harness;

internal sealed record ProcessResult(int ExitCode, string Output, string Errors)
{
    /// <summary>What the program printed on stderr, without its debug lines.</summary>
    public IReadOnlyList<string> ErrorLines { get; } =
        [.. Errors.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0 && !line.StartsWith("debug", StringComparison.Ordinal))];

    public string FirstErrorLine => ErrorLines.Count > 0 ? ErrorLines[0] : "";

    public override string ToString() => $"exit code {ExitCode}\n{Output}{Errors}";
}

/// <summary>A process of the test's own: its output kept, its lines awaitable, ended by its id with all its children.</summary>
internal sealed class ManagedProcess : IAsyncDisposable
{
    public const int SigInt = 2;
    public const int SigKill = 9;
    public const int SigTerm = 15;
    public const int SigStop = 19;
    public const int SigCont = 18;

    /// <summary>Held while a process is started.</summary>
    internal static readonly Lock Starting = new();

    private readonly Process _process;
    private readonly Task _readers;
    private readonly Lock _lock = new();
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly List<string> _lines = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ManagedProcess(string name, Process process)
    {
        Name = name;
        _process = process;
        Id = process.Id;
        _readers = Task.WhenAll(ReadAsync(process.StandardOutput, _output), ReadAsync(process.StandardError, _errors));
    }

    public string Name { get; }

    public int Id { get; }

    public bool HasExited => _process.HasExited;

    public string Output { get { lock (_lock) { return _output.ToString(); } } }

    public string Errors { get { lock (_lock) { return _errors.ToString(); } } }

    public static ManagedProcess Start(
        string name, string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = "/",
        };
        foreach (string inherited in new[] { "SSH_AUTH_SOCK", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY" })
        {
            start.Environment.Remove(inherited);
        }

        foreach ((string key, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment[key] = value;
        }

        Process process;
        try
        {
            lock (Starting)
            {
                process = Process.Start(start)!;
            }
        }
        catch (Win32Exception problem)
        {
            throw new InvalidOperationException($"cannot start {name} ({file}): {problem.Message}", problem);
        }

        if (input is not null)
        {
            process.StandardInput.Write(input);
        }

        process.StandardInput.Close();
        return new ManagedProcess(name, process);
    }

    /// <summary>Runs a program to its end; one that does not end in time is killed and the test fails.</summary>
    public static async Task<ProcessResult> RunAsync(
        string name, string file, IEnumerable<string> arguments, TimeSpan deadline, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        await using ManagedProcess process = Start(name, file, arguments, environment, input);
        using var timer = new CancellationTokenSource(deadline);
        try
        {
            return await process.WaitForExitAsync(timer.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{name} did not end within {deadline.TotalSeconds:0} s\n{process.Output}{process.Errors}");
        }
    }

    public async Task<ProcessResult> WaitForExitAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation);

        // A child that outlives the process may hold the pipe open: what has been said by then counts.
        await Task.WhenAny(_readers, Task.Delay(TimeSpan.FromSeconds(5), cancellation));
        return new ProcessResult(_process.ExitCode, Output, Errors);
    }

    /// <summary>Waits until a line (of either stream, also one from before the call) contains <paramref name="text"/>.</summary>
    public async Task<string> WaitForLineAsync(string text, CancellationToken cancellation)
    {
        int next = 0;
        while (true)
        {
            Task news;
            lock (_lock)
            {
                for (; next < _lines.Count; next++)
                {
                    if (_lines[next].Contains(text, StringComparison.Ordinal))
                    {
                        return _lines[next];
                    }
                }

                news = _news.Task;
            }

            if (_readers.IsCompleted)
            {
                throw new InvalidOperationException($"{Name} ended and never said '{text}'");
            }

            await Task.WhenAny(news, _readers).WaitAsync(cancellation);
        }
    }

    public int CountLines(string text)
    {
        lock (_lock)
        {
            return _lines.Count(line => line.Contains(text, StringComparison.Ordinal));
        }
    }

    public void Signal(int signal)
    {
        if (!HasExited)
        {
            ProcessIdentity.Of(Id)?.Signal(signal);
        }
    }

    /// <summary>Whether it has a handler for that signal by now.</summary>
    public bool Catches(int signal)
    {
        const string label = "SigCgt:";
        string line = File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith(label, StringComparison.Ordinal));
        return (ulong.Parse(line.AsSpan(label.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) & (1UL << (signal - 1))) != 0;
    }

    /// <summary>The process and all that descend from it.</summary>
    public IReadOnlyList<ProcessIdentity> Family()
    {
        var everybody = ProcessIdentity.All();
        if (ProcessIdentity.Of(Id) is not { } self || HasExited)
        {
            return [];
        }

        List<ProcessIdentity> family = [self];
        for (int i = 0; i < family.Count; i++)
        {
            family.AddRange(everybody.Where(other => other.ParentId == family[i].Id && other.StartTime >= family[i].StartTime));
        }

        return family;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            IReadOnlyList<ProcessIdentity> family = Family();
            Signal(SigTerm);
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(3));
                await _process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill(entireProcessTree: true);
            }

            foreach (ProcessIdentity child in family.Where(member => member.Id != Id))
            {
                child.Signal(SigTerm);
            }
        }

        await Task.WhenAny(_readers, Task.Delay(TimeSpan.FromSeconds(1)));
        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader, StringBuilder all)
    {
        await Task.Yield();
        while (await reader.ReadLineAsync() is { } line)
        {
            TaskCompletionSource news;
            lock (_lock)
            {
                all.Append(line).Append('\n');
                _lines.Add(line);
                news = _news;
                _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            news.SetResult();
        }
    }
}
