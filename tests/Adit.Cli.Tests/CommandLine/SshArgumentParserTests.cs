using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Tests.CommandLine;

public class SshArgumentParserTests
{
    private static SshArguments Parse(string line) => SshArgumentParser.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    [Fact]
    public void Takes_flags_on_both_sides_of_the_host_and_the_rest_as_command()
    {
        var arguments = Parse("-Nv alice@host -p22 -oBatchMode=yes ls -la /tmp -p 3");
        Assert.Equal(("alice", "host"), (arguments.User, arguments.Host));
        Assert.True(arguments.NoSession);
        Assert.Equal("ls -la /tmp -p 3", arguments.Command);
        Assert.Contains("BatchMode=yes", arguments.ConfigLines);
    }

    [Theory]
    [InlineData("host -- -x y", "-x y")]
    [InlineData("-- host -N", "-N")]
    [InlineData("host", null)]
    public void Knows_where_the_command_begins(string line, string? command) => Assert.Equal(command, Parse(line).Command);

    [Theory]
    [InlineData("-l a b@host", "a")]
    [InlineData("b@host -l a", "b")]
    [InlineData("ssh://b@host -l a", "b")]
    public void The_first_user_wins(string line, string user) => Assert.Equal(user, Parse(line).User);

    [Theory]
    [InlineData("-p 2 ssh://host:3", 2)]
    [InlineData("ssh://host:3 -p 2", 3)]
    [InlineData("-p 2 -p 3 host", 2)]
    [InlineData("-p ssh host", 22)]
    [InlineData("-oPort=4 -p 2 host", 4)]
    [InlineData("-p 2 -oPort=4 host", 2)]
    public void The_first_port_wins(string line, int port) => Assert.Equal(port, ClientConfig.Resolve(Parse($"-F none {line}"), new LogOutput(_ => { })).Port);

    [Fact]
    public void Overruling_flags_come_before_every_option_and_the_last_one_counts()
    {
        var lines = Parse("-4 -o AddressFamily=any -6 -oCiphers=aes128-ctr -c aes256-ctr -C -g -b ::1 host").ConfigLines;
        Assert.Equal(
            ["AddressFamily inet6", "Ciphers aes256-ctr", "Compression yes", "GatewayPorts yes", "BindAddress \"::1\"", "AddressFamily=any", "Ciphers=aes128-ctr"],
            lines);
    }

    [Theory]
    [InlineData("host", null)]
    [InlineData("-v host", OpenSshLogLevel.Debug1)]
    [InlineData("-vv host", OpenSshLogLevel.Debug2)]
    [InlineData("-vvvvv host", OpenSshLogLevel.Debug3)]
    [InlineData("-q host", OpenSshLogLevel.Quiet)]
    [InlineData("-qq host", OpenSshLogLevel.Quiet)]
    [InlineData("-q -v host", OpenSshLogLevel.Debug1)]
    [InlineData("-v -q host", OpenSshLogLevel.Quiet)]
    internal void Counts_v_and_q(string line, OpenSshLogLevel? level) => Assert.Equal(level, Parse(line).LogLevel);

    [Fact]
    public void Forwards_are_kept_in_order()
    {
        var arguments = Parse("-F none -L 5433:localhost:5432 -L*:80:[::1]:81 -L /tmp/s:h:1 -L /tmp/s:/tmp/t -L :1:h:2 host");
        var forwards = ClientConfig.Resolve(arguments, new LogOutput(_ => { })).LocalForwards;
        Assert.Equal(["5433 localhost:5432", "*:80 [::1]:81", "/tmp/s h:1", "/tmp/s /tmp/t", ":1 h:2"], forwards.Select(forward => $"{forward.Listen} {forward.Destination}"));
        Assert.Equal(ForwardAddress.Tcp(null, 5433), forwards[0].Listen);
    }

    [Theory]
    [InlineData("-D 1080 -D *:1081 -o DynamicForward=[::1]:1082 -D :1083 host", "1080|*:1081|[::1]:1082|:1083")]
    public void Dynamic_forwards_are_kept_in_order(string line, string expected)
    {
        var forwards = ClientConfig.Resolve(Parse($"-F none {line}"), new LogOutput(_ => { })).DynamicForwards;
        Assert.Equal(expected, string.Join('|', forwards.Select(forward => forward.Listen.ToString())));
    }

    [Theory]
    [InlineData("-W h:22 host", "h:22")]
    [InlineData("-W [::1]:22 host", "[::1]:22")]
    [InlineData("-W [h]:22 host", "h:22")]
    [InlineData("-W /run/x.sock host", "/run/x.sock")]
    public void Standard_input_and_output_are_forwarded_without_a_session(string line, string destination)
    {
        var arguments = Parse($"-F none {line}");
        var config = ClientConfig.Resolve(arguments, new LogOutput(_ => { }));
        Assert.Equal(destination, arguments.StandardIo.ToString());
        Assert.Equal(SessionType.None, config.Get(SshConfigKeywords.SessionType));
        Assert.True(config.Get(SshConfigKeywords.ExitOnForwardFailure));
        Assert.True(config.Get(SshConfigKeywords.ClearAllForwardings));
    }

    [Fact]
    public void What_W_implies_can_be_overruled_by_option_and_by_file()
    {
        using var file = new TemporaryFile("ExitOnForwardFailure no\n");
        var config = ClientConfig.Resolve(Parse($"-F {file.Path} -W h:1 -o ClearAllForwardings=no -L 1:a:2 host"), new LogOutput(_ => { }));
        Assert.False(config.Get(SshConfigKeywords.ExitOnForwardFailure));
        Assert.Single(config.LocalForwards);
    }

    [Theory]
    [InlineData("-W h host", "Bad stdio forwarding specification 'h'")]
    [InlineData("-W 22 host", "Bad stdio forwarding specification '22'")]
    [InlineData("-W :22 host", "Bad stdio forwarding specification ':22'")]
    [InlineData("-W h:0 host", "Bad stdio forwarding specification 'h:0'")]
    [InlineData("-W h:1 -W h:2 host", "stdio forward already specified")]
    [InlineData("-J a -J b host", "Only a single -J option is permitted (use commas to separate multiple jump hops)")]
    [InlineData("-J a -o ProxyCommand=x host", null)]
    [InlineData("-o ProxyCommand=x -J a host", "Cannot specify -J with ProxyCommand")]
    [InlineData("-J a,,b host", "Invalid -J argument")]
    [InlineData("-J -oProxyCommand=x host", "Invalid -J argument")] // INVARIANTS 28
    [InlineData("-J a;b host", "Invalid -J argument")]
    public void Bad_jumps_and_bad_standard_forwards_are_named(string line, string? message)
    {
        var error = Record.Exception(() => Parse(line));
        Assert.Equal(message, error?.Message);
    }

    [Theory]
    [InlineData("-L 99:x host", "Bad local forwarding specification '99:x'")]
    [InlineData("-L 0:h:1 host", "Bad local forwarding specification '0:h:1'")]
    [InlineData("-D x host", "Bad dynamic forwarding specification 'x'")]
    [InlineData("-D /path host", "Bad dynamic forwarding specification '/path'")]
    public void A_bad_forward_is_named(string line, string message) => Assert.Equal(message, Assert.Throws<SshException>(() => Parse(line)).Message);

    [Theory]
    [InlineData("-p 0 host", "Bad port '0'")]
    [InlineData("-p 65536 host", "Bad port '65536'")]
    [InlineData("-p x! host", "Bad port 'x!'")]
    [InlineData("-c foo host", "Unknown cipher type 'foo'")]
    [InlineData("-c +foo host", "Unknown cipher type '+foo'")]
    [InlineData("-m foo host", "Unknown mac type 'foo'")]
    [InlineData("-e foo host", "Bad escape character 'foo'.")]
    [InlineData("-1 host", "SSH protocol v.1 is no longer supported")]
    [InlineData("-Lx", "Bad local forwarding specification 'x'")]
    [InlineData("a;b@host", "remote username contains invalid characters")]
    [InlineData("-l -x host", "remote username contains invalid characters")]
    [InlineData("a;b", "hostname contains invalid characters")]
    [InlineData("-- -host", "hostname contains invalid characters")]
    public void Bad_values_get_OpenSSHs_words(string line, string message) => Assert.Equal(message, Assert.ThrowsAny<Exception>(() => Parse(line)).Message);

    [Theory]
    [InlineData("-z host", "unknown option -- z")]
    [InlineData("host -p", "option requires an argument -- p")]
    [InlineData("", "")]
    [InlineData("-N", "")]
    [InlineData("@host", "")]
    [InlineData("ssh://host/x", "")]
    public void A_senseless_line_gets_the_usage(string line, string message)
    {
        var error = Assert.Throws<UsageException>(() => Parse(line));
        Assert.True(error.ShowUsage);
        Assert.Equal(message, error.Message);
    }

    // A flag that is not obeyed is never passed over in silence.
    [Theory]
    [InlineData("-Z")]
    public void Flags_of_later_versions_are_refused_by_name(string flag)
    {
        var error = Assert.Throws<UsageException>(() => Parse($"-N {flag} host"));
        Assert.Matches($"^adit: {flag[..2]} \\(.+\\) is not built yet in this version\\.$", error.Message);
    }

    [Theory]
    [InlineData("-A", "ForwardAgent yes")]
    [InlineData("-X", "ForwardX11 yes")]
    [InlineData("-Y", "ForwardX11 yes", "ForwardX11Trusted yes")]
    [InlineData("-t", "RequestTTY yes")]
    [InlineData("-tt", "RequestTTY force")]
    [InlineData("-tT", "RequestTTY no")]
    [InlineData("-s", "SessionType subsystem")]
    [InlineData("-f", "ForkAfterAuthentication yes", "StdinNull yes")]
    [InlineData("-M", "ControlMaster yes")]
    [InlineData("-MM", "ControlMaster ask")]
    [InlineData("-S /x", "ControlPath \"/x\"")]
    [InlineData("-B eth0", "BindInterface \"eth0\"")]
    [InlineData("-e ^x", "EscapeChar \"^x\"")]
    public void Flags_become_lines_of_configuration(string flags, params string[] lines) => Assert.Equal(lines, Parse($"{flags} host command").ConfigLines);

    [Fact]
    public void Asking_a_master_and_syslog_are_no_configuration()
    {
        var arguments = Parse("-O check -y host");
        Assert.Equal(("check", true), (arguments.MultiplexCommand, arguments.LogsToSyslog));
    }

    [Fact]
    public void Harmless_flags_are_accepted() => Assert.Equal("host", Parse("-a -x -k -2 -T -n -e none -S none -P tag host").Host);

    [Fact]
    public void An_identity_that_is_not_there_is_warned_about_and_left_out()
    {
        using var file = new TemporaryFile("x");
        var arguments = Parse($"-i {file.Path} -i /nonexistent/key -i %d/.ssh/id host");
        Assert.Equal(["Warning: Identity file /nonexistent/key not accessible: No such file or directory.", "Warning: Identity file %d/.ssh/id not accessible: No such file or directory."], arguments.Warnings);
        Assert.Equal([$"IdentityFile \"{file.Path}\""], arguments.ConfigLines);
    }

    [Theory]
    [InlineData("-V -Z", SshAction.ShowVersion)]
    [InlineData("-Q cipher", SshAction.Query)]
    [InlineData("-G host", SshAction.PrintConfiguration)]
    [InlineData("--help", SshAction.ShowHelp)]
    internal void Some_flags_ask_for_something_else(string line, SshAction action) => Assert.Equal(action, Parse(line).Action);

    [Fact]
    public void Queries_answer_with_names_or_not_at_all()
    {
        Assert.Contains("aes256-ctr", AlgorithmQuery.Find("cipher")!);
        Assert.Equal(AlgorithmQuery.Find("kex"), AlgorithmQuery.Find("KexAlgorithms"));
        Assert.DoesNotContain(AlgorithmQuery.Find("key-plain")!, name => name.Contains("cert", StringComparison.Ordinal));
        Assert.All(AlgorithmQuery.Find("help")!, topic => Assert.NotEmpty(AlgorithmQuery.Find(topic)!));
        Assert.Null(AlgorithmQuery.Find("foo"));
    }
}
