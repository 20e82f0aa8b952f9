using System.Collections.Concurrent;
using System.Text;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Configuration;

/// <summary>Runs OpenSSH's client and ours on the same configurations and says in what they differ.</summary>
internal static class Comparison
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Keywords newer than OpenSSH 9.2, which it must be told to pass over when it reads our -G.</summary>
    private const string NewKeywords = "IgnoreUnknown=WarnWeakCrypto,ObscureKeystrokeTiming,ChannelTimeout,Tag,VersionAddendum,RefuseConnection";

    /// <summary>What a run came to.</summary>
    public sealed record Outcome(int ExitCode, string Output, string Errors);

    /// <summary>Every case with both programs, several at a time; fails with all that differ.</summary>
    public static async Task SameAsync(IEnumerable<Case> cases, bool readBack = false)
    {
        Need.Tools("ssh");
        var differences = new ConcurrentBag<string>();
        int count = 0;
        await Parallel.ForEachAsync(cases, new ParallelOptions { MaxDegreeOfParallelism = 3 }, async (item, _) =>
        {
            Interlocked.Increment(ref count);
            if (await DifferenceAsync(item, readBack) is { } difference)
                differences.Add(difference);
        });
        Assert.True(count > 0, "there are no cases");
        Assert.True(differences.IsEmpty, $"{differences.Count} of {count} differ:\n{string.Join('\n', differences.Order(StringComparer.Ordinal))}");
    }

    private static async Task<string?> DifferenceAsync(Case item, bool readBack)
    {
        using var folder = new TempFolder();
        string Placed(string text) => text.Replace("DIR", folder.FullPath, StringComparison.Ordinal);
        foreach ((string name, string text) in item.Files)
            folder.Write(name, Placed(text));
        List<string> arguments = [.. item.Arguments.Select(Placed)];
        if (item.Config is not null)
            arguments.InsertRange(0, ["-G", "-T", "-F", folder.Write("config", Placed(item.Config))]);
        string given = $"{string.Join(' ', item.Arguments)} {item.Config}";
        Outcome theirs = await RunAsync(Peer.OpenSsh, arguments, given), ours = await RunAsync(Peer.Adit, arguments, given);
        if (theirs != ours)
            return $"{item.Place}: {string.Join(' ', item.Arguments)} {item.Config}\n{Describe(theirs, ours)}";
        if (!readBack || ours.ExitCode != 0)
            return null;

        // What we print is a configuration that OpenSSH reads as the same, wherever it reads its own as the same (which it does not with quotes and blanks in values).
        string? back = await ReadBackAsync(folder, ours, item, given);
        return back == ReadBack(ours.Output) || await ReadBackAsync(folder, theirs, item, given) != ReadBack(theirs.Output)
            ? null
            : $"{item.Place}: read back: {item.Config}\n{Describe(ours, ours with { Output = back ?? "(an error)" })}";
    }

    /// <summary>Null where OpenSSH finds an error.</summary>
    private static async Task<string?> ReadBackAsync(TempFolder folder, Outcome printed, Case item, string given)
    {
        string file = folder.Write("printed", printed.Output + "\n");
        Outcome back = await RunAsync(Peer.OpenSsh, ["-G", "-F", file, "-o", NewKeywords, item.Arguments[^1]], given);
        return back.ExitCode == 0 ? ReadBack(back.Output) : null;
    }

    /// <summary>The option about unknown keywords is printed too.</summary>
    private static string ReadBack(string output) =>
        string.Join('\n', output.Split('\n').Where(line => !line.StartsWith("ignoreunknown", StringComparison.Ordinal)));

    /// <param name="peer">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="given">What they and the configuration set, which is compared even where the defaults differ.</param>
    public static async Task<Outcome> RunAsync(Peer peer, IReadOnlyList<string> arguments, string given)
    {
        IReadOnlyList<string> program = Clients.Program(peer);
        ProcessResult result = await ManagedProcess.RunAsync($"client ({peer})", program[0], [.. program.Skip(1), .. arguments], Patience);
        return new Outcome(result.ExitCode, ChosenDifferences.Comparable(result.Output, given), Errors(result));
    }

    /// <summary>stderr without our hints, versions and debug lines; of a usage its presence alone.</summary>
    private static string Errors(ProcessResult result)
    {
        var text = new StringBuilder();
        foreach (string line in result.ErrorLines)
        {
            if (line.StartsWith("usage:", StringComparison.Ordinal))
                return text.Append("usage").ToString();
            if (!line.StartsWith("adit", StringComparison.OrdinalIgnoreCase) && !line.StartsWith("OpenSSH_", StringComparison.Ordinal) && !line.StartsWith("Pseudo-terminal", StringComparison.Ordinal))
                text.Append(line).Append('\n');
        }

        return text.ToString();
    }

    private static string Describe(Outcome theirs, Outcome ours)
    {
        var text = new StringBuilder();
        if (theirs.ExitCode != ours.ExitCode)
            text.Append($"  exit code: OpenSSH {theirs.ExitCode}, ours {ours.ExitCode}\n");
        string[] expected = theirs.Output.Split('\n'), actual = ours.Output.Split('\n');
        foreach (string line in theirs.ExitCode == ours.ExitCode ? expected.Except(actual).Select(line => "  - " + line).Concat(actual.Except(expected).Select(line => "  + " + line)) : [])
            text.Append(line).Append('\n');
        if (theirs.Errors != ours.Errors)
            text.Append($"  OpenSSH: {theirs.Errors}\n  ours:    {ours.Errors}\n");
        return text.Length > 0 ? text.ToString() : "  the same lines in another order\n";
    }
}
