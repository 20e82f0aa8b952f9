using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Wire;

/// <summary>INVARIANTS 28: control characters from a peer are escaped.</summary>
public class PeerTextTests
{
    [Theory]
    [InlineData("plain text", "plain text")]
    [InlineData("tab\tstays, ümläut and 😀 too", "tab\tstays, ümläut and 😀 too")]
    [InlineData("\u001b[31mred\u0007", @"\033[31mred\007")]
    [InlineData("a\r\nb", @"a\015\012b")]
    [InlineData("\u007f\u009b", @"\177\233")]
    [InlineData("\u202e\u200b\ufeff\u2028", @"\u202e\u200b\ufeff\u2028")]
    [InlineData("\0", @"\000")]
    public void Escapes_what_could_steer_a_terminal(string text, string expected) => Assert.Equal(expected, PeerText.Escape(text));

    [Fact]
    public void Keeps_lines_where_asked()
    {
        Assert.Equal("a\nb\n", PeerText.Escape("a\r\nb\n", keepLines: true));
        Assert.Equal(@"a\015b", PeerText.Escape("a\rb", keepLines: true)); // a lone carriage return overwrites a line
    }

    [Fact]
    public void Escapes_lone_surrogates()
    {
        Assert.Equal(@"a\ud83d", PeerText.Escape("a\ud83d"));
        Assert.Equal(@"\ude00a", PeerText.Escape("\ude00a"));
    }

    [Fact]
    public void Cuts_long_text_between_characters()
    {
        Assert.Equal("aaa…", PeerText.Escape(new string('a', 10), maxLength: 3));
        Assert.Equal("aa…", PeerText.Escape("aa😀", maxLength: 3));
        Assert.Equal("aaa", PeerText.Escape("aaa", maxLength: 3));
    }

    [Fact]
    public void Nothing_dangerous_survives_any_text()
    {
        var random = new Random(28);
        for (int i = 0; i < 2000; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => (char)random.Next(random.Next(2) == 0 ? 0x120 : 0x10000)));
            string escaped = PeerText.Escape(text, 30);
            Assert.DoesNotContain(escaped, c => char.IsControl(c) && c != '\t');
            Assert.True(escaped.Length <= (30 * 6) + 1);
        }
    }
}
