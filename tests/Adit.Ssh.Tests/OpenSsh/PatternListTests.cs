using System.Text.RegularExpressions;
using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

public class PatternListTests
{
    [Theory]
    [InlineData("host", "host", true)]
    [InlineData("host", "h*", true)]
    [InlineData("host", "*", true)]
    [InlineData("", "*", true)]
    [InlineData("", "", true)]
    [InlineData("", "?", false)]
    [InlineData("host", "h?st", true)]
    [InlineData("host", "????", true)]
    [InlineData("host", "?????", false)]
    [InlineData("host", "*?t", true)]
    [InlineData("a.b.example.com", "*.example.com", true)]
    [InlineData("example.com", "*.example.com", false)]
    [InlineData("abcabd", "*ab?", true)]
    [InlineData("xaybzb", "*a?b*b", true)]
    [InlineData("aab", "*?ab", true)]
    [InlineData("ab", "a*b*b", false)]
    [InlineData("host", "[h]ost", false)]
    [InlineData("HOST", "host", false)]
    public void A_pattern_matches_the_whole_text(string text, string pattern, bool expected) =>
        Assert.Equal(expected, PatternList.MatchPattern(text, pattern));

    [Theory]
    [InlineData("host", "other,host", PatternMatch.Matched)]
    [InlineData("host", "host,!host", PatternMatch.Negated)]
    [InlineData("host", "!host,host", PatternMatch.Negated)]
    [InlineData("host", "!host", PatternMatch.Negated)]
    [InlineData("host", "!other", PatternMatch.None)]
    [InlineData("host", "!other,*", PatternMatch.Matched)]
    [InlineData("host", "", PatternMatch.None)]
    [InlineData("", "", PatternMatch.Matched)]
    public void A_negated_match_wins_wherever_it_stands(string text, string list, PatternMatch expected) =>
        Assert.Equal(expected, PatternList.Match(text, list));

    [Fact]
    public void Host_names_are_compared_without_case() => Assert.True(PatternList.MatchesHost("Example.COM", "*.ORG,exAmple.*"));

    [Fact]
    public void It_agrees_with_a_regular_expression()
    {
        var random = new Random(20240601);
        for (int i = 0; i < 5_000; i++)
        {
            string text = Random(random, "ab", 12), pattern = Random(random, "ab*?", 10);
            bool expected = Regex.IsMatch(text, "^" + pattern.Replace("*", ".*").Replace("?", ".") + "$");
            Assert.True(expected == PatternList.MatchPattern(text, pattern), $"{text} ~ {pattern}");
        }
    }

    // INVARIANTS 30: no pattern takes more than text × pattern steps.
    [Fact]
    public void Stars_do_not_blow_up()
    {
        string text = new('a', 4000);
        string pattern = string.Concat(Enumerable.Repeat("*a", 1900)) + "*b";
        Quickly.Run(() => Assert.False(PatternList.MatchPattern(text, pattern)));
    }

    [Theory]
    [InlineData("10.1.2.3", "10.0.0.0/8", PatternMatch.Matched)]
    [InlineData("11.1.2.3", "10.0.0.0/8", PatternMatch.None)]
    [InlineData("10.1.2.3", "10.0.0.0/8,!10.1.0.0/16", PatternMatch.Negated)]
    [InlineData("10.1.2.3", "!10.1.0.0/16,10.0.0.0/8", PatternMatch.Negated)]
    [InlineData("10.1.2.3", "10.1.*", PatternMatch.Matched)]
    [InlineData("10.1.2.3", "10.1.2.3", PatternMatch.Matched)]
    [InlineData("10.1.2.3", "0.0.0.0/0", PatternMatch.Matched)]
    [InlineData("::1", "0.0.0.0/0", PatternMatch.None)]
    [InlineData("2001:db8::7", "2001:db8::/32", PatternMatch.Matched)]
    [InlineData("2001:DB8:0::7", "2001:db8::7", PatternMatch.Matched)]
    [InlineData("::ffff:10.1.2.3", "10.0.0.0/8", PatternMatch.Matched)]
    [InlineData("UNKNOWN", "127.0.0.1,::1", PatternMatch.None)]
    [InlineData("UNKNOWN", "*", PatternMatch.Matched)]
    [InlineData("UNKNOWN", "0.0.0.0/0", PatternMatch.None)]
    [InlineData("0.0.0.10", "10", PatternMatch.None)]
    public void Address_lists_take_networks_patterns_and_negation(string address, string list, PatternMatch expected) =>
        Assert.Equal(expected, AddressPatternList.Parse(list).Match(address));

    [Theory]
    [InlineData("10.0.1.0/8", false)]
    [InlineData("2001:db8::1/32", false)]
    [InlineData("", false)]
    [InlineData("10.0.0.0/8,", false)]
    [InlineData("!", false)]
    [InlineData("10.*", true)]
    [InlineData("!10.0.0.0/8", true)]
    [InlineData("host", true)]
    [InlineData("10.0.0.0/33", true)]
    [InlineData("10.0.0.0/", true)]
    [InlineData("10.0.0.0/-1", true)]
    public void A_bad_entry_is_an_error(string list, bool networksOnly) =>
        Assert.Equal(SshError.Configuration, Assert.Throws<SshException>(() => AddressPatternList.Parse(list, networksOnly)).Error);

    private static string Random(Random random, string alphabet, int maxLength) =>
        new(Enumerable.Range(0, random.Next(maxLength + 1)).Select(_ => alphabet[random.Next(alphabet.Length)]).ToArray());
}
