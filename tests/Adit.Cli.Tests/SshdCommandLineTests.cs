using Adit.Cli.CommandLine;
using Adit.Cli.Commands;
using Adit.Cli.Diagnostics;
using Adit.Server.Configuration;

namespace Adit.Cli.Tests;

public class SshdCommandLineTests
{
    [Fact]
    public void Flags_may_be_clustered_and_values_glued()
    {
        var line = SshdCommandLine.Parse(["-Def", "/c", "-p2222", "-p", "2200", "-hkey", "-o", "A=1", "-oB 2", "-E/log", "-4", "-6", "-g", "1m", "-u0", "-rQ"]);
        Assert.True(line.Foreground && line.LogToStandardError);
        Assert.Equal(("/c", "/log", "inet6", TimeSpan.FromMinutes(1)), (line.ConfigFile, line.LogFile, line.AddressFamily, line.GraceTime));
        Assert.Equal([2222, 2200], line.Ports);
        Assert.Equal(["key"], line.HostKeys);
        Assert.Equal(["A=1", "B 2"], line.Options);
        Assert.Equal(SshdAction.Serve, line.Action);
    }

    [Theory]
    [InlineData("-Z", "unknown option -- Z")]
    [InlineData("-p", "option requires an argument -- p")]
    [InlineData("-p99999", "Bad port number.")]
    [InlineData("-gsoon", "Invalid login grace time.")]
    [InlineData("extra", "Extra argument extra.")]
    [InlineData("-Ccolour=blue", "Invalid test mode specification colour=blue")]
    public void What_makes_no_sense_is_refused(string argument, string message) =>
        Assert.Equal(message, Assert.Throws<UsageException>(() => SshdCommandLine.Parse([argument])).Message);

    [Theory]
    [InlineData(SshdAction.Test, "-t")]
    [InlineData(SshdAction.TestAndPrint, "-DT")]
    [InlineData(SshdAction.Print, "-G")]
    [InlineData(SshdAction.ShowVersion, "-V")]
    [InlineData(SshdAction.ShowHelp, "--help")]
    internal void Actions(SshdAction action, string argument) => Assert.Equal(action, SshdCommandLine.Parse([argument]).Action);

    [Fact]
    public void Connections_to_imagine_add_up()
    {
        var line = SshdCommandLine.Parse(["-T", "-C", "user=alice,addr=10.0.0.1", "-C", "invalid-user,lport=22"]);
        Assert.Equal(["addr", "invalid-user", "lport", "user"], line.Connection!.Keys.Order());
    }

    [Theory]
    [InlineData("LogLevel VERBOSE", new string[0], "Verbose")]
    [InlineData("LogLevel VERBOSE", new[] { "-q" }, "Quiet")]
    [InlineData("LogLevel VERBOSE", new[] { "-qdd" }, "Debug2")]
    [InlineData("", new[] { "-dddd" }, "Debug3")]
    public void Debug_goes_before_quiet_and_both_before_LogLevel(string config, string[] arguments, string expected) =>
        Assert.Equal(expected, SshdCommand.LevelOf(SshdCommandLine.Parse(arguments), SshdConfig.Parse(config)).ToString());

    [Fact]
    public void The_command_line_goes_before_the_file()
    {
        using var file = new TemporaryFile("Port 1\nStrictModes yes\nHostKey /b\nLoginGraceTime 5");
        var said = new List<string>();
        var loggers = new OpenSshLoggerProvider(new LogOutput(said.Add));
        var config = new SshdCommandConfig(SshdCommandLine.Parse(["-f", file.Path, "-p", "2", "-h", "/a", "-oStrictModes=no", "-g0", "-4"]), loggers).Load()!;
        Assert.Equal([2], config.Get(SshdKeywords.Port));
        Assert.Equal(["/a", "/b"], config.Get(SshdKeywords.HostKey));
        Assert.False(config.Get(SshdKeywords.StrictModes));
        Assert.Equal(TimeSpan.Zero, config.Get(SshdKeywords.LoginGraceTime));
        Assert.Equal(["0.0.0.0:2"], ListenEndpoints.Of(config).Select(endpoint => endpoint.ToString()));
        Assert.Empty(said);

        Assert.Null(new SshdCommandConfig(SshdCommandLine.Parse(["-f", "none", "-oStrictMode=no"]), loggers).Load());
        Assert.Equal(["command-line: line 0: Bad configuration option: StrictMode\r\n"], said);
    }
}
