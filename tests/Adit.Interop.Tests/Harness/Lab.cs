using System.Text;

namespace Adit.Interop.Tests.Harness;

/// <summary>
/// One test's surroundings: a deadline, a folder, the processes and services it started. All of it is gone when the test ends,
/// and when the test fails, what its processes said is part of the failure.
/// </summary>
internal sealed class Lab : IAsyncDisposable
{
    private const int OutputKept = 6000;

    private readonly CancellationTokenSource _deadline;
    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly List<ManagedProcess> _processes = [];

    private Lab(TimeSpan deadline) => _deadline = new CancellationTokenSource(deadline);

    public TempFolder Folder { get; } = new();

    /// <summary>Cancelled when the test has taken too long.</summary>
    public CancellationToken Deadline => _deadline.Token;

    public static async Task RunAsync(Func<Lab, Task> test, int seconds = 120)
    {
        await using var lab = new Lab(TimeSpan.FromSeconds(seconds));
        try
        {
            await test(lab);
        }
        catch (Exception problem) when (problem is not SkipException)
        {
            string what = problem is OperationCanceledException && lab._deadline.IsCancellationRequested
                ? $"the test did not end within {seconds} s"
                : problem.Message;
            throw new LabException(what + lab.Report(), problem);
        }
    }

    public T Own<T>(T owned) where T : IAsyncDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    public ManagedProcess Start(
        string name, string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        ManagedProcess process = Own(ManagedProcess.Start(name, file, arguments, environment, input));
        _processes.Add(process);
        return process;
    }

    public async Task<ProcessResult> RunAsync(
        string name, string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null, string? input = null)
    {
        ManagedProcess process = Start(name, file, arguments, environment, input);
        return await process.WaitForExitAsync(Deadline);
    }

    /// <summary>Runs a program that has to succeed.</summary>
    public async Task<string> MustAsync(string file, params string[] arguments)
    {
        ProcessResult result = await RunAsync(Path.GetFileName(file), file, arguments);
        Assert.True(result.ExitCode == 0, $"{file} {string.Join(' ', arguments)}: {result}");
        return result.Output;
    }

    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out IAsyncDisposable? owned))
        {
            await owned.DisposeAsync();
        }

        Folder.Dispose();
        _deadline.Dispose();
    }

    private string Report()
    {
        var report = new StringBuilder();
        foreach (ManagedProcess process in _processes)
        {
            string said = process.Output + process.Errors;
            report.Append("\n--- ").Append(process.Name).Append(process.HasExited ? " (ended)" : " (running)").Append('\n')
                .Append(said.Length <= OutputKept ? said : said[..(OutputKept / 3)] + "\n…\n" + said[^(OutputKept * 2 / 3)..]);
        }

        return report.ToString();
    }
}

/// <summary>A test's failure with what the processes around it said.</summary>
internal sealed class LabException(string message, Exception inner) : Exception(message, inner);
