using System.Globalization;
using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Services;

/// <summary><c>adit sshd</c> as init scripts and administrators use it, with OpenSSH's client.</summary>
public sealed class SshdDaemonTests
{
    [Fact]
    public Task It_becomes_a_daemon_once_it_listens_and_lets_connections_live_on() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        int port = Net.FreePort();
        string pidFile = lab.Folder["pid"];
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.Adit, port, new ServerOptions { Lines = [$"PidFile {pidFile}"] });
        ProcessResult started = await lab.RunAsync("starter", Machine.Adit, ["sshd", "-f", config, "-E", lab.Folder["log"]]);
        Assert.Equal((0, ""), (started.ExitCode, started.Output + started.Errors));
        int process = int.Parse(await File.ReadAllTextAsync(pidFile), CultureInfo.InvariantCulture);
        Assert.Contains($"{config}\0-E\0", await File.ReadAllTextAsync($"/proc/{process}/cmdline"));
        Assert.Equal(Path.GetFileName(Machine.Adit), (await File.ReadAllTextAsync($"/proc/{process}/comm")).Trim()); // as pgrep -x and pidof look for it
        Assert.Contains($"Server listening on 127.0.0.1 port {port}.", await File.ReadAllTextAsync(lab.Folder["log"]));
        Server server = await ServerAtAsync(port);

        // A second one cannot have the port: its caller sees why.
        ProcessResult second = await lab.RunAsync("second", Machine.Adit, ["sshd", "-f", config, "-o", "PidFile=none", "-E", lab.Folder["log2"]]);
        Assert.Equal((255, $"Bind to port {port} on 127.0.0.1 failed: Address already in use."), (second.ExitCode, second.FirstErrorLine));

        ManagedProcess live = await StartAsync(lab, server, "echo begun; exec sleep 90");
        await live.WaitForLineAsync("begun", lab.Deadline);
        await lab.MustAsync("/bin/kill", process.ToString(CultureInfo.InvariantCulture));
        await Net.WaitUntilAsync(() => !File.Exists(pidFile) && !Net.IsListening(port), "the port to be free", TimeSpan.FromSeconds(30));
        Assert.False(live.HasExited);
        Assert.True(Directory.Exists($"/proc/{process}"));

        // A restart: the new one's pid file outlasts the end of the old one, which still waited for its connection.
        ProcessResult restarted = await lab.RunAsync("successor", Machine.Adit, ["sshd", "-f", config, "-E", lab.Folder["log3"]]);
        Assert.Equal((0, ""), (restarted.ExitCode, restarted.Output + restarted.Errors));
        string successor = (await File.ReadAllTextAsync(pidFile)).Trim();
        try
        {
            await lab.MustAsync("/bin/kill", process.ToString(CultureInfo.InvariantCulture));
            Assert.Equal(255, (await live.WaitForExitAsync(lab.Deadline)).ExitCode);
            await Net.WaitUntilAsync(() => CommandLine(process).Length == 0, "the daemon to end", TimeSpan.FromSeconds(30));
            Assert.Equal(successor, (await File.ReadAllTextAsync(pidFile)).Trim());
        }
        finally
        {
            await lab.MustAsync("/bin/kill", successor);
        }
    });

    [Fact]
    public Task A_daemons_sessions_have_the_limit_of_open_files_that_its_starter_had() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh", "sh");
        int port = Net.FreePort();
        string pidFile = lab.Folder["pid"];
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.Adit, port, new ServerOptions { Lines = [$"PidFile {pidFile}"] });

        // A shell that waits for it, as one that a person types in.
        ProcessResult started = await lab.RunAsync("starter", Machine.Tool("sh"), ["-c", $"ulimit -S -n 777; '{Machine.Adit}' sshd -f '{config}' -E '{lab.Folder["log"]}'; exit $?"]);
        Assert.Equal((0, ""), (started.ExitCode, started.Output + started.Errors));
        int process = int.Parse(await File.ReadAllTextAsync(pidFile), CultureInfo.InvariantCulture);
        try
        {
            Assert.Contains(":777\0", await File.ReadAllTextAsync($"/proc/{process}/environ"));
            // A program that is not started through the helper gets the limit just after it has begun.
            ProcessResult session = await (await StartAsync(lab, await ServerAtAsync(port), "ulimit -S -n")).WaitForExitAsync(lab.Deadline);
            Assert.Equal((0, "777"), (session.ExitCode, session.Output.Trim()));
        }
        finally
        {
            await lab.MustAsync("/bin/kill", process.ToString(CultureInfo.InvariantCulture));
        }
    });

    [Fact]
    public Task Ten_reloads_break_no_forward_and_count_for_new_logins() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        Server server = await lab.StartServerAsync(Peer.Adit);
        using var echo = new Echo();
        ClientOptions options = new() { Targets = [echo.Port] };
        Client client = await lab.StartClientAsync(Peer.OpenSsh, server, options);
        using Socket stream = await Net.ConnectAsync(client.Port, lab.Deadline);
        string config = Directory.GetFiles(lab.Folder.FullPath, "sshd_config.*").Single();
        string before = await File.ReadAllTextAsync(config);
        for (int round = 0; round < 10; round++)
        {
            await File.WriteAllTextAsync(config, $"VersionAddendum round{round}\n{before}");
            server.Process.Signal(1);
            byte[] data = new byte[64 * 1024];
            Random.Shared.NextBytes(data);
            Task sending = Net.SendAllAsync(stream, data, lab.Deadline);
            byte[] back = new byte[data.Length];
            await Net.ReceiveExactlyAsync(stream, back, lab.Deadline);
            await sending;
            Assert.Equal(data, back);
            await Net.WaitUntilAsync(() => server.Process.CountLines("Received SIGHUP; restarting.") > round, "the reload", TimeSpan.FromSeconds(30));
        }

        string expected = "round9";
        await Net.WaitUntilAsync(() => Greeting(server.Port).Contains(expected), "the new configuration", TimeSpan.FromSeconds(30));
        Assert.False(client.Process.HasExited);
    });

    [Fact]
    public Task On_standard_streams_a_peer_without_a_socket_is_unknown() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.Adit, 22, new ServerOptions());
        Server server = await ServerAtAsync(22);
        ManagedProcess client = await StartAsync(lab, server, "echo $SSH_CONNECTION", $"ProxyCommand={Machine.Adit} sshd -i -e -f {config}");
        ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
        Assert.Equal((0, "UNKNOWN 65535 UNKNOWN 65535"), (result.ExitCode, result.Output.Trim()));
        Assert.Contains(" from UNKNOWN port 65535 ssh2", result.Errors);
    });

    [Fact]
    public Task It_takes_sockets_of_a_service_manager_and_says_that_it_is_ready() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh", "systemd-socket-activate");
        int port = Net.FreePort();
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.Adit, 1, new ServerOptions());
        using var notify = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notify.Bind(new UnixDomainSocketEndPoint(lab.Folder["notify"]));
        ManagedProcess manager = lab.Start("manager", Machine.Tool("systemd-socket-activate"),
            ["-l", $"127.0.0.1:{port}", "-E", $"NOTIFY_SOCKET={lab.Folder["notify"]}", Machine.Adit, "sshd", "-D", "-e", "-f", config]);
        await Net.WaitForListenerAsync(manager, port, lab.Deadline);
        ProcessResult result = await (await StartAsync(lab, await ServerAtAsync(port), "echo here")).WaitForExitAsync(lab.Deadline);
        Assert.Equal((0, "here"), (result.ExitCode, result.Output.Trim()));
        byte[] said = new byte[512];
        int count = await notify.ReceiveAsync(said, lab.Deadline);
        Assert.StartsWith("READY=1\nMAINPID=", System.Text.Encoding.ASCII.GetString(said, 0, count));
    });

    internal static async Task<Server> ServerAtAsync(int port)
    {
        KeyPair key = await Keys.HostAsync();
        return new Server(Peer.Adit, null!, port, Machine.UserName, [key.TypeAndBlob], key.Fingerprint);
    }

    internal static async Task<ManagedProcess> StartAsync(Lab lab, Server server, string command, string? option = null, string? identity = null)
    {
        string known = lab.Folder.Write("known", server.KnownHosts() + $"{server.Host} {server.HostKeys[0]}\n");
        string[] more = option is null ? [] : ["-o", option];
        return lab.Start("client", Machine.Tool("ssh"),
        [
            "-F", "none", "-i", identity ?? (await Keys.UserAsync()).Path, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", $"UserKnownHostsFile={known}", .. more,
            "-p", server.Port.ToString(CultureInfo.InvariantCulture), $"{server.User}@{server.Host}", command,
        ]);
    }

    /// <summary>Empty for a process that has ended, though nobody has taken its exit code.</summary>
    private static string CommandLine(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static string Greeting(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect("127.0.0.1", port);
        byte[] buffer = new byte[256];
        return System.Text.Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
    }

    /// <summary>Sends back what it gets.</summary>
    private sealed class Echo : IDisposable
    {
        private readonly TcpListener _listener = new(System.Net.IPAddress.Loopback, 0);
        private readonly Task _serving;

        public Echo()
        {
            _listener.Start();
            _serving = ServeAsync();
        }

        public int Port => ((System.Net.IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose()
        {
            _listener.Dispose();
            _serving.Wait(TimeSpan.FromSeconds(10));
        }

        private async Task ServeAsync()
        {
            try
            {
                using TcpClient client = await _listener.AcceptTcpClientAsync();
                NetworkStream stream = client.GetStream();
                await stream.CopyToAsync(stream);
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
