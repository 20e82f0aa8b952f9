using System.Text;
using Adit.Cli.Multiplexing;

namespace Adit.Cli.Tests.Multiplexing;

/// <summary>Escapes in what a passenger types, and the modes of a terminal.</summary>
public sealed class PassengerEscapesTests
{
    [Theory]
    [InlineData("plain ~. text\n", "plain ~. text\n", "")] // not at a line's start
    [InlineData("~.", "", "End")]
    [InlineData("a\r~.b", "a\rb", "End")]
    [InlineData("~~x", "~x", "")]
    [InlineData("~x", "~x", "")]
    [InlineData("~~.", "~.", "")]
    [InlineData("~?~B~.", "", "Help Break End")]
    [InlineData("~C~#\u001a", "\u001a", "Unavailable Unavailable")]
    [InlineData("~\u001a", "", "Unavailable")]
    [InlineData("a\n~", "a\n", "")]
    public void They_are_found_whatever_the_pieces(string typed, string sent, string found)
    {
        Assert.Equal((sent, found), Run(typed, typed.Length));
        Assert.Equal((sent, found), Run(typed, 1));
    }

    [Fact]
    public void Modes_are_written_as_RFC_4254_says()
    {
        var termios = new byte[60];
        termios[17] = 3; // Ctrl-C interrupts
        termios[12] = 0x8; // ECHO
        termios[8] = 0x30; // CS8
        termios[56] = 15; // 38400
        var modes = PassedTerminal.Encode(termios);
        Assert.Equal(0, modes[^1]);
        var values = modes[..^1].Chunk(5).ToDictionary(mode => mode[0], mode => (mode[1] << 24) | (mode[2] << 16) | (mode[3] << 8) | mode[4]);
        Assert.Equal((3, 255, 1, 0, 1, 38400), (values[1], values[2], values[53], values[50], values[91], values[129]));
    }

    private static (string Sent, string Found) Run(string typed, int piece)
    {
        var escapes = new PassengerEscapes('~');
        var sent = new StringBuilder();
        var found = new List<PassengerEscape>();
        foreach (var part in Encoding.ASCII.GetBytes(typed).Chunk(Math.Max(1, piece)))
        {
            for (var rest = part.AsSpan(); !rest.IsEmpty;)
            {
                var room = new byte[rest.Length + 1];
                if (escapes.Filter(rest, room, out var taken, out var count) is not PassengerEscape.None and var one)
                {
                    found.Add(one);
                }

                sent.Append(Encoding.ASCII.GetString(room, 0, count));
                rest = rest[taken..];
            }
        }

        return (sent.ToString(), string.Join(' ', found));
    }
}
