using System.Text;
using Adit.Cli.Sessions;

namespace Adit.Cli.Tests.Sessions;

public sealed class EscapeFilterTests
{
    [Theory]
    [InlineData("ls\r", "ls\r", "")]
    [InlineData("~.", "", ".")] // the beginning counts as a line's
    [InlineData("a~.", "a~.", "")]
    [InlineData("a\r~.", "a\r", ".")]
    [InlineData("a\n~.", "a\n", ".")]
    [InlineData("~~.", "~.", "")]
    [InlineData("~~\r~.", "~\r", ".")]
    [InlineData("~x", "~x", "")]
    [InlineData("~\r~.", "~\r", ".")]
    [InlineData("~B~R~#~?~C~&~I~v~V~\u001a", "", "BR#?C&IvV\u001a")] // after a command the line still begins
    [InlineData("~?a~?", "a~?", "?")]
    [InlineData("~", "", "")] // what it means is not known yet
    public void Commands_are_found_at_the_beginning_of_a_line(string typed, string sent, string commands) =>
        Assert.Equal((sent, commands), Run((byte)'~', [Encoding.Latin1.GetBytes(typed)]));

    [Fact]
    public void Another_character_may_be_chosen()
    {
        Assert.Equal(("~.\r", "."), Run(0x1d, [[.. "~.\r"u8, 0x1d, (byte)'.']]));
        Assert.Equal(("\u001d", ""), Run(0x1d, [[0x1d, 0x1d]]));
    }

    // Even a character that is a command's letter too can be typed.
    [Fact]
    public void An_escape_character_that_is_a_command_sends_itself_when_typed_twice() => Assert.Equal(("B", ""), Run((byte)'B', ["BB"u8.ToArray()]));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Where_the_input_is_cut_makes_no_difference(int seed)
    {
        var random = new Random(seed);
        var alphabet = "~~~\r\n.BRx\u001a?"u8.ToArray();
        for (var round = 0; round < 2000; round++)
        {
            var typed = random.GetItems(alphabet, random.Next(40));
            var pieces = new List<byte[]>();
            for (var at = 0; at < typed.Length;)
            {
                var count = random.Next(1, typed.Length - at + 1);
                pieces.Add(typed[at..(at + count)]);
                at += count;
            }

            Assert.Equal(Run((byte)'~', [typed]), Run((byte)'~', pieces));
        }
    }

    private static (string Sent, string Commands) Run(byte escape, IReadOnlyList<byte[]> pieces)
    {
        var filter = new EscapeFilter(escape);
        var sent = new List<byte>();
        var commands = new List<byte>();
        foreach (var piece in pieces)
        {
            ReadOnlySpan<byte> rest = piece;
            while (!rest.IsEmpty)
            {
                var output = new byte[rest.Length + 1];
                rest = rest[filter.Filter(rest, output, out var written, out var command)..];
                sent.AddRange(output.AsSpan(0, written));
                if (command is { } one)
                {
                    commands.Add(one);
                }
            }
        }

        return (Encoding.Latin1.GetString([.. sent]), Encoding.Latin1.GetString([.. commands]));
    }
}
