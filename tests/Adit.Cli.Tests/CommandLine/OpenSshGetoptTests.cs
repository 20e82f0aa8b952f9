using Adit.Cli.CommandLine;

namespace Adit.Cli.Tests.CommandLine;

public class OpenSshGetoptTests
{
    private const string Flags = "46Nnfqtvp:o:E:F:L:";

    [Theory]
    [InlineData("-N", "N |")]
    [InlineData("-nNf file", "n N f | file")]
    [InlineData("-vvvnNfF cfg h", "v v v n N f F=cfg | h")]
    [InlineData("-Nn4 h", "N n 4 | h")]
    [InlineData("-E/log h", "E=/log | h")]
    [InlineData("-oX=y h", "o=X=y | h")]
    [InlineData("-p22 h", "p=22 | h")]
    [InlineData("-p 22 h", "p=22 | h")]
    [InlineData("-Np22 h", "N p=22 | h")]
    [InlineData("-p -N h", "p=-N | h")] // the next word is the value, whatever it looks like
    [InlineData("-L -- h", "L=-- | h")]
    [InlineData("-N -- -x", "N | -x")]
    [InlineData("- h", "| - h")]
    [InlineData("", "|")]
    [InlineData("-Z", "! unknown option -- Z")]
    [InlineData("-N-", "N ! unknown option -- -")]
    [InlineData("--help", "! unknown option -- -")]
    [InlineData("-:", "! unknown option -- :")]
    [InlineData("-vp", "v ! option requires an argument -- p")]
    public void Reads_flags_as_getopt_does(string line, string expected)
    {
        string[] arguments = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var getopt = new OpenSshGetopt(Flags, arguments);
        var seen = new List<string>();
        while (getopt.Read())
        {
            seen.Add(getopt.Value is null ? $"{getopt.Flag}" : $"{getopt.Flag}={getopt.Value}");
        }

        seen.Add(getopt.Error is null ? "|" : $"! {getopt.Error}");
        if (getopt.Error is null)
        {
            seen.AddRange(arguments[getopt.Index..]);
        }

        Assert.Equal(expected, string.Join(' ', seen));
    }

    [Fact]
    public void Reads_on_behind_the_host()
    {
        var getopt = new OpenSshGetopt(Flags, ["-N", "host", "-p22", "-v", "command", "-x"]);
        Assert.True(getopt.Read());
        Assert.False(getopt.Read());
        Assert.Equal(1, getopt.Index);
        Assert.True(getopt.Resume());
        Assert.True(getopt.Read());
        Assert.Equal(("p", "22"), ($"{getopt.Flag}", getopt.Value));
        Assert.True(getopt.Read());
        Assert.False(getopt.Read());
        Assert.Equal(4, getopt.Index); // "command": everything from here is the command's
    }

    [Fact]
    public void After_two_dashes_nothing_is_a_flag()
    {
        var getopt = new OpenSshGetopt(Flags, ["--", "host", "-N"]);
        Assert.False(getopt.Read());
        Assert.Equal(1, getopt.Index);
        Assert.False(getopt.Resume());
        Assert.Equal(2, getopt.Index);
    }
}
