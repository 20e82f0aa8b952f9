using System.Net.Sockets;
using System.Text;
using Adit.Interop.Tests.Errors;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Configuration;

/// <summary>Keywords and flags about the connection and the log, beside OpenSSH.</summary>
public sealed class KeywordTests
{
    [Fact]
    public Task A_proxy_command_may_pass_its_socket_over() => Lab.RunAsync(async lab =>
    {
        string python = Machine.Python("socket");
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string script = lab.Folder.Write("dial.py", """
            import socket, sys
            s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
            socket.send_fds(socket.socket(fileno=1), [b"\0"], [s.fileno()])
            """);
        await using Service echo = Service.Echo(lab.Deadline);
        Client here = await lab.StartClientAsync(Peer.Adit, there, new ClientOptions
        {
            Targets = [echo.Port],
            Arguments = ["-o", "ProxyUseFdpass=yes", "-o", $"ProxyCommand={python} {script} %h %p"],
        });
        using Socket socket = await Net.ConnectAsync(here.Port, lab.Deadline);
        await socket.SendAsync("through"u8.ToArray(), lab.Deadline);
        byte[] answer = new byte[7];
        await socket.ReceiveAsync(answer, lab.Deadline);
        Assert.Equal("through", Encoding.ASCII.GetString(answer));
    });

    [Fact]
    public Task A_socket_that_was_passed_is_not_for_other_programs() => Lab.RunAsync(async lab =>
    {
        string python = Machine.Python("socket");
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string script = lab.Folder.Write("dial.py", """
            import socket, sys
            s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
            socket.send_fds(socket.socket(fileno=1), [b"\0"], [s.fileno()])
            """);
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, new ClientOptions
        {
            Arguments =
            [
                "-o", "ProxyUseFdpass=yes", "-o", $"ProxyCommand={python} {script} %h %p", "-o", "PermitLocalCommand=yes",
                "-o", "LocalCommand=ls -l /proc/self/fd; kill -TERM $PPID",
            ],
        });
        Assert.Contains("/proc/", ours.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("socket:", ours.Output, StringComparison.Ordinal);
    });

    [Fact]
    public Task A_proxy_command_that_passes_nothing_is_told() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        var options = new ClientOptions { Arguments = ["-o", "ProxyUseFdpass=yes", "-o", "ProxyCommand=true"] };
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, options);
        Assert.Equal((255, "proxy dialer did not pass back a connection"), (ours.ExitCode, ours.FirstErrorLine));
    });

    [Fact]
    public Task An_interface_may_be_connected_from() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        await Compare.ClientsAsync(lab, there, new ClientOptions { Arguments = ["-B", "nosuchdevice"] }, "getifaddrs: nosuchdevice: no suitable addresses");
        ProcessResult ours = await lab.RunSshAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-B", "lo", "-W", "127.0.0.1:1"] });
        Assert.Contains("open failed", ours.FirstErrorLine, StringComparison.Ordinal);
    });

    [Fact]
    public Task The_version_may_have_an_addendum() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { LogLevel = "DEBUG1" });
        await lab.RunSshAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-o", "VersionAddendum=for %h", "-W", "127.0.0.1:1"] });
        await there.Process.WaitForLineAsync("remote software version OpenSSH.compatible.Adit_0.1 for 127.0.0.1", lab.Deadline);
    });

    [Fact]
    public Task A_configuration_may_refuse_to_connect() => Lab.RunAsync(async lab =>
    {
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, ["ssh", "-F", "none", "-o", "RefuseConnection=\"use the other one\"", "-N", "host.invalid"]);
        Assert.Equal((255, "Refusing connection: use the other one"), (result.ExitCode, result.FirstErrorLine));
    });

    [Fact]
    public Task A_log_file_gets_everything_and_standard_error_nothing() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            string log = lab.Folder.Write($"log.{peer}", "before\n");
            ProcessResult result = await lab.RunSshAsync(peer, there, new ClientOptions { Arguments = ["-v", $"-E{log}", "-W", "127.0.0.1:1"] });
            Assert.Equal("", result.Errors);
            string text = await File.ReadAllTextAsync(log);
            Assert.StartsWith("before\n", text, StringComparison.Ordinal);
            foreach (string line in new[] { "debug1: Connecting to 127.0.0.1 [127.0.0.1] port ", "debug1: SSH2_MSG_NEWKEYS sent\r\n", "debug1: Authentications that can continue: ", "debug1: Offering public key: ", "debug1: Server accepts key: ", "Authenticated to 127.0.0.1 ([127.0.0.1]:", "channel 0: open failed: connect failed: Connection refused\r\n", "stdio forwarding failed\r\n" })
            {
                Assert.Contains(line, text, StringComparison.Ordinal);
            }
        }
    });

    [Fact]
    public Task Every_step_is_timed() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        ProcessResult result = await lab.RunSshAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-v", "-W", "127.0.0.1:1"] });
        double last = 0;
        foreach (string step in new[] { "name looked up", "server answered", "keys agreed on", "host key checked, encryption on", "logged in" })
        {
            var match = System.Text.RegularExpressions.Regex.Match(result.Errors, $@"debug1: adit: {step} after ([0-9.]+) ms \(\+[0-9.]+\)");
            Assert.True(match.Success, $"no time for '{step}' in\n{result.Errors}");
            double time = double.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
            Assert.True(time >= last, step);
            last = time;
        }
    });

    [Fact]
    public Task Syslog_gets_what_would_be_on_standard_error() => Lab.RunAsync(async lab =>
    {
        Need.Root();
        Need.That(!File.Exists("/dev/log"), "a machine without a syslog daemon");
        using var daemon = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        daemon.Bind(new UnixDomainSocketEndPoint("/dev/log"));
        try
        {
            foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
            {
                IReadOnlyList<string> program = Clients.Program(peer);
                ProcessResult result = await lab.RunAsync(
                    "client", program[0], [.. program.Skip(1), "-F", "none", "-y", "-o", "SyslogFacility=LOCAL3", "-N", "-p", $"{Net.FreePort()}", "127.0.0.1"]);
                Assert.Equal((255, ""), (result.ExitCode, result.Errors));
                byte[] datagram = new byte[2048];
                int length = await daemon.ReceiveAsync(datagram, lab.Deadline);
                string line = Encoding.UTF8.GetString(datagram, 0, length);
                Assert.StartsWith($"<{(19 << 3) + 3}>", line, StringComparison.Ordinal); // local3.err
                Assert.Matches(@"ssh\[\d+\]: error: ssh: connect to host 127\.0\.0\.1 port \d+: Connection refused", line.Replace("fatal: ssh", "error: ssh"));
                while (daemon.Available > 0)
                {
                    await daemon.ReceiveAsync(datagram, lab.Deadline); // our hints
                }
            }
        }
        finally
        {
            File.Delete("/dev/log");
        }
    });

    [Fact]
    public Task A_file_that_others_can_write_to_is_not_included() => Lab.RunAsync(async lab =>
    {
        string included = lab.Folder.Write("included", "Port 4\n", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        string config = lab.Folder.Write("config", $"Include {included}\n", UnixFileMode.UserRead | UnixFileMode.GroupWrite);
        await Compare.CommandLinesAsync(lab, $"Bad owner or permissions on {included}", "-F", config, "-N", "host");
    });

    [Fact]
    public async Task Queries_know_what_OpenSSH_asks()
    {
        Need.Tools("ssh");
        foreach (string query in new[] { "cipher", "cipher-auth", "mac", "kex", "key", "key-cert", "key-plain", "key-sig", "sig", "protocol-version", "compression", "help",
            "Ciphers", "MACs", "KexAlgorithms", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "HostbasedAcceptedAlgorithms", "hostkeyalgorithms", "nope", "" })
        {
            ProcessResult[] results = await Task.WhenAll(new[] { Peer.OpenSsh, Peer.Adit }.Select(peer =>
            {
                IReadOnlyList<string> program = Clients.Program(peer);
                return ManagedProcess.RunAsync("client", program[0], [.. program.Skip(1), "-Q", query], TimeSpan.FromSeconds(30));
            }));
            Assert.Equal((query, results[0].ExitCode), (query, results[1].ExitCode));
            Assert.Equal(results[0].FirstErrorLine, results[1].FirstErrorLine);
            Assert.Equal(results[0].Output.Length > 0, results[1].Output.Length > 0);

            // Whatever both have comes by the same name: nothing is misspelled.
            string[] strangers = [.. results[1].Output.Split('\n').Except(results[0].Output.Split('\n')).Where(name => !name.StartsWith("mlkem", StringComparison.Ordinal) && name != "key-ca-sign")];
            Assert.Equal([], strangers);
        }
    }
}
