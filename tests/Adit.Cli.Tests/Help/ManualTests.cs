using Adit.Cli.CommandLine;
using Adit.Cli.Commands;
using Adit.Cli.Help;
using Adit.Ssh;

namespace Adit.Cli.Tests.Help;

public sealed class ManualTests
{
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    public static TheoryData<string> Pages { get; } = ["adit", "ssh", "sshd", "keygen", "sshd_config"];

    /// <summary>What the parser takes and what the page tells of are the same flags, with and without values.</summary>
    [Theory]
    [InlineData("ssh")]
    [InlineData("sshd")]
    [InlineData("keygen")]
    public void EveryFlagOfTheParserHasARow(string command)
    {
        var rows = ManCommand.Find(command)!.Rows.ToList();
        var told = rows.SelectMany(row => row.Names, (row, name) => (Name: name, row.Value)).Where(flag => flag.Name.Length == 2).ToDictionary(flag => flag.Name[1], flag => flag.Value is not null);
        Assert.Equal(rows.SelectMany(row => row.Names).Count(), rows.SelectMany(row => row.Names).Distinct().Count()); // none twice
        foreach (var letter in Letters)
        {
            var error = ErrorOf(command, letter);
            var isFlag = error is null || !error.StartsWith("unknown option", StringComparison.Ordinal);
            Assert.True(isFlag == told.ContainsKey(letter), $"-{letter}: {(isFlag ? "has no row" : "has a row and is no flag")}");
            if (isFlag)
            {
                var takesValue = error?.StartsWith("option requires an argument", StringComparison.Ordinal) == true;
                Assert.True(takesValue == told[letter], $"-{letter} {(takesValue ? "takes a value" : "takes no value")}");
            }
        }
    }

    [Fact]
    public void AValuePerFlagIsProposedWhereThereIsAChoice() =>
        Assert.All(new[] { SshHelp.Manual, SshdCommandHelp.Manual, KeygenHelp.Manual }.SelectMany(manual => manual.Rows), row =>
        {
            Assert.Equal(row.Kind is ValueKind.Choice or ValueKind.Choices or ValueKind.Keyword, row.Choices is not null);
            Assert.False(string.IsNullOrWhiteSpace(row.Brief));
            Assert.True(row.Value is not null || row.Kind == ValueKind.Free);
        });

    /// <summary>The same words on both pages, but for the formatter's marks.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void HelpAndManualTellTheSame(string name)
    {
        var manual = ManCommand.Find(name)!;
        var help = OneLine(HelpPage.Write(manual));
        var roff = OneLine(ManPage.Write(manual, "1.2.3").Replace("\\-", "-", StringComparison.Ordinal).Replace("\\(aq", "'", StringComparison.Ordinal).Replace("\\(ti", "~", StringComparison.Ordinal)
            .Replace("\\(ha", "^", StringComparison.Ordinal).Replace("\\&", "", StringComparison.Ordinal).Replace("\\e", "\\", StringComparison.Ordinal));
        Assert.All(manual.Rows, row =>
        {
            Assert.Contains(OneLine(row.Text), help, StringComparison.Ordinal);
            Assert.Contains(OneLine(row.Text), roff, StringComparison.Ordinal);
        });
        Assert.StartsWith(".\\\"", ManPage.Write(manual, "1.2.3"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void HelpFitsATerminal(string name) =>
        Assert.All(HelpPage.Write(ManCommand.Find(name)!).Split('\n'), line => Assert.True(line.Length <= 110, line));

    [Fact]
    public void ALineOfRoffNeverBeginsAsARequest()
    {
        var manual = new Manual("x", 1, "y", "x", "Words and .SH words and 'br and more words so that the line is broken in several places, .at the dots .as .well .as .it .can .be .done .here")
        {
            Sections = [new("S", ".first\n\n  .as it is\n  'too")],
        };
        var requests = ManPage.Write(manual, "1").Split('\n').Where(line => line.StartsWith('.') || line.StartsWith('\'')).Select(line => line.Split(' ')[0]).Distinct();
        Assert.Subset(new HashSet<string> { ".\\\"", ".TH", ".SH", ".SS", ".TP", ".IP", ".PP", ".RS", ".RE", ".nf", ".fi", ".BR" }, requests.ToHashSet());
    }

    private static string OneLine(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>What the parser says about the flag alone, where it says something of the kind that is asked for here.</summary>
    private static string? ErrorOf(string command, char letter)
    {
        try
        {
            string[] line = ["-" + letter];
            _ = command switch
            {
                "ssh" => (object)SshArgumentParser.Parse(line),
                "sshd" => SshdCommandLine.Parse(line),
                _ => KeygenOptions.Parse(line),
            };
            return null;
        }
        catch (Exception error) when (error is UsageException or SshException)
        {
            return error.Message;
        }
    }
}
