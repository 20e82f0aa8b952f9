using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests;

/// <summary><c>adit sshd</c> as scripts and people see it: lines, exit codes, signals, files.</summary>
public sealed class SshdCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-sshd-test-").FullName;
    private readonly string _hostKey;

    public SshdCommandTests()
    {
        _hostKey = Path.Combine(_folder, "host_key");
        using var key = PrivateKey.Generate("ed25519");
        KeyFile.WritePrivateKey(_hostKey, key);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string[] Serve(params string[] more) =>
        ["-D", "-e", "-f", "none", "-h", _hostKey, "-p", "0", "-oListenAddress=127.0.0.1", $"-oPidFile={_folder}/pid", .. more];

    [Fact]
    public async Task Usage_is_exit_1()
    {
        var (code, _, errors) = await SshdProcess.RunAsync("-Z");
        Assert.Equal(1, code);
        Assert.Equal("unknown option -- Z", errors[0]);
        Assert.StartsWith("usage: adit sshd", errors[1]);
    }

    [Fact]
    public async Task Help_and_version()
    {
        var (code, output, _) = await SshdProcess.RunAsync("--help");
        Assert.Equal(0, code);
        Assert.StartsWith("usage: adit sshd", output);
        var (versionCode, _, errors) = await SshdProcess.RunAsync("-V");
        Assert.Equal(0, versionCode);
        Assert.StartsWith("Adit_", errors[0]);
    }

    [Fact]
    public async Task A_bad_configuration_is_exit_255_and_names_file_and_line()
    {
        var file = Write("bad", "Port 22\nProt 2\nRDomain vrf1\n");
        var (code, _, errors) = await SshdProcess.RunAsync("-t", "-f", file);
        Assert.Equal(255, code);
        Assert.Equal($"{file}: line 2: Bad configuration option: Prot", errors[0]);
        Assert.Equal($"{file} line 3: setting RDomain not supported on this platform.", errors[1]);

        var matched = Write("matched", "Match Colour blue\n");
        var (_, _, told) = await SshdProcess.RunAsync("-t", "-f", matched);
        Assert.Equal(("Unsupported Match attribute Colour", $"{matched} line 1: Bad Match condition"), (told[0], told[1]));

        var (folder, _, why) = await SshdProcess.RunAsync("-t", "-f", _folder);
        Assert.Equal((1, $"{_folder}: Is a directory"), (folder, why[0]));

        var (missing, _, said) = await SshdProcess.RunAsync("-t", "-f", Path.Combine(_folder, "nowhere"));
        Assert.Equal((1, $"{_folder}/nowhere: No such file or directory"), (missing, said[0]));

        var (option, _, _) = await SshdProcess.RunAsync("-f", "none", "-oNonsense=1");
        Assert.Equal(1, option);
    }

    [Fact]
    public async Task No_host_key_is_exit_1_and_says_what_to_do()
    {
        var (code, _, errors) = await SshdProcess.RunAsync("-f", "none", "-h", Path.Combine(_folder, "nowhere"));
        Assert.Equal(1, code);
        Assert.Contains($"Unable to load host key: {_folder}/nowhere", errors);
        Assert.Contains("sshd: no hostkeys available -- exiting.", errors);
        Assert.Contains(errors, line => line.Contains("adit keygen -t ed25519 -f ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_host_key_that_others_can_read_is_not_used()
    {
        File.SetUnixFileMode(_hostKey, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        var (code, _, errors) = await SshdProcess.RunAsync("-t", "-f", "none", "-h", _hostKey);
        Assert.Equal(1, code);
        Assert.Contains($"Permissions 0404 for '{_hostKey}' are too open.", errors);
    }

    [Fact]
    public async Task The_configuration_can_be_printed()
    {
        var file = Write("config", "Port 2222\nPermitOpen any\nMatch User alice\nPermitOpen db:5432\n");
        var (code, output, _) = await SshdProcess.RunAsync("-G", "-f", file);
        Assert.Equal(0, code);
        Assert.Contains("\nlistenaddress 0.0.0.0:2222\n", output);
        Assert.Contains("\npermitopen any\n", output);
        var (_, alice, _) = await SshdProcess.RunAsync("-T", "-f", file, "-h", _hostKey, "-C", "user=alice,addr=10.0.0.1");
        Assert.Contains("\npermitopen db:5432\n", alice);
        Assert.Contains($"\nhostkey {_hostKey}\n", alice);
    }

    [Theory]
    [InlineData("TERM", 15, 0)]
    [InlineData("QUIT", 3, 255)]
    public async Task A_signal_ends_it_and_the_pid_file_with_it(string signal, int number, int expected)
    {
        using var server = SshdProcess.Start(Serve("-oLogLevel=DEBUG"));
        var port = server.WaitForPort();
        server.WaitFor($"{_folder}/pid written");
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            await ReadBannerAsync(client);
            Assert.Equal($"{server.Id}\n", await File.ReadAllTextAsync($"{_folder}/pid"));
            server.Signal(signal);
            server.WaitFor($"Received signal {number}; terminating.");
            server.WaitFor("1 connections go on");
            Assert.False(File.Exists($"{_folder}/pid"));
            using var late = new TcpClient();
            await Assert.ThrowsAnyAsync<SocketException>(() => late.ConnectAsync(IPAddress.Loopback, port));
        }

        Assert.Equal(expected, await server.ExitAsync()); // with its last connection
        Assert.False(File.Exists($"{_folder}/pid"));
    }

    [Fact]
    public async Task Hangup_reads_the_configuration_again_and_keeps_connections()
    {
        var file = Write("config", $"ListenAddress 127.0.0.1:0\nHostKey {_hostKey}\nPidFile none\nVersionAddendum first\n");
        using var server = SshdProcess.Start("-D", "-e", "-f", file);
        var port = server.WaitForPort();
        using var old = new TcpClient();
        await old.ConnectAsync(IPAddress.Loopback, port);
        Assert.EndsWith(" first", await ReadBannerAsync(old));

        Write("config", "Nonsense yes\n");
        server.Signal("HUP");
        server.WaitFor("Bad configuration option: Nonsense");
        server.WaitFor("the old one stays in force");
        using (var still = new TcpClient())
        {
            await still.ConnectAsync(IPAddress.Loopback, port);
            Assert.EndsWith(" first", await ReadBannerAsync(still));
        }

        Write("config", $"ListenAddress 127.0.0.1:{port}\nHostKey {_hostKey}\nPidFile none\nVersionAddendum second\n");
        server.Signal("HUP");
        server.WaitFor("Received SIGHUP; restarting.");
        Assert.Equal(port, server.WaitForPort());
        using var fresh = new TcpClient();
        await fresh.ConnectAsync(IPAddress.Loopback, port);
        Assert.EndsWith(" second", await ReadBannerAsync(fresh));
        await old.GetStream().WriteAsync("SSH-2.0-test\r\n"u8.ToArray()); // the old connection is still served: it gets a KEXINIT
        Assert.NotEqual(0, await old.GetStream().ReadAsync(new byte[64]).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task A_port_in_use_is_said_and_is_exit_255()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        var (code, _, errors) = await SshdProcess.RunAsync("-D", "-e", "-f", "none", "-h", _hostKey, "-p", port, "-oListenAddress=127.0.0.1", "-oPidFile=none");
        Assert.Equal(255, code);
        Assert.Equal($"Bind to port {port} on 127.0.0.1 failed: Address already in use.", errors[0]);
        Assert.Equal("Cannot bind any address.", errors[1]);
    }

    [Fact]
    public async Task On_standard_streams_it_greets_and_ends_with_them()
    {
        var (code, output, _) = await SshdProcess.RunAsync("-i", "-f", "none", "-h", _hostKey);
        Assert.Equal(0, code);
        Assert.StartsWith("SSH-2.0-OpenSSH.compatible.Adit_", output);
    }

    [Fact]
    public async Task Debugging_serves_one_connection_and_ends()
    {
        using var server = SshdProcess.Start(Serve("-d"));
        var port = server.WaitForPort();
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            await ReadBannerAsync(client);
            using var second = new TcpClient();
            await Assert.ThrowsAnyAsync<SocketException>(() => second.ConnectAsync(IPAddress.Loopback, port));
        }

        Assert.Equal(0, await server.ExitAsync());
        Assert.False(File.Exists($"{_folder}/pid"));
    }

    [NeedsOpenSsh]
    public async Task Openssh_forwards_through_it()
    {
        var userKey = Path.Combine(_folder, "user_key");
        using (var key = PrivateKey.Generate("ed25519"))
        {
            KeyFile.WritePrivateKey(userKey, key);
            Write("authorized_keys", key.PublicKey.ToText() + "\n");
        }

        using var server = SshdProcess.Start(Serve($"-oAuthorizedKeysFile={_folder}/authorized_keys", "-oStrictModes=no", "-oPermitRootLogin=yes"));
        var port = server.WaitForPort();
        using var target = new TcpListener(IPAddress.Loopback, 0);
        target.Start();
        var destination = ((IPEndPoint)target.LocalEndpoint).Port;
        using var ssh = Process.Start(new ProcessStartInfo("/usr/bin/ssh",
        [
            "-F", "none", "-i", userKey, "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", $"UserKnownHostsFile={_folder}/known",
            "-p", port.ToString(CultureInfo.InvariantCulture), "-W", $"127.0.0.1:{destination}", $"{Environment.UserName}@127.0.0.1",
        ])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        try
        {
            using var accepted = await target.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(30));
            server.WaitFor($"Accepted publickey for {Environment.UserName} from 127.0.0.1 port ");
            await ssh.StandardInput.WriteAsync("request");
            ssh.StandardInput.Close(); // half-close: the answer still comes
            await using var stream = new NetworkStream(accepted);
            using var reader = new StreamReader(stream);
            Assert.Equal("request", await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(30)));
            await stream.WriteAsync("answer"u8.ToArray());
            accepted.Shutdown(SocketShutdown.Send);
            Assert.Equal("answer", await ssh.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(30)));
            await ssh.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            Assert.Equal(0, ssh.ExitCode);
        }
        finally
        {
            if (!ssh.HasExited)
            {
                ssh.Kill();
            }
        }
    }

    private static async Task<string> ReadBannerAsync(TcpClient client)
    {
        var text = new StringBuilder();
        var one = new byte[1];
        while (await client.GetStream().ReadAsync(one).AsTask().WaitAsync(TimeSpan.FromSeconds(30)) == 1 && one[0] != '\n')
        {
            text.Append((char)one[0]);
        }

        return text.ToString().TrimEnd('\r');
    }

    /// <summary>Skipped, and counted as such, without OpenSSH's client.</summary>
    private sealed class NeedsOpenSshAttribute : FactAttribute
    {
        public NeedsOpenSshAttribute() => Skip = File.Exists("/usr/bin/ssh") ? null : "needs ssh";
    }
}
