using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

public class SmallFormatTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("90", 90)]
    [InlineData("10s", 10)]
    [InlineData("1h30m", 5400)]
    [InlineData("1H30M5", 5405)]
    [InlineData("2d", 172800)]
    [InlineData("1w1d", 691200)]
    public void Times(string text, int seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), TimeFormat.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("m")]
    [InlineData("1x")]
    [InlineData("-1")]
    [InlineData("1 m")]
    [InlineData("1.5m")]
    [InlineData("99999999999999999999")]
    [InlineData("4000w")]
    [InlineData("2147483647s1s")]
    public void Bad_times(string text) => Assert.Throws<SshException>(() => TimeFormat.Parse(text));

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(5400, "1h30m")]
    [InlineData(691201, "1w1d1s")]
    public void Times_are_written_short(int seconds, string text) => Assert.Equal(text, TimeFormat.Format(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("0", 0)]
    [InlineData("16", 16)]
    [InlineData("1K", 1024)]
    [InlineData("1k", 1024)]
    [InlineData("1.5G", 1610612736)]
    [InlineData("4g", 4294967296)]
    public void Sizes(string text, long bytes)
    {
        Assert.True(SizeFormat.TryParse(text, out long value));
        Assert.Equal(bytes, value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("-1")]
    [InlineData("1KK")]
    [InlineData("1.2.3")]
    [InlineData("9E")]
    [InlineData("99999999999999999999")]
    public void Bad_sizes(string text) => Assert.False(SizeFormat.TryParse(text, out _));

    [Fact]
    public void Ports_by_number_or_service_name()
    {
        Assert.True(PortFormat.TryParse("ssh", out int port) && port == 22);
        Assert.True(PortFormat.TryParse("65535", out port) && port == 65535);
        Assert.False(PortFormat.TryParse("65536", out _));
        Assert.False(PortFormat.TryParse("22x", out _));
        Assert.False(PortFormat.TryParse("", out _));
        Assert.Empty(PortFormat.ReadServices("/nonexistent"));
    }

    [Theory]
    [InlineData("a b\tc", "a|b|c")]
    [InlineData("  a  ", "a")]
    [InlineData("\"a b\" 'c d'", "a b|c d")]
    [InlineData("a\"b c\"d", "ab cd")]
    [InlineData("a\\ b", "a b")]
    [InlineData("'a\\ b'", "a\\ b")]
    [InlineData("a\\\\b \\x", "a\\b|\\x")]
    [InlineData("\"a\\\"b\"", "a\"b")]
    [InlineData("a #c", "a")]
    [InlineData("a#b", "a#b")]
    [InlineData("\"#a\" b", "#a|b")]
    [InlineData("\"\" a", "|a")]
    [InlineData("# all", "")]
    public void Arguments_split_at_blanks_outside_quotes(string text, string words)
    {
        Assert.True(OpenSshLexer.TrySplit(text, comments: true, out var split));
        Assert.Equal(words, string.Join('|', split));
    }

    [Fact]
    public void An_open_quote_is_an_error()
    {
        Assert.False(OpenSshLexer.TrySplit("a \"b", comments: true, out _));
        Assert.False(OpenSshLexer.TrySplit("a 'b\"", comments: true, out _));
        Assert.True(OpenSshLexer.TrySplit("a #b", comments: false, out var words) && words.Count == 2);
    }

    [Theory]
    [InlineData("Host a", "Host", "a")]
    [InlineData("Host=a", "Host", "a")]
    [InlineData("Host = a", "Host", "a")]
    [InlineData("\tHost\t=\t=a", "Host", "=a")]
    [InlineData("Host\"a b\"", "Hosta b", "")]
    [InlineData("\"Host\" a", "Host", "a")]
    [InlineData("Host", "Host", "")]
    [InlineData("  # x", "", "")]
    [InlineData("Host a \r\f", "Host", "a")]
    [InlineData("", "", "")]
    public void The_keyword_ends_at_a_blank_or_an_equals_sign(string line, string keyword, string rest)
    {
        OpenSshLexer.SplitKeyword(line, out string k, out var r);
        Assert.Equal((keyword, rest), (k, r.ToString()));
    }

    [Fact]
    public void Tokens_and_variables_expand_once()
    {
        var expander = new TokenExpander(new Dictionary<char, string> { ['h'] = "%p$(x)", ['p'] = "22" }, name => name == "A" ? "%h" : null);
        Assert.Equal("%p$(x):22 100%", expander.Expand("%h:%p 100%%"));
        Assert.Equal("%h-22", expander.ExpandWithEnvironment("${A}-%p"));
        Assert.Equal("${A}", expander.Expand("${A}"));
        Assert.Equal("%p %h", TokenExpander.ExpandEnvironment("%p ${A}", name => "%h"));
    }

    [Theory]
    [InlineData("%z", "unknown key %z")]
    [InlineData("%", "invalid format")]
    [InlineData("${B}", "env var ${B} has no value")]
    [InlineData("${", "environment variable '${' missing closing '}'")]
    [InlineData("${}", "zero-length environment variable")]
    [InlineData("%r", "unknown key %r")]
    public void What_cannot_be_expanded_is_named(string text, string message)
    {
        var expander = new TokenExpander(new Dictionary<char, string> { ['h'] = "host", ['r'] = "user" }, _ => null).Only("h");
        Assert.StartsWith($"vdollar_percent_expand: {message}\n", Assert.Throws<SshException>(() => expander.ExpandWithEnvironment(text)).Message);
    }

    [Fact]
    public void Tilde_is_a_home_directory()
    {
        static string? Home(string user) => user switch { "" => "/home/me", "root" => "/root/", _ => null };
        Assert.Equal("/home/me/.ssh", TokenExpander.ExpandTilde("~/.ssh", Home));
        Assert.Equal("/root/x", TokenExpander.ExpandTilde("~root/x", Home));
        Assert.Equal("/home/me", TokenExpander.ExpandTilde("~", Home));
        Assert.Equal("a/~b", TokenExpander.ExpandTilde("a/~b", Home));
        Assert.Throws<SshException>(() => TokenExpander.ExpandTilde("~nobody-here/x", Home));
    }
}
