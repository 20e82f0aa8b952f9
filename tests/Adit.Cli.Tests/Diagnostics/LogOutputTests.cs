using System.Text;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Microsoft.Extensions.Logging;

namespace Adit.Cli.Tests.Diagnostics;

public sealed class LogOutputTests : IDisposable
{
    private readonly StringBuilder _written = new();
    private readonly LogOutput _log;

    public LogOutputTests() => _log = new LogOutput(text => _written.Append(text));

    public void Dispose() => _log.Dispose();

    [Fact]
    public void Lines_end_in_carriage_return_and_line_feed()
    {
        _log.Write(OpenSshLogLevel.Error, "one\ntwo\r\nthree\n");
        Assert.Equal("one\r\ntwo\r\nthree\r\n", _written.ToString());
    }

    // INVARIANTS 28: control characters from a peer are escaped in logs.
    [Fact]
    public void Control_characters_are_escaped()
    {
        _log.Write(OpenSshLogLevel.Info, "Remote: \e]0;owned\a");
        Assert.Equal("Remote: \\033]0;owned\\007\r\n", _written.ToString());
    }

    [Theory]
    [InlineData(OpenSshLogLevel.Quiet, "")]
    [InlineData(OpenSshLogLevel.Fatal, "")]
    [InlineData(OpenSshLogLevel.Error, "E")]
    [InlineData(OpenSshLogLevel.Info, "EWI")]
    [InlineData(OpenSshLogLevel.Verbose, "EWI")]
    [InlineData(OpenSshLogLevel.Debug1, "EWI debug1: D")]
    [InlineData(OpenSshLogLevel.Debug2, "EWI debug1: D debug2: T")]
    internal void Levels_are_gates(OpenSshLogLevel level, string expected)
    {
        _log.Level = level;
        var logger = new OpenSshLoggerProvider(_log).CreateLogger("any");
        logger.LogError("E");
        logger.LogWarning("W");
        logger.LogInformation("I");
        logger.LogDebug("D");
        logger.LogTrace("T");
        Assert.Equal(expected.Replace(" ", "", StringComparison.Ordinal), _written.Replace("\r\n", "").Replace(" ", "").ToString());
    }

    [Fact]
    public void Level_names_are_ssh_configs() =>
        Assert.Equal(Enum.GetNames<SshConfigLogLevel>(), Enum.GetNames<OpenSshLogLevel>());

    [Fact]
    public void A_log_file_is_appended_to_and_private()
    {
        using var file = new TemporaryFile("before\n");
        using (var log = LogOutput.ToFile(file.Path))
        {
            log.Write(OpenSshLogLevel.Error, "after");
            Assert.False(log.IsTerminal);
        }

        Assert.Equal("before\nafter\r\n", File.ReadAllText(file.Path));
        var fresh = file.Path + ".new";
        LogOutput.ToFile(fresh).Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fresh));
        File.Delete(fresh);
    }

    [Fact]
    public void A_log_file_that_cannot_be_opened_is_named() =>
        Assert.Equal("Couldn't open logfile /nonexistent/x: No such file or directory", Assert.Throws<UsageException>(() => LogOutput.ToFile("/nonexistent/x")).Message);

    [Fact]
    public void OpenSSHs_line_comes_first_and_ours_are_marked()
    {
        var error = new SshException(SshError.ConnectFailed, "ssh: connect to host h port 22: Connection refused") { Hint = "Nothing listens there.\nStart sshd." };
        Assert.Equal(ExitCode.Ssh, ErrorReporter.Report(_log, error));
        Assert.Equal(
            "ssh: connect to host h port 22: Connection refused\r\nadit: Nothing listens there.\r\nadit: Start sshd.\r\n",
            _written.ToString());
    }

    [Theory]
    [InlineData(SshError.NameResolution)]
    [InlineData(SshError.ConnectFailed)]
    [InlineData(SshError.Timeout)]
    [InlineData(SshError.KeepAliveTimeout)]
    [InlineData(SshError.ConnectionLost)]
    [InlineData(SshError.NoCommonAlgorithm)]
    public void Every_common_failure_has_a_line_that_helps(SshError error)
    {
        var lines = ErrorReporter.Lines(new SshException(error, "first")).ToArray();
        Assert.Equal("first", lines[0]);
        Assert.StartsWith("adit: ", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Quiet_silences_errors_but_not_the_exit_code()
    {
        _log.Level = OpenSshLogLevel.Quiet;
        Assert.Equal(ExitCode.Ssh, ErrorReporter.Report(_log, new SshException(SshError.Unknown, "x")));
        Assert.Empty(_written.ToString());
    }

    [Fact]
    public void A_bug_says_that_it_is_one()
    {
        Assert.Equal(ExitCode.Ssh, ErrorReporter.Report(_log, new InvalidOperationException("oops")));
        Assert.Contains("internal error: InvalidOperationException: oops", _written.ToString(), StringComparison.Ordinal);
    }
}
