using Adit.Cli.CommandLine;

namespace Adit.Cli.Tests.CommandLine;

public class DestinationTests
{
    [Theory]
    [InlineData("host", null, "host", null)]
    [InlineData("alice@host", "alice", "host", null)]
    [InlineData("alice@corp@host", "alice@corp", "host", null)]
    [InlineData("::1", null, "::1", null)]
    [InlineData("a@[::1]", "a", "::1", null)]
    [InlineData("host:22", null, "host:22", null)] // not a port: ssh would try to resolve it
    [InlineData("ssh://host", null, "host", null)]
    [InlineData("ssh://host/", null, "host", null)]
    [InlineData("SSH://host:2222/", null, "host", 2222)]
    [InlineData("ssh://alice@host:2222", "alice", "host", 2222)]
    [InlineData("ssh://u%41%40x@host", "uA@x", "host", null)]
    [InlineData("ssh://u;fingerprint=x@host", "u", "host", null)]
    [InlineData("ssh://a:b@host:1", "a:b", "host", 1)]
    [InlineData("ssh://[::1]:22", null, "::1", 22)]
    [InlineData("ssh://host:", null, "host", null)] // no port is no error
    [InlineData("ssh://host:+22", null, "host", 22)] // as strtonum(3) reads it
    [InlineData("ssh://host:ssh", null, "host", 22)]
    [InlineData("", null, "", null)] // a variable that is not set: no such host, says ssh
    [InlineData("alice@", "alice", "", null)]
    [InlineData("ssh://[fe80::1%25eth0]", null, "fe80::1%25eth0", null)]
    public void Takes_both_forms(string text, string? user, string host, int? port) =>
        Assert.Equal(new Destination(user, host, port), Destination.Parse(text));

    [Theory]
    [InlineData("@host")]
    [InlineData("ssh://")]
    [InlineData("ssh://@host")]
    [InlineData("ssh://host/path")]
    [InlineData("ssh://host:0")]
    [InlineData("ssh://host:65536")]
    [InlineData("ssh://host:nosuchservice")]
    [InlineData("ssh://host?query")]
    [InlineData("ssh://-host")]
    [InlineData("ssh://host%41")]
    [InlineData("ssh://host:22:23")]
    [InlineData("ssh://a%zz@host")]
    [InlineData("ssh://a%00b@host")]
    [InlineData("ssh://[::1]x")]
    public void Answers_anything_else_with_the_usage(string text) => Assert.Null(Destination.Parse(text));

    // INVARIANTS 28: nothing that a shell, a file name or a terminal could misread.
    [Theory]
    [InlineData("-oProxyCommand=x")]
    [InlineData("a;b")]
    [InlineData("$(id)")]
    [InlineData("`id`")]
    [InlineData("a b")]
    [InlineData("a\nb")]
    [InlineData("a\u009bb")]
    [InlineData("a|b")]
    [InlineData("a'b")]
    [InlineData("a\"b")]
    [InlineData("a\\b")]
    [InlineData("a,b")]
    [InlineData("{a}")]
    public void Refuses_host_names_with_a_meaning_elsewhere(string host) => Assert.False(Destination.IsValidHost(host));

    [Theory]
    [InlineData("host.example.org")]
    [InlineData("::1")]
    [InlineData("fe80::1%eth0")]
    [InlineData("my_host")]
    public void Takes_host_names(string host) => Assert.True(Destination.IsValidHost(host));

    // INVARIANTS 28
    [Theory]
    [InlineData("-l")]
    [InlineData("a;b")]
    [InlineData("a`b`")]
    [InlineData("a -b")]
    [InlineData("a\\")]
    [InlineData("a\tb\u001b[2J")]
    [InlineData("(a)")]
    public void Refuses_user_names_with_a_meaning_elsewhere(string user) => Assert.False(Destination.IsValidUser(user));

    [Theory]
    [InlineData("alice")]
    [InlineData("CORP\\alice")]
    [InlineData("alice@example.org")]
    [InlineData("alice smith")]
    [InlineData("jürgen")]
    public void Takes_user_names(string user) => Assert.True(Destination.IsValidUser(user));
}
