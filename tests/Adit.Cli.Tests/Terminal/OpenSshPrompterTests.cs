using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Interop.Tests.Harness;

namespace Adit.Cli.Tests.Terminal;

public class OpenSshPrompterTests
{
    [Theory]
    [InlineData(null, null, false, false)]
    [InlineData(null, ":0", false, true)]
    [InlineData("force", null, true, true)]
    [InlineData("FORCE", ":0", true, true)]
    [InlineData("prefer", null, false, false)]
    [InlineData("prefer", ":0", true, true)]
    [InlineData("never", ":0", false, false)]
    [InlineData("whatever", ":0", false, true)]
    public void Chooses_between_terminal_and_program_as_ssh_does(string? require, string? display, bool use, bool allow) =>
        Assert.Equal((use, allow), OpenSshPrompter.Choose(name => name switch { "SSH_ASKPASS_REQUIRE" => require, "DISPLAY" => display, _ => null }));

    [Theory]
    [InlineData("echo \"got: $1\"", "got: who?; $(id)")] // the question is an argument; no shell reads it
    [InlineData("printf 'secret\\r\\nmore\\n'", "secret")]
    [InlineData("printf 'no line end'", "no line end")]
    [InlineData("printf ''", "")]
    [InlineData("echo x; exit 1", null)]
    public async Task Takes_the_first_line_of_the_program(string script, string? answer)
    {
        using var program = new TemporaryFile("");
        ScriptFile.Write(program.Path, $"#!/bin/sh\n{script}\n");
        using var prompter = new OpenSshPrompter(new LogOutput(_ => { }), Force(program.Path));
        Assert.Equal(answer, await prompter.AskAsync("who?; $(id)", echo: false, CancellationToken.None));
    }

    [Fact]
    public async Task A_program_that_is_missing_is_told_and_answers_nothing()
    {
        var written = "";
        using var prompter = new OpenSshPrompter(new LogOutput(text => written += text), Force("/nonexistent/askpass"));
        Assert.Null(await prompter.AskAsync("?", echo: false, CancellationToken.None));
        Assert.StartsWith("ssh_askpass: exec(/nonexistent/askpass): ", written, StringComparison.Ordinal);
    }

    private static Func<string, string?> Force(string program) =>
        name => name switch { "SSH_ASKPASS_REQUIRE" => "force", "SSH_ASKPASS" => program, _ => null };
}
