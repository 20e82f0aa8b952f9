using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Configuration;

/// <summary>The differences that docs/compatibility.md owns up to, in its table of what <c>ssh -G</c> prints otherwise. No others are accepted.</summary>
internal static partial class ChosenDifferences
{
    private static readonly string[] Keywords = ReadKeywords("ssh -G");
    private static readonly string[] ServerKeywords = ReadKeywords("sshd -T");

    /// <summary>What is left to compare of -G's output: without lines whose keyword is in the table, unless <paramref name="given"/> sets it, and with OpenSSH 9.2's
    /// way to write a few values undone.</summary>
    public static string Comparable(string output, string given)
    {
        var lines = output.Split('\n').Where(line => line.Length > 0).Select(line => line
            .Replace("canonicalizePermittedcnames", "canonicalizepermittedcnames", StringComparison.Ordinal)
            .Replace("escapechar \\^", "escapechar ^", StringComparison.Ordinal));
        return string.Join('\n', lines.Select(line => line.StartsWith("remoteforward ", StringComparison.Ordinal) ? line.Replace(" [socks]:0", "", StringComparison.Ordinal) : line)
            .Where(line => line is not ("identityfile ~/.ssh/id_xmss" or "identityfile ~/.ssh/id_dsa") && IsCompared(line.Split(' ')[0], given)));
    }

    /// <summary>The same of <c>sshd -T</c>'s output.</summary>
    public static string ComparableOfServer(string output, string given) => string.Join('\n', output.Split('\n').Where(line => line.Length > 0).Where(line =>
        line.Split(' ')[0] is var keyword
        && !Array.Exists(ServerKeywords, known => known.EndsWith('*') && keyword.StartsWith(known[..^1], StringComparison.Ordinal))
        && (!ServerKeywords.Contains(keyword) || (keyword != "channeltimeout" && given.Contains(keyword, StringComparison.OrdinalIgnoreCase)))));

    private static bool IsCompared(string keyword, string given) =>
        !Array.Exists(Keywords, known => known.EndsWith('*') && keyword.StartsWith(known[..^1], StringComparison.Ordinal))
        && (!Keywords.Contains(keyword) || IsGiven(keyword, given));

    private static bool IsGiven(string keyword, string given)
    {
        // Keywords with another name or a flag for them.
        string[] names = keyword switch
        {
            "identityfile" => ["identityfile", "-i"],
            "pubkeyacceptedalgorithms" => ["pubkeyaccepted"],
            "hostbasedacceptedalgorithms" => ["hostbasedacceptedalg", "hostbasedkeytypes"],
            "dynamicforward" => ["dynamicforward", "-D "],
            "remoteforward" => ["remoteforward", "-R "],
            "forwardx11trusted" => ["forwardx11trusted", "-Y"],
            "ciphers" => ["ciphers", "-c "],
            "macs" => ["macs", "-m "],
            _ => [keyword],
        };
        return names.Any(name => given.Contains(name, name[0] == '-' ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase));
    }

    private static string[] ReadKeywords(string command)
    {
        string page = File.ReadAllText(Path.Combine(Machine.Root, "docs", "compatibility.md"));
        int start = page.IndexOf($"## What `{command}` prints otherwise", StringComparison.Ordinal);
        int end = page.IndexOf("\n## ", start + 1, StringComparison.Ordinal) is >= 0 and var next ? next : page.Length;
        string[] keywords = [.. Row().Matches(page[start..end]).Select(row => row.Groups[1].Value)];
        Assert.NotEmpty(keywords);
        return keywords;
    }

    [GeneratedRegex(@"^\| `([a-z0-9*]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
