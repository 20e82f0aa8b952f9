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
}
