using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Commands;
using Adit.Server.Configuration;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Diagnostics;

/// <summary>Writes docs/compatibility.md: what became of every flag and every keyword, out of the tables that the program itself goes by. A test holds that the page
/// is the one in the repository.</summary>
internal static class CompatibilityPage
{
    private const string Works = "works";
    private const string Inert = "accepted, no effect";
    private const string Refused = "refused by name";

    /// <summary>One line of a table.</summary>
    /// <param name="Name">The flag or keyword.</param>
    /// <param name="State">One of four words.</param>
    /// <param name="Note">Why, or what differs.</param>
    private sealed record Row(string Name, string State, string Note);

    public static string Write()
    {
        var page = new StringBuilder(
            """
            # Compatibility with OpenSSH

            Every flag and every keyword, and what this version does with it. This page is generated from the program's own tables
            (`src/Adit.Cli/Diagnostics/CompatibilityPage.cs`); a test fails when it is not what they say. To write it anew:
            `ADIT_WRITE_DOCS=1 dotnet test tests/Adit.Cli.Tests --filter CompatibilityPageTests`.

            - **works**: does what OpenSSH's manual says.
            - **accepted, no effect**: taken, so that configurations and scripts go on working; nothing here could obey it. Where that could be missed, a warning tells.
            - **refused by name**: ends the run with an error that names it, since going on without it would not be what was asked for.


            """);
        Section(page, "Flags of ssh", "flag", SshFlags.All.Select(Describe));
        Section(page, "Keywords of ssh_config", "keyword", [.. Blocks("Host", "Match", "Include"), .. SshConfigKeywords.All.Select(Describe)]);
        Differences(page, "What `ssh -G` prints otherwise",
            "Everything else is the same as OpenSSH 9.2's, line by line; tests compare the two, over a corpus and over random configurations.", ChosenDifferences.Client);
        Differences(page, "What command lines do otherwise",
            "Thousands of odd command lines were tried on OpenSSH 9.2 and on this. What they do otherwise on purpose is here. Lines that begin with `adit: ` follow a message and say what to try.",
            ChosenDifferences.CommandLine, "command line");
        Differences(page, "What lines of ssh_config do otherwise",
            "Every keyword was tried with odd values: none, too many, words that are none, numbers out of range, quotes that do not close. Both take and refuse the same, in the same words, but for these.",
            ChosenDifferences.ClientLines, "line");
        Section(page, "Keywords of sshd_config", "keyword", [.. Blocks("Match", "Include"), .. SshdKeywordTable.All.Select(Describe)]);
        Differences(page, "What `sshd -T` prints otherwise", "", ChosenDifferences.Server);
        Differences(page, "What lines of sshd_config do otherwise", "Tried like those of ssh_config, with `-t`.", ChosenDifferences.ServerLines, "line");
        Differences(page, "What sshd logs otherwise",
            "The lines at INFO and VERBOSE are OpenSSH's, word by word, but for these; a test makes the same logins at both servers and compares what they log.", ChosenDifferences.ServerLog, "line");
        page.Append(
            $"""
            ## What `-V` prints

            `ssh -V` and `sshd -V` print `Adit_VERSION (compatible with {Overview.CompatibleWith}), …` on standard error, in whatever form they are called. Programs that ask for the version look
            for `OpenSSH_` and two numbers in it, to know whether `StrictHostKeyChecking=accept-new` (7.6) or `SSH_ASKPASS_REQUIRE` (8.4) can be used, and find those of the
            version that is followed. One that wants them at the very beginning takes this for an ssh it does not know. `Match version` sees the same text. On the wire
            the program calls itself `OpenSSH.compatible.Adit_VERSION`: OpenSSH's peers take the beginning for a sign that extensions of theirs are known
            (`ssh host yes | head` ends with them), and no version of OpenSSH's is claimed ([adr/0010](adr/0010-name-on-the-wire.md)).

            """);
        return page.ToString().TrimEnd('\n') + "\n";
    }

    private static void Section(StringBuilder page, string title, string what, IEnumerable<Row> rows)
    {
        page.Append($"## {title}\n\n| {what} | state | notes |\n| --- | --- | --- |\n");
        foreach (var row in rows)
        {
            page.Append($"| `{row.Name}` | {row.State} | {Cell(row.Note)} |\n");
        }

        page.Append('\n');
    }

    private static void Differences(StringBuilder page, string title, string text, IReadOnlyList<ChosenDifference> rows, string what = "keyword")
    {
        if (rows.Count == 0)
        {
            return;
        }

        page.Append($"## {title}\n\n{(text.Length > 0 ? $"{text}\n\n" : "")}| {what} | OpenSSH | Adit | why |\n| --- | --- | --- | --- |\n");
        foreach (var row in rows)
        {
            page.Append($"| `{row.Keyword}` | {Cell(row.Theirs)} | {Cell(row.Ours)} | {Cell(row.Why)} |\n");
        }

        page.Append('\n');
    }

    private static IEnumerable<Row> Blocks(params string[] names) => names.Select(name => new Row(name, Works, ""));

    private static Row Describe(SshFlag flag)
    {
        var keyword = flag.Keyword is { } name ? SshConfigKeywords.Find(name) : null;
        var state = flag.State switch
        {
            FlagState.Accepted => Inert,
            FlagState.Refused => Refused,
            _ => keyword is null ? Works : StateOf(keyword),
        };
        var value = flag.Value is null ? "" : $" {flag.Value}";
        return new Row($"-{flag.Letter}{value}", state, flag.Note is null ? flag.Meaning : $"{flag.Meaning}: {flag.Note}");
    }

    private static Row Describe(SshConfigKeyword keyword) => new(keyword.Name, StateOf(keyword), Notes(keyword.Note, keyword.Aliases));

    private static string StateOf(SshConfigKeyword keyword) => keyword.Support switch
    {
        SshConfigSupport.Supported => Works,
        SshConfigSupport.Refused => Refused,
        SshConfigSupport.Unsupported => $"{Inert} (warning)",
        _ => Inert,
    };

    private static Row Describe(SshdKeyword keyword) => new(keyword.Name, keyword.Support switch
    {
        KeywordSupport.Effective => Works,
        KeywordSupport.NoEffect => Inert,
        KeywordSupport.RefusedYet => Refused,
        KeywordSupport.Unsupported => $"{Inert} (logged)",
        _ => Inert,
    }, Notes(keyword.Support == KeywordSupport.RefusedYet && keyword.HarmlessValues.Count > 0 ? $"accepted: {string.Join(", ", keyword.HarmlessValues)}" : keyword.Note, keyword.Aliases));

    private static string Notes(string? note, IReadOnlyList<string> aliases)
    {
        var also = aliases.Count == 0 ? null : $"also written {string.Join(", ", aliases.Select(alias => $"`{alias}`"))}";
        return string.Join("; ", new[] { note, also }.OfType<string>());
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
