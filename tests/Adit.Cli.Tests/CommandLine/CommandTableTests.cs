using Adit.Cli.CommandLine;
using Adit.Cli.Commands;

namespace Adit.Cli.Tests.CommandLine;

public class CommandTableTests
{
    [Theory]
    [InlineData("shs", "ssh")]
    [InlineData("sshh", "ssh")]
    [InlineData("keygn", "keygen")]
    [InlineData("dmeo", "demo")]
    [InlineData("ver", "version")]
    [InlineData("xyzzy", null)]
    [InlineData("", null)]
    public void Suggests_the_nearest_command(string word, string? expected) => Assert.Equal(expected, CommandTable.Nearest(word));

    [Fact]
    public void Finds_every_command_it_lists()
    {
        foreach (var name in CommandTable.Names.Except(["help", "version"]))
        {
            Assert.Equal(name, CommandTable.Find(name)?.Name);
        }
    }

    // INVARIANTS 28: what cannot be typed cannot reach the terminal.
    [Theory]
    [InlineData("plain text, ünïcödé, 😀", "plain text, ünïcödé, 😀")]
    [InlineData("\e[2Jgone", @"\033[2Jgone")]
    [InlineData("a\r\nb", @"a\015\012b")]
    [InlineData("\u009b31m", @"\23331m")]
    [InlineData("x\u202etxt", @"x\u202etxt")]
    [InlineData("\0\a\b\u007f", @"\000\007\010\177")]
    public void Escapes_what_would_drive_a_terminal(string text, string expected) => Assert.Equal(expected, TerminalText.Escape(text));

    [Fact]
    public void Escapes_lone_surrogates_and_bounds_length()
    {
        Assert.Equal(@"\ud83d!", TerminalText.Escape("\ud83d!"));
        Assert.True(TerminalText.Escape(new string('x', 1_000_000)).Length < 20_000);
        Assert.Equal("a\nb", TerminalText.Escape("a\nb", keepLines: true));
    }
}
