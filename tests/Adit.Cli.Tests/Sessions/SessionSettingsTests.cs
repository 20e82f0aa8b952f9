using System.Text;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Tests.Sessions;

public sealed class SessionSettingsTests : IDisposable
{
    private readonly StringBuilder _written = new();
    private readonly LogOutput _log;

    public SessionSettingsTests() => _log = new LogOutput(text => _written.Append(text));

    public void Dispose() => _log.Dispose();

    // ssh(1), -t and -T; ssh_config(5), RequestTTY.
    [Theory]
    [InlineData(RequestTty.Auto, SessionType.Default, false, true, true, false)]
    [InlineData(RequestTty.Auto, SessionType.Default, true, true, false, false)]
    [InlineData(RequestTty.Auto, SessionType.Default, false, false, false, true)]
    [InlineData(RequestTty.Auto, SessionType.Default, true, false, false, false)]
    [InlineData(RequestTty.Yes, SessionType.Default, true, true, true, false)]
    [InlineData(RequestTty.Yes, SessionType.Default, true, false, false, true)]
    [InlineData(RequestTty.Force, SessionType.Default, true, false, true, false)]
    [InlineData(RequestTty.Force, SessionType.Default, false, true, true, false)]
    [InlineData(RequestTty.No, SessionType.Default, false, true, false, false)]
    [InlineData(RequestTty.No, SessionType.Default, false, false, false, false)]
    [InlineData(RequestTty.Auto, SessionType.Subsystem, true, true, false, false)]
    [InlineData(RequestTty.Force, SessionType.None, false, true, false, false)]
    [InlineData(RequestTty.Yes, SessionType.None, false, false, false, false)]
    public void A_terminal_is_asked_for(RequestTty request, SessionType type, bool hasCommand, bool hasTerminal, bool wanted, bool told) =>
        Assert.Equal((wanted, told), SessionSettings.ChooseTerminal(request, type, hasCommand, hasTerminal));

    [Fact]
    public void Patterns_choose_what_is_sent_and_what_is_set_comes_last()
    {
        KeyValuePair<string, string>[] present = [new("LANG", "C"), new("LC_ALL", "x"), new("HOME", "/h"), new("A1", "1"), new("A12", "2")];
        KeyValuePair<string, string>[] set = [new("LANG", "de"), new("NEW", "")];
        Assert.Equal([new("LANG", "C"), new("LC_ALL", "x"), new("A1", "1"), .. set], SessionSettings.Choose(["LANG", "LC_*", "A?"], set, present));
        Assert.Equal(set, SessionSettings.Choose([], set, present));
    }

    [Fact]
    public void The_command_comes_from_the_line_or_from_the_file()
    {
        Assert.Equal(("echo host 22", SessionType.Default), Of(From("RemoteCommand echo %n %p\n", "host")));
        Assert.Equal(("ls -l", SessionType.Default), Of(From("", "host ls -l")));
        Assert.Equal(("ls", SessionType.Default), Of(From("RemoteCommand none\n", "host ls")));
        Assert.Equal((null, SessionType.Default), Of(From("", "host")));
        Assert.Equal(("sftp", SessionType.Subsystem), Of(From("", "-s host sftp")));
        Assert.Equal(("sftp", SessionType.Subsystem), Of(From("RemoteCommand sftp\nSessionType subsystem\n", "host")));
        Assert.Equal((null, SessionType.None), Of(From("", "-N host")));
        Assert.Equal("Cannot execute command-line and remote command.", Assert.Throws<UsageException>(() => From("RemoteCommand ls\n", "host ls")).Message);
        Assert.Equal("You must specify a subsystem to invoke.", Assert.Throws<UsageException>(() => From("SessionType subsystem\n", "host")).Message);
        static (string?, SessionType) Of(SessionSettings settings) => (settings.Command, settings.Type);
    }

    [Theory]
    [InlineData("-N -s host x", "Cannot specify -s with -N/SessionType")]
    [InlineData("-s -N host x", "Cannot specify -N with -s/SessionType")]
    public void A_subsystem_is_a_session(string line, string message) =>
        Assert.Equal(message, Assert.Throws<UsageException>(() => SshArgumentParser.Parse(line.Split(' '))).Message);

    [Fact]
    public void The_rest_of_the_options()
    {
        var settings = From("", "-n -e ^] -oPermitLocalCommand=yes -oEnableEscapeCommandline=yes host");
        Assert.Equal((true, (byte?)0x1d, true, true), (settings.StdinNull, settings.Escape, settings.AllowCommandLine, settings.PermitLocalCommand));
        Assert.Equal((null, (byte?)'~'), (From("", "-e none host ls").Escape, From("", "host ls").Escape));
        Assert.Equal("echo host", From("LocalCommand echo %n\nPermitLocalCommand yes\n", "host ls").LocalCommand);
        Assert.Null(From("LocalCommand echo %n\n", "host ls").LocalCommand);
        Assert.Equal((true, false), (From("", "host ls").IsOnlySession, From("", "-M -S /tmp/x host ls").IsOnlySession));
    }

    // Nothing of the session is left out in silence.
    [Fact]
    public void What_is_not_built_yet_is_told()
    {
        using var file = new TemporaryFile("HostbasedAuthentication yes\nForwardX11 yes\n");
        UnbuiltOptions.Check(ClientConfig.Resolve(SshArgumentParser.Parse(["-F", file.Path, "host"]), _log), _log);
        Assert.Equal("adit: HostbasedAuthentication is not built yet in this version and is left out.\r\n", _written.ToString());
    }

    private SessionSettings From(string config, string line)
    {
        using var file = new TemporaryFile(config);
        var arguments = SshArgumentParser.Parse(["-F", file.Path, .. line.Split(' ')]);
        return SessionSettings.From(ClientConfig.Resolve(arguments, _log), arguments, _log);
    }
}
