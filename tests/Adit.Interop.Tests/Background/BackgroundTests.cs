using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Background;

/// <summary>-f: what a script sees of it, and what stays behind.</summary>
public sealed class BackgroundTests
{
    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task The_tunnel_stands_when_the_command_returns(Peer kind) => Lab.RunAsync(async lab =>
    {
        // With OpenSSH's client too: this is what "the same" means.
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [server]);
        await using Service service = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        string forward = $"127.0.0.1:{port}:127.0.0.1:{service.Port}";
        string command = Command(kind, config, server, "-f", "-N", "-L", forward);

        // The substitution ends when nobody has its pipe open any more.
        Assert.Equal("[] 0\n", await Route.ShellAsync(lab, $"said=$({command} 2>&1); echo \"[$said] $?\""));
        await using var background = new Survivor($"-f -N -L {forward}");
        Assert.Equal(kind == Peer.Adit ? Path.GetFileName(Machine.Adit) : "ssh", (await File.ReadAllTextAsync($"/proc/{background.Id}/comm")).Trim());
        Assert.Equal("0", Stat(background.Id, 4)); // tty_nr
        Assert.Equal($"{background.Id}", Stat(background.Id, 3)); // the session is its own
        Assert.Equal(["/dev/null", "/dev/null", "/dev/null"], Enumerable.Range(0, 3).Select(n => new FileInfo($"/proc/{background.Id}/fd/{n}").LinkTarget));
        await EchoAsync(lab, port);
        background.Signal(ManagedProcess.SigTerm);
        await Net.WaitUntilAsync(() => !background.IsAlive, "the end", TimeSpan.FromSeconds(20));
        Assert.False(Net.IsListening(port));
        await server.Process.WaitForLineAsync("disconnected by user", lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task A_command_goes_on_and_is_heard(Peer kind) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [server]), fifo = lab.Folder["fifo"];
        await lab.MustAsync(Machine.Tool("mkfifo"), fifo);
        string command = Command(kind, config, server, "-f") + " " + Route.Quote($"read line < {fifo}; echo $line; echo $line >&2");

        // The line that it waits for is written after it has returned.
        Assert.Equal("0\nheard\nheard\n", await Route.ShellAsync(lab, $"{{ {command}; echo $?; echo heard > {fifo}; }} 2>&1 | cat"));
    });

    [Fact]
    public Task The_words_of_a_configuration_file_do_the_same() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        int port = Net.FreePort();
        string config = await Route.WriteAsync(lab, [server], $"Host *\nForkAfterAuthentication yes\nSessionType none\nLocalForward 127.0.0.1:{port} 127.0.0.1:1\n");
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, server, "-o", $"Tag={port}"));
        Assert.Equal((0, "", ""), (result.ExitCode, result.Output, result.Errors));
        await using var background = new Survivor($"Tag={port}");
        Assert.True(Net.IsListening(port));
    });

    [Theory]
    [InlineData("ForkAfterAuthentication yes\nSessionType none\n", "true")]
    [InlineData("ControlMaster auto\nControlPath DIR/master\nControlPersist 100\n", "true")]
    public Task A_command_of_Match_exec_runs_once(string lines, string command) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string ran = lab.Folder["ran"], folder = Path.GetDirectoryName(ran)!;
        string config = await Route.WriteAsync(lab, [server], $"Match exec \"echo ran >> {ran}\"\n{lines.Replace("DIR", folder, StringComparison.Ordinal)}Match exec \"echo no >> {ran}; false\"\nPort 1\n");
        string tag = $"Tag={Net.FreePort()}";
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, [.. Route.Arguments(config, server, "-o", tag), command]);
        Assert.Equal((0, "", ""), (result.ExitCode, result.Output, result.Errors));
        await using var background = new Survivor(tag);
        Assert.Equal("ran\nno\n", await File.ReadAllTextAsync(ran));
    });

    [Theory]
    [InlineData(true, 255, "Error: remote port forwarding failed for listen port")]
    [InlineData(false, 0, "")]
    public Task A_refused_remote_forward_counts_with_ExitOnForwardFailure_alone(bool exits, int code, string line) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = ["AllowTcpForwarding local"] });
        string config = await Route.WriteAsync(lab, [server]);
        int port = Net.FreePort();
        ProcessResult result = await lab.RunAsync("client", Machine.Adit,
            Route.Arguments(config, server, "-f", "-N", "-o", $"ExitOnForwardFailure={(exits ? "yes" : "no")}", "-R", $"127.0.0.1:{port}:127.0.0.1:1"));
        Assert.Equal(code, result.ExitCode);
        if (exits)
        {
            Assert.StartsWith(line, result.FirstErrorLine, StringComparison.Ordinal);
            Assert.Null(Survivor.Find($"{port}:127.0.0.1:1"));
            return;
        }

        await using var background = new Survivor($"{port}:127.0.0.1:1");
        Assert.True(background.IsAlive);
    });

    [Fact]
    public Task A_remote_forward_stands_when_the_command_returns() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [server]); // ExitOnForwardFailure yes
        await using Service service = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, server, "-f", "-N", "-R", $"127.0.0.1:{port}:127.0.0.1:{service.Port}"));
        Assert.Equal(0, result.ExitCode);
        await using var background = new Survivor($"127.0.0.1:{port}:127.0.0.1:{service.Port}");
        await EchoAsync(lab, port);
    });

    [Fact]
    public Task What_fails_before_is_told_and_is_the_exit_code() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [server]);
        await using Service service = Service.Echo(lab.Deadline);
        ProcessResult taken = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, server, "-f", "-N", "-L", $"127.0.0.1:{service.Port}:127.0.0.1:1"));
        Assert.Equal((255, $"bind [127.0.0.1]:{service.Port}: Address already in use"), (taken.ExitCode, taken.FirstErrorLine));
        Assert.Null(Survivor.Find($"127.0.0.1:{service.Port}:127.0.0.1:1"));

        ProcessResult idle = await lab.RunAsync("client", Machine.Adit, Route.Arguments(config, server, "-f"));
        Assert.Equal((255, "Cannot fork into background without a command to execute."), (idle.ExitCode, idle.FirstErrorLine));

        int nobody = Net.FreePort();
        ProcessResult refused = await lab.RunAsync("client", Machine.Adit, ["ssh", "-F", config, "-f", "-N", "-p", Daemons.Text(nobody), "127.0.0.1"]);
        Assert.Equal((255, $"ssh: connect to host 127.0.0.1 port {nobody}: Connection refused"), (refused.ExitCode, refused.FirstErrorLine));
    });

    [Fact]
    public Task A_password_is_asked_for_before_and_the_terminal_is_free_after() => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3");
        TemporaryUser user = await TemporaryUser.GetAsync();
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = ["PasswordAuthentication yes"] });
        string config = await Route.WriteAsync(lab, [server], "Host *\nBatchMode no\nPubkeyAuthentication no\n");
        int port = Net.FreePort();
        string[] command = [Machine.Adit, "ssh", "-F", config, "-f", "-N", "-L", $"127.0.0.1:{port}:127.0.0.1:1", "-p", Daemons.Text(server.Port), $"{user.Name}@127.0.0.1"];
        ProcessResult result = await OnTerminalAsync(lab, $"wait password: \ntype {user.Password}\\n", command);
        Assert.EndsWith("\nexit 0\n", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(user.Password, result.Output, StringComparison.Ordinal);
        await using var background = new Survivor($"127.0.0.1:{port}:127.0.0.1:1");
        Assert.Equal("0", Stat(background.Id, 4));
        Assert.True(Net.IsListening(port));
    });

    [Fact]
    public Task Ctrl_C_at_the_question_ends_both() => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3");
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = ["PasswordAuthentication yes"] });
        string config = await Route.WriteAsync(lab, [server], "Host *\nBatchMode no\nPubkeyAuthentication no\n");
        for (int turn = 0; turn < 5; turn++) // both get the signal, and either may be first
        {
            int port = Net.FreePort();
            ProcessResult result = await OnTerminalAsync(lab, "wait password: \ntype \\x03\n", [Machine.Adit, .. Route.Arguments(config, server, "-f", "-N", "-L", $"127.0.0.1:{port}:127.0.0.1:1")]);
            Assert.EndsWith("\nexit -2\n", result.Output, StringComparison.Ordinal); // as a single process would have ended
            await Net.WaitUntilAsync(() => Survivor.Find($"127.0.0.1:{port}:127.0.0.1:1") is null, "the end", TimeSpan.FromSeconds(20));
        }
    });

    [Theory]
    [InlineData(ManagedProcess.SigTerm)]
    [InlineData(ManagedProcess.SigKill)]
    public Task Who_ends_the_command_ends_what_it_started(int signal) => Lab.RunAsync(async lab =>
    {
        // Something that takes a connection and never says a word.
        await using var silent = Service.Start(static (_, stop) => Task.Delay(Timeout.Infinite, stop), lab.Deadline);
        string config = lab.Folder.Write("config", "");
        string mark = $"127.0.0.1:{Net.FreePort()}:127.0.0.1:1";
        ManagedProcess command = lab.Start("client", Machine.Adit, ["ssh", "-F", config, "-f", "-N", "-L", mark, "-p", Daemons.Text(silent.Port), "127.0.0.1"]);
        await Net.WaitUntilAsync(() => silent.Accepted > 0, "the connection", TimeSpan.FromSeconds(30));
        command.Signal(signal);
        await command.WaitForExitAsync(lab.Deadline);
        await Net.WaitUntilAsync(() => Survivor.Find(mark) is null, "the end", TimeSpan.FromSeconds(20));
    });

    [Fact]
    public Task Debug_lines_go_on_after() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [server]), log = lab.Folder["log"];
        int port = Net.FreePort();
        await Route.ShellAsync(lab, $"{Command(Peer.Adit, config, server, "-f", "-v", "-N", "-L", $"127.0.0.1:{port}:127.0.0.1:1")} 2> {log}");
        await using var background = new Survivor($"127.0.0.1:{port}:127.0.0.1:1");
        Assert.Contains("debug1: forking to background\r\n", await File.ReadAllTextAsync(log), StringComparison.Ordinal);
        using (Socket socket = await Net.ConnectAsync(port, lab.Deadline))
        {
            _ = await Net.ReceiveToEndAsync(socket, lab.Deadline);
        }

        await Net.WaitUntilAsync(() => File.ReadAllText(log).Contains("open failed: connect failed", StringComparison.Ordinal), "the line", TimeSpan.FromSeconds(20));
    });

    private static string Command(Peer kind, string config, Server server, params string[] options) =>
        Route.Quote([.. Clients.Program(kind), "-F", config, .. options, "-p", Daemons.Text(server.Port), $"{server.User}@{server.Host}"]);

    private static Task<ProcessResult> OnTerminalAsync(Lab lab, string steps, string[] command) =>
        lab.RunAsync("terminal", Machine.Tool("python3"), [Machine.Here("Peers/on_a_terminal.py"), steps, .. command]);

    /// <summary>A field of /proc/PID/stat, counted from the state, which is 0.</summary>
    private static string Stat(int process, int field)
    {
        string stat = File.ReadAllText($"/proc/{process}/stat");
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[field];
    }

    private static async Task EchoAsync(Lab lab, int port)
    {
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        byte[] sent = "there and back"u8.ToArray(), received = new byte[sent.Length];
        await Net.SendAllAsync(socket, sent, lab.Deadline);
        await Net.ReceiveExactlyAsync(socket, received, lab.Deadline);
        Assert.Equal(sent, received);
    }

    /// <summary>The process that stays in the background, found as "pgrep -f" finds it; ended with the test.</summary>
    private sealed class Survivor : IAsyncDisposable
    {
        private readonly ProcessIdentity _process;

        public Survivor(string words) => _process = Find(words) ?? throw new InvalidOperationException($"no process has \"{words}\" in its arguments");

        public int Id => _process.Id;

        public bool IsAlive => _process.IsAlive;

        public static ProcessIdentity? Find(string words) => ProcessIdentity.All().FirstOrDefault(process => CommandLine(process.Id) is var line
            && line.Contains(words, StringComparison.Ordinal) && !line.Contains("/bin/sh", StringComparison.Ordinal) && !line.Contains("python", StringComparison.Ordinal));

        public void Signal(int signal) => _process.Signal(signal);

        public async ValueTask DisposeAsync()
        {
            Signal(ManagedProcess.SigTerm);
            await Net.WaitUntilAsync(() => !IsAlive, "the end", TimeSpan.FromSeconds(20));
        }

        private static string CommandLine(int process)
        {
            try
            {
                return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/cmdline")).Replace('\0', ' ');
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }
}
