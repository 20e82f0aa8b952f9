using Adit.Cli.Tests.Terminal;
using Adit.Interop.Tests.Harness;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests.Client;

/// <summary>The client as people and scripts see it: prompts, lines, exit codes.</summary>
public class ClientProcessTests
{
    private const int SigHup = 1;
    private const int SigInt = 2;
    private const int SigTerm = 15;

    /// <summary>A folder with a key and a known_hosts file for one server.</summary>
    private sealed class Scene : IAsyncDisposable
    {
        private readonly PrivateKey _userKey = PrivateKey.Generate("ed25519");

        private Scene(TestServer server) => Server = server;

        public TestServer Server { get; }

        public string Folder { get; } = Directory.CreateTempSubdirectory("adit-cli-").FullName;

        public string KnownHosts => Path.Combine(Folder, "known_hosts");

        public string Key => Path.Combine(Folder, "key");

        public int Port { get; } = FreePorts.Take();

        /// <summary>-N with everything that keeps this machine's own configuration out.</summary>
        public string[] Arguments(params string[] more) =>
        [
            "-N", "-F", "none", "-p", $"{Server.Port}", "-i", Key, "-o", $"UserKnownHostsFile={KnownHosts}", "-o", "GlobalKnownHostsFile=none", .. more,
        ];

        /// <summary>-N -L to the echo service.</summary>
        public string[] Forwarding(params string[] more) => Arguments(["-L", $"127.0.0.1:{Port}:127.0.0.1:{Server.EchoPort}", .. more, "alice@127.0.0.1"]);

        public static async Task<Scene> CreateAsync(string? passphrase = null, bool isKnown = true)
        {
            var scene = new Scene(await TestServer.StartAsync());
            KeyFile.WritePrivateKey(scene.Key, scene._userKey, passphrase, rounds: 1);
            scene.Server.UserKey = scene._userKey.PublicKey;
            if (isKnown)
            {
                await File.WriteAllTextAsync(scene.KnownHosts, $"[127.0.0.1]:{scene.Server.Port} {scene.Server.HostKey.ToText(null)}\n");
            }

            return scene;
        }

        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            _userKey.Dispose();
            Directory.Delete(Folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_script_gets_its_tunnel_in_silence_and_SIGTERM_ends_it_with_0()
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Forwarding());
        Assert.Equal("hello", await adit.EchoAsync(scene.Port, "hello"));
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
        Assert.Empty(adit.Errors);
        Assert.Empty(await adit.Output);
    }

    [Theory]
    [InlineData(SigInt)]
    [InlineData(SigHup)]
    public async Task Other_signals_end_it_with_255(int signal)
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Forwarding("-v"));
        await adit.EchoAsync(scene.Port, "up");
        adit.Signal(signal);
        Assert.Equal(255, await adit.WaitAsync());
        Assert.EndsWith($"Killed by signal {signal}.\r\n", adit.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SigTerm, 0, "-N", "-R", "127.0.0.1:0:127.0.0.1:1")]
    [InlineData(SigInt, 255, "-N", "-R", "127.0.0.1:0:127.0.0.1:1")]
    [InlineData(SigInt, 255, "-W", "127.0.0.1:1")]
    public async Task A_signal_ends_it_while_the_server_leaves_a_request_without_an_answer(int signal, int code, params string[] asked)
    {
        await using var scene = await Scene.CreateAsync();
        scene.Server.Silence = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var adit = AditProcess.Start([.. scene.Arguments()[1..], .. asked, "alice@127.0.0.1"]);
        await scene.Server.Silence.Task.WaitAsync(TimeSpan.FromSeconds(30));
        adit.Signal(signal);
        Assert.Equal(code, await adit.WaitAsync());
    }

    [Fact]
    public async Task A_server_that_goes_away_ends_it_with_255()
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Forwarding());
        await adit.EchoAsync(scene.Port, "up");
        await scene.Server.StopAsync();
        Assert.Equal(255, await adit.WaitAsync());
        Assert.Matches(@"^(Connection to 127\.0\.0\.1 closed by remote host\.|Received disconnect from 127\.0\.0\.1 port)", adit.Errors);
    }

    [Fact]
    public async Task A_person_is_asked_for_the_host_key_and_the_password_and_told_when_it_is_up()
    {
        await using var scene = await Scene.CreateAsync(isKnown: false);
        scene.Server.UserKey = null;
        await using var person = new PseudoTerminal();
        await using var adit = AditProcess.StartOn(person, scene.Forwarding());
        await person.WaitForAsync("(yes/no/[fingerprint])? ");
        Assert.Contains($"The authenticity of host '[127.0.0.1]:{scene.Server.Port}", person.Screen, StringComparison.Ordinal);
        Assert.Contains(scene.Server.HostKey.Fingerprint, person.Screen, StringComparison.Ordinal);
        person.Type("maybe\n");
        await person.WaitForAsync("Please type 'yes', 'no' or the fingerprint: ");
        person.Type("yes\n");
        await person.WaitForAsync("alice@127.0.0.1's password: ");
        Assert.Contains("Warning: Permanently added", person.Screen, StringComparison.Ordinal);
        person.Type("wrong\n");
        await person.WaitForAsync("Permission denied, please try again.");
        await person.WaitForAsync("alice@127.0.0.1's password: ");
        person.Type(TestServer.Password + "\n");
        await person.WaitForAsync($"adit: 127.0.0.1:{scene.Port} -> 127.0.0.1:{scene.Server.EchoPort} via alice@127.0.0.1");
        Assert.DoesNotContain(TestServer.Password, person.Screen, StringComparison.Ordinal);
        Assert.Equal("hello", await adit.EchoAsync(scene.Port, "hello"));
        person.Type("\u0003"); // Ctrl-C
        Assert.Equal(255, await adit.WaitAsync());
        Assert.Contains(scene.Server.HostKey.ToText(null), await File.ReadAllTextAsync(scene.KnownHosts), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_at_a_prompt_ends_it_and_leaves_the_echo_on()
    {
        await using var scene = await Scene.CreateAsync();
        scene.Server.UserKey = null;
        await using var person = new PseudoTerminal();
        await using var adit = AditProcess.StartOn(person, scene.Forwarding());
        using var watcher = new FileStream(person.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite); // keeps the settings alive
        await person.WaitForAsync("password: ");
        Assert.False(PseudoTerminal.Echoes(person.Path));
        person.Type("\u0003");
        Assert.NotEqual(0, await adit.WaitAsync());
        Assert.True(PseudoTerminal.Echoes(person.Path));
    }

    [Fact]
    public async Task Keyboard_interactive_prompts_say_where_they_come_from()
    {
        await using var scene = await Scene.CreateAsync();
        scene.Server.UserKey = null;
        scene.Server.Interactive = true;
        await using var person = new PseudoTerminal();
        await using var adit = AditProcess.StartOn(person, scene.Forwarding());
        await person.WaitForAsync("(alice@127.0.0.1) Password: ");
        Assert.Contains("Second factor", person.Screen, StringComparison.Ordinal);
        Assert.Contains("Look at your token.", person.Screen, StringComparison.Ordinal);
        person.Type(TestServer.Password + "\n");
        await person.WaitForAsync("(alice@127.0.0.1) Token: ");
        person.Type("123456\n");
        await person.WaitForAsync($"adit: 127.0.0.1:{scene.Port} -> ");
        Assert.Contains("Token: 123456", person.Screen, StringComparison.Ordinal);
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
    }

    [Fact]
    public async Task An_encrypted_key_asks_for_its_passphrase_until_it_is_right()
    {
        await using var scene = await Scene.CreateAsync(passphrase: "sesame");
        await using var person = new PseudoTerminal();
        await using var adit = AditProcess.StartOn(person, scene.Forwarding());
        await person.WaitForAsync($"Enter passphrase for key '{scene.Key}': ");
        person.Type("wrong\n");
        await person.WaitForAsync($"Enter passphrase for key '{scene.Key}': ");
        person.Type("sesame\n");
        await person.WaitForAsync($"adit: 127.0.0.1:{scene.Port} -> ");
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
    }

    [Fact]
    public async Task Batch_mode_never_asks()
    {
        await using var scene = await Scene.CreateAsync(isKnown: false);
        await using var person = new PseudoTerminal();
        await using var adit = AditProcess.StartOn(person, scene.Forwarding("-o", "BatchMode=yes"));
        Assert.Equal(255, await adit.WaitAsync());
        await person.WaitForAsync("Host key verification failed.");
        Assert.DoesNotContain("yes/no", person.Screen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_key_that_is_not_known_is_refused_where_nobody_can_be_asked()
    {
        await using var scene = await Scene.CreateAsync(isKnown: false);
        var (exitCode, _, errors) = await AditProcess.RunAsync(scene.Forwarding());
        Assert.Equal(255, exitCode);
        Assert.StartsWith("Host key verification failed.\r\nadit: ", errors, StringComparison.Ordinal);
        Assert.False(File.Exists(scene.KnownHosts));
    }

    [Fact]
    public async Task The_log_file_gets_everything_and_standard_error_nothing()
    {
        await using var scene = await Scene.CreateAsync();
        var log = Path.Combine(scene.Folder, "log");
        scene.Server.UserKey = null;
        var (exitCode, output, errors) = await AditProcess.RunAsync(scene.Forwarding("-v", $"-E{log}", "-o", "BatchMode=yes"));
        Assert.Equal((255, "", ""), (exitCode, output, errors));
        var lines = await File.ReadAllTextAsync(log);
        Assert.Contains("debug1: Next authentication method: publickey\r\n", lines, StringComparison.Ordinal);
        Assert.Contains("alice@127.0.0.1: Permission denied (publickey,password).\r\n", lines, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Quiet_is_quiet()
    {
        await using var scene = await Scene.CreateAsync();
        scene.Server.UserKey = null;
        var (exitCode, output, errors) = await AditProcess.RunAsync(scene.Forwarding("-q", "-o", "BatchMode=yes"));
        Assert.Equal((255, "", ""), (exitCode, output, errors));
    }

    [Fact]
    public async Task A_port_in_use_is_told_as_ssh_tells_it()
    {
        await using var scene = await Scene.CreateAsync();
        var (exitCode, _, errors) = await AditProcess.RunAsync(
            scene.Arguments("-o", "ExitOnForwardFailure=yes", "-L", $"127.0.0.1:{scene.Server.Port}:x:1", "alice@127.0.0.1"));
        Assert.Equal(255, exitCode);
        Assert.StartsWith(
            $"bind [127.0.0.1]:{scene.Server.Port}: Address already in use\r\nchannel_setup_fwd_listener_tcpip: cannot listen to port: {scene.Server.Port}\r\nadit: ",
            errors, StringComparison.Ordinal);
        Assert.EndsWith("Could not request local forwarding.\r\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_ExitOnForwardFailure_the_connection_stays_though_nothing_was_bound()
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Arguments("-L", $"127.0.0.1:{scene.Server.Port}:x:1", "alice@127.0.0.1"));
        await adit.WaitForErrorAsync("Could not request local forwarding.");
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync()); // as ssh: stopped, not failed
    }

    [Fact]
    public async Task One_port_in_use_of_two_ends_it_only_when_that_was_asked_for()
    {
        await using var scene = await Scene.CreateAsync();
        string[] taken = ["-L", $"127.0.0.1:{scene.Server.Port}:x:1"];
        await using var adit = AditProcess.Start(scene.Forwarding(taken));
        Assert.Equal("on", await adit.EchoAsync(scene.Port, "on"));
        Assert.DoesNotContain("Could not request local forwarding.", adit.Errors, StringComparison.Ordinal);
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
        var (exitCode, _, errors) = await AditProcess.RunAsync(scene.Forwarding([.. taken, "-o", "ExitOnForwardFailure=yes"]));
        Assert.Equal(255, exitCode);
        Assert.EndsWith("Could not request local forwarding.\r\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_target_is_told_and_the_tunnel_stays()
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Forwarding("-L", $"127.0.0.1:{FreePorts.Take()}:127.0.0.1:1"));
        Assert.Equal("on", await adit.EchoAsync(scene.Port, "on"));
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
    }

    [Fact]
    public async Task A_proxy_command_is_the_way_to_the_server()
    {
        await using var scene = await Scene.CreateAsync();
        await using var adit = AditProcess.Start(scene.Forwarding("-o", "ProxyCommand=socat - TCP:%h:%p"));
        Assert.Equal("through", await adit.EchoAsync(scene.Port, "through"));
        adit.Signal(SigTerm);
        Assert.Equal(0, await adit.WaitAsync());
    }

    // INVARIANTS 28: no shell for host names and users.
    [Theory]
    [InlineData("$HOME@127.0.0.1", "%r")]
    [InlineData("a*b@127.0.0.1", "%r")]
    [InlineData("CORP\\alice@127.0.0.1", "%r")]
    public async Task A_proxy_command_gets_nothing_that_a_shell_would_read(string destination, string token)
    {
        await using var scene = await Scene.CreateAsync();
        var trace = Path.Combine(scene.Folder, "trace");
        var (exitCode, _, errors) = await AditProcess.RunAsync(scene.Arguments("-o", $"ProxyCommand=touch {trace} {token}", destination));
        Assert.Equal(255, exitCode);
        Assert.StartsWith("remote username contains invalid characters\r\n", errors, StringComparison.Ordinal);
        Assert.False(File.Exists(trace));
    }

    [Fact]
    public async Task Nobody_listens_there()
    {
        var port = FreePorts.Take();
        var (exitCode, _, errors) = await AditProcess.RunAsync("-N", "-F", "none", "-p", $"{port}", "alice@127.0.0.1");
        Assert.Equal(255, exitCode);
        Assert.StartsWith($"ssh: connect to host 127.0.0.1 port {port}: Connection refused\r\nadit: ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Through_a_link_named_ssh_it_is_ssh()
    {
        var folder = Directory.CreateTempSubdirectory("adit-cli-");
        var link = Path.Combine(folder.FullName, "ssh");
        File.CreateSymbolicLink(link, AditProcess.Executable);
        await using (var demo = AditProcess.StartAs(link, "-F", "none", "-o", "ProxyCommand=echo to %h >&2", "demo"))
        {
            Assert.Equal(255, await demo.WaitAsync());
            Assert.Contains("to demo\n", demo.Errors, StringComparison.Ordinal); // a host's name
        }

        await using (var version = AditProcess.StartAs(link, "-V"))
        {
            Assert.Equal(0, await version.WaitAsync());
            Assert.StartsWith("Adit_", version.Errors, StringComparison.Ordinal);
        }

        folder.Delete(recursive: true);
    }
}
