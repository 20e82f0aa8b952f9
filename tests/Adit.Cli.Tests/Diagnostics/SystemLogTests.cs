using Adit.Cli.Diagnostics;

namespace Adit.Cli.Tests.Diagnostics;

public sealed class SystemLogTests
{
    [Theory]
    [InlineData("USER", 8)]
    [InlineData("daemon", 24)]
    [InlineData("AUTH", 32)]
    [InlineData("AUTHPRIV", 80)]
    [InlineData("LOCAL0", 128)]
    [InlineData("local7", 184)]
    public void Facilities_have_syslog_s_codes(string name, int code) => Assert.Equal(code, SystemLog.FacilityCode(name));

    // What would stand out on a terminal by itself has to say so among everybody's lines.
    [Theory]
    [InlineData("Error", 3, "error: ")]
    [InlineData("Fatal", 2, "fatal: ")]
    [InlineData("Info", 6, "")]
    [InlineData("Verbose", 6, "")]
    [InlineData("Debug2", 7, "debug2: ")]
    public void Levels_become_priorities(string level, int priority, string prefix) =>
        Assert.Equal((priority, prefix), SystemLog.Priority(Enum.Parse<OpenSshLogLevel>(level)));

    [Fact]
    public void The_line_that_ends_a_step_is_followed_by_its_time()
    {
        var lines = new List<string>();
        var log = new LogOutput(lines.Add) { Level = OpenSshLogLevel.Debug1 };
        log.Write(OpenSshLogLevel.Debug1, "SSH2_MSG_NEWKEYS received");
        log.Write(OpenSshLogLevel.Debug1, "something else");
        Assert.Equal(3, lines.Count);
        Assert.Equal(["debug1: SSH2_MSG_NEWKEYS received\r\n", "debug1: something else\r\n"], [lines[0], lines[2]]);
        Assert.Matches(@"^debug1: adit: host key checked, encryption on after \d+\.\d ms \(\+\d+\.\d\)\r\n$", lines[1]);

        log.Level = OpenSshLogLevel.Verbose;
        log.Write(OpenSshLogLevel.Info, "Authenticated to host");
        Assert.Equal(4, lines.Count);
    }
}
