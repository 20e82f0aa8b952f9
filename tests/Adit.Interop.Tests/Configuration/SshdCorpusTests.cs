using System.Text;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Configuration;

/// <summary><c>sshd -T</c> and <c>adit sshd -T</c> over a corpus: the same output, the same errors, the same exit code, but for what docs/compatibility.md lists; and what
/// we print is a configuration that OpenSSH reads as the same.</summary>
public sealed class SshdCorpusTests
{
    private sealed record Outcome(int ExitCode, string Output, string Errors);

    [Fact]
    public Task Configurations() => Lab.RunAsync(async lab =>
    {
        Need.Tools("sshd");
        Need.That(Machine.IsRoot, "root: sshd -T reads host keys");
        Directory.CreateDirectory("/run/sshd");
        string key = (await Keys.HostAsync()).Path;
        var differences = new List<string>();
        string[] corpus = [.. File.ReadAllLines(Path.Combine(Machine.Root, "tests/Adit.Interop.Tests/Configuration/Corpus/sshd.txt")).Where(line => line.Length > 0 && line[0] != '#')];
        Assert.NotEmpty(corpus);
        lab.Folder.Write("included", "PermitOpen included:1\nX11Forwarding yes\n");
        foreach (string line in corpus)
        {
            // "-C user=x,addr=… | text": what is in front of the bar goes to the command line.
            string[] parts = line.Split(" | ", 2);
            string text = parts[^1].Replace("\\n", "\n").Replace("DIR", lab.Folder.FullPath) + "\n";
            string[] more = parts.Length == 2 ? parts[0].Split(' ') : [];
            string file = lab.Folder.Write("config", $"{text}");
            string[] arguments = ["-T", "-f", file, "-h", key, .. more];
            Outcome theirs = await RunAsync([Machine.Tool("sshd"), .. arguments], text), ours = await RunAsync([Machine.Adit, "sshd", .. arguments], text);
            if (theirs != ours)
            {
                differences.Add($"{line}\n{Describe(theirs, ours)}");
            }
            else if (ours.ExitCode == 0 && await BackAsync(lab, ours, key) is var back && back.Output != ours.Output && (await BackAsync(lab, theirs, key)).Output == theirs.Output)
            {
                differences.Add($"{line}: read back\n{Describe(ours, back)}");
            }
        }

        Assert.True(differences.Count == 0, $"{differences.Count} of {corpus.Length} differ:\n{string.Join('\n', differences)}");
    }, seconds: 300);

    private static Task<Outcome> BackAsync(Lab lab, Outcome printed, string key) =>
        RunAsync([Machine.Tool("sshd"), "-T", "-f", lab.Folder.Write("printed", printed.Output + "\n"), "-h", key], printed.Output);

    private static async Task<Outcome> RunAsync(string[] command, string given)
    {
        ProcessResult result = await ManagedProcess.RunAsync(command[0], command[0], command[1..], TimeSpan.FromSeconds(60));
        IEnumerable<string> errors = result.ErrorLines.Where(line => !line.StartsWith("adit", StringComparison.Ordinal));
        return new Outcome(result.ExitCode, ChosenDifferences.ComparableOfServer(result.Output, given), string.Join('\n', errors));
    }

    private static string Describe(Outcome theirs, Outcome ours)
    {
        var text = new StringBuilder();
        if (theirs.ExitCode != ours.ExitCode)
        {
            text.Append($"  exit code: OpenSSH {theirs.ExitCode}, ours {ours.ExitCode}\n");
        }

        string[] expected = theirs.Output.Split('\n'), actual = ours.Output.Split('\n');
        foreach (string line in expected.Except(actual).Select(line => "  - " + line).Concat(actual.Except(expected).Select(line => "  + " + line)))
        {
            text.Append(line).Append('\n');
        }

        if (theirs.Errors != ours.Errors)
        {
            text.Append($"  OpenSSH: {theirs.Errors}\n  ours:    {ours.Errors}\n");
        }

        return text.Length > 0 ? text.ToString() : "  the same lines in another order\n";
    }
}
