using System.Collections.Concurrent;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Configuration;

/// <summary><c>sshd -t</c> and <c>adit sshd -t</c> over lines that are odd in some way: what one takes the other takes, and what one refuses the other refuses in the same
/// words. What differs on purpose is in docs/compatibility.md, and not here.</summary>
public sealed class SshdLineTests
{
    [Fact]
    public Task Odd_lines() => Lab.RunAsync(async lab =>
    {
        Need.Tools("sshd");
        Need.That(Machine.IsRoot, "root: sshd -t reads host keys");
        Directory.CreateDirectory("/run/sshd");
        string key = (await Keys.HostAsync()).Path;
        string[] corpus = [.. File.ReadAllLines(Path.Combine(Machine.Root, "tests/Adit.Interop.Tests/Configuration/Corpus/sshd-lines.txt")).Where(line => line.Length > 0 && line[0] != '#')];
        Assert.NotEmpty(corpus);
        lab.Folder.Write("loop", $"Include {lab.Folder["loop"]}\n");
        var differences = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(corpus.Index(), new ParallelOptions { MaxDegreeOfParallelism = 3, CancellationToken = lab.Deadline }, async (item, _) =>
        {
            string file = lab.Folder.Write($"config{item.Index}", item.Item.Replace("\\n", "\n", StringComparison.Ordinal).Replace("DIR", lab.Folder.FullPath, StringComparison.Ordinal) + "\n");
            string[] arguments = ["-t", "-f", file, "-h", key];
            string theirs = await RunAsync(Machine.Tool("sshd"), arguments), ours = await RunAsync(Machine.Adit, ["sshd", .. arguments]);
            if (theirs != ours)
            {
                differences.Add($"{item.Item}\n  OpenSSH: {theirs}\n  ours:    {ours}");
            }
        });
        Assert.True(differences.IsEmpty, $"{differences.Count} of {corpus.Length} differ:\n{string.Join('\n', differences.Order(StringComparer.Ordinal))}");
    }, seconds: 240);

    /// <summary>The exit code and the first line.</summary>
    private static async Task<string> RunAsync(string program, string[] arguments)
    {
        ProcessResult result = await ManagedProcess.RunAsync(program, program, arguments, TimeSpan.FromSeconds(60));
        string? first = result.ErrorLines.FirstOrDefault(line => line.Length > 0 && !line.StartsWith("adit: ", StringComparison.Ordinal));
        return $"{result.ExitCode} {first?.TrimEnd('\r')}";
    }
}
