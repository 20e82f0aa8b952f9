using Adit.Cli.Terminal;

namespace Adit.Cli.Tests.Terminal;

public class ControllingTerminalTests
{
    [Fact]
    public async Task A_secret_is_read_and_not_shown()
    {
        await using var person = new PseudoTerminal();
        using var terminal = ControllingTerminal.TryOpen(person.Path)!;
        var asking = terminal.AskAsync("alice@host's password: ", echo: false, CancellationToken.None);
        await person.WaitForAsync("password: ");
        Assert.False(PseudoTerminal.Echoes(person.Path));
        person.Type("s3cret wörd\n");
        Assert.Equal("s3cret wörd", await asking);
        Assert.True(PseudoTerminal.Echoes(person.Path));
        Assert.DoesNotContain("s3cret", person.Screen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_open_question_shows_its_answer()
    {
        await using var person = new PseudoTerminal();
        using var terminal = ControllingTerminal.TryOpen(person.Path)!;
        var asking = terminal.AskAsync("(yes/no)? ", echo: true, CancellationToken.None);
        await person.WaitForAsync("(yes/no)? ");
        person.Type("yes\n");
        Assert.Equal("yes", await asking);
        await person.WaitForAsync("yes");
    }

    [Fact]
    public async Task Cancelling_ends_the_question_and_brings_the_echo_back()
    {
        await using var person = new PseudoTerminal();
        using var terminal = ControllingTerminal.TryOpen(person.Path)!;
        using var cancel = new CancellationTokenSource();
        var asking = terminal.AskAsync("password: ", echo: false, cancel.Token);
        await person.WaitForAsync("password: ");
        await cancel.CancelAsync();
        Assert.Null(await asking);
        Assert.True(PseudoTerminal.Echoes(person.Path));
    }

    [Theory]
    [InlineData("\u0004", null)] // Ctrl-D on an empty line: nobody answers
    [InlineData("\n", "")]
    public async Task Knows_no_answer_from_an_empty_one(string typed, string? answer)
    {
        await using var person = new PseudoTerminal();
        using var terminal = ControllingTerminal.TryOpen(person.Path)!;
        var asking = terminal.AskAsync("? ", echo: false, CancellationToken.None);
        await person.WaitForAsync("? ");
        person.Type(typed);
        Assert.Equal(answer, await asking);
    }

    [Fact]
    public void Without_a_terminal_there_is_none() => Assert.Null(ControllingTerminal.TryOpen("/nonexistent"));
}
