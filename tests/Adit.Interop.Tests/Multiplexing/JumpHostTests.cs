using System.Globalization;
using System.Net.Sockets;
using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Multiplexing;

/// <summary>Jump hosts whose own configuration shares the connection to them, with OpenSSH's client on it.</summary>
public sealed class JumpHostTests
{
    [Fact]
    public Task A_jump_host_is_shared_while_the_way_through_it_is_used() => Lab.RunAsync(async lab =>
    {
        Way way = await Way.StartAsync(lab, "ControlMaster auto");
        ManagedProcess client = way.Start(lab);
        await way.WhenThereAsync(lab);
        ProcessResult check = await way.OverAsync(lab, "-O", "check");
        Assert.Equal($"Master running (pid={client.Id})", check.FirstErrorLine);
        Assert.Equal((3, "over it\n"), await way.OverAsync(lab, "hop", "echo over it; exit 3") is var session ? (session.ExitCode, session.Output) : default);
        Assert.Equal(1, way.Hop.Process.CountLines("Accepted publickey"));
        await way.GoOnAsync(lab, client, 5);
        Assert.False(File.Exists(way.Path));
    });

    [Fact]
    public Task Whoever_ends_the_jump_hosts_connection_ends_the_way() => Lab.RunAsync(async lab =>
    {
        Way way = await Way.StartAsync(lab, "ControlMaster yes");
        ManagedProcess client = way.Start(lab);
        await way.WhenThereAsync(lab);
        Assert.Equal(0, (await way.OverAsync(lab, "-O", "exit")).ExitCode);
        ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
        Assert.Equal((255, "client_loop: send disconnect: Broken pipe"), (result.ExitCode, result.FirstErrorLine));
        Assert.Contains($"The jump host {way.Hop.User}@{way.Hop.Host} is gone: somebody who shares the connection to it ended it", result.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(way.Path));
    });

    [Fact]
    public Task A_socket_that_nobody_listens_on_is_replaced() => Lab.RunAsync(async lab =>
    {
        Way way = await Way.StartAsync(lab, "ControlMaster auto");
        using (var left = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint(lab.Folder["left"]));
            File.Move(lab.Folder["left"], way.Path); // the runtime would remove it under its own name
        }

        ManagedProcess client = way.Start(lab);
        await way.WhenThereAsync(lab);
        Assert.Equal($"Master running (pid={client.Id})", (await way.OverAsync(lab, "-O", "check")).FirstErrorLine);
        await way.GoOnAsync(lab, client, 5);
    });

    [Fact]
    public Task A_jump_host_with_ControlPersist_stays_connected() => Lab.RunAsync(async lab =>
    {
        Way way = await Way.StartAsync(lab, "ControlMaster auto\nControlPersist yes");
        // The second time it is there; and what comes before it in the way is its own matter.
        for (int i = 0; i < 2; i++)
        {
            ProcessResult result = await lab.RunAsync("client", Machine.Adit, [.. Route.Arguments(way.Config, way.Target, "-J", "hop"), "echo arrived; exit 3"]);
            Assert.Equal((3, "arrived\n", ""), (result.ExitCode, result.Output, result.Errors));
        }

        Assert.Equal(1, way.Hop.Process.CountLines("Accepted publickey"));
        Assert.Equal(2, way.Target.Process.CountLines("Accepted publickey"));
        ProcessIdentity master = ProcessIdentity.Of(Way.NumberIn((await way.OverAsync(lab, "-O", "check")).Errors))!;
        Assert.Contains($"-W\0[{way.Target.Host}]:{way.Target.Port}\0hop", await File.ReadAllTextAsync($"/proc/{master.Id}/cmdline"), StringComparison.Ordinal);
        Assert.Equal("over it\n", (await way.OverAsync(lab, "hop", "echo over it")).Output);
        Assert.Equal(0, (await way.OverAsync(lab, "-O", "exit")).ExitCode);
        await Net.WaitUntilAsync(() => !master.IsAlive, "the end of the master", TimeSpan.FromSeconds(20));
        Assert.False(File.Exists(way.Path));
    });

    [Fact]
    public Task A_jump_host_with_ControlPersist_that_cannot_be_reached_is_told() => Lab.RunAsync(async lab =>
    {
        Way way = await Way.StartAsync(lab, "ControlMaster auto\nControlPersist yes");
        way.Hop.Process.Signal(ManagedProcess.SigTerm);
        await way.Hop.Process.WaitForExitAsync(lab.Deadline);
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, [.. Route.Arguments(way.Config, way.Target, "-J", "hop"), "true"]);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("Connection refused", result.FirstErrorLine, StringComparison.Ordinal);
        Assert.Contains("Connection closed by UNKNOWN port 65535", result.Errors, StringComparison.Ordinal);
    });

    // ObscureKeystrokeTiming: a key leaves at the end of an interval only.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_master_paces_the_keys_of_those_that_use_it(Peer client) => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3", "ssh");
        Server server = await lab.StartServerAsync(Peer.Adit);
        string path = lab.Folder["paced"];
        string config = await Route.WriteAsync(lab, [server], $"ControlPath {path}\nObscureKeystrokeTiming interval:1000\n");
        ManagedProcess master = lab.Start("master", Machine.Adit, Route.Arguments(config, server, "-M", "-N"));
        await Net.WaitUntilAsync(() => File.Exists(path) || master.HasExited, "the control socket", TimeSpan.FromSeconds(30));
        const string Steps = "wait ready\ntype a\nwait one\ntype b\nwait took\n";
        const string Program = "stty -echo -icanon; began=$(date +%s%N); echo ready; head -c 1 > /dev/null; echo one; head -c 1 > /dev/null; echo took $(( ($(date +%s%N) - began) / 1000000 )) ms";
        string[] words = [.. Clients.Program(client), "-F", "none", "-S", path, "-tt", "anywhere", Program];
        string shown = (await lab.RunAsync("terminal", Machine.Tool("python3"), [Machine.Here("Peers/on_a_terminal.py"), Steps, .. words])).Output;
        Assert.Contains("exit 0", shown, StringComparison.Ordinal);
        Assert.True(Way.NumberIn(shown[shown.IndexOf("took", StringComparison.Ordinal)..]) >= 1700, shown);
    });

    /// <summary>A jump host with a Host block of its own, and a machine behind it.</summary>
    private sealed record Way(Server Hop, Server Target, string Config, string Path, string Begun, string End)
    {
        public static async Task<Way> StartAsync(Lab lab, string sharing)
        {
            Need.Tools("ssh", "sshd");
            Server hop = await lab.StartServerAsync(Peer.OpenSsh), target = await lab.StartServerAsync(Peer.OpenSsh);
            string path = lab.Folder["hop"];
            string config = await Route.WriteAsync(lab, [hop, target],
                $"Host hop\nHostName {hop.Host}\nPort {hop.Port}\nUser {hop.User}\nControlPath {path}\n{sharing}\n");
            return new Way(hop, target, config, path, lab.Folder["begun"], lab.Folder["end"]);
        }

        /// <summary>The first number in it.</summary>
        public static int NumberIn(string text) =>
            int.Parse(string.Concat(text.SkipWhile(letter => !char.IsAsciiDigit(letter)).TakeWhile(char.IsAsciiDigit)), CultureInfo.InvariantCulture);

        /// <summary>A client that goes through it, to a program that waits.</summary>
        public ManagedProcess Start(Lab lab) => lab.Start("client", Machine.Adit,
            [.. Route.Arguments(Config, Target, "-J", "hop"), $"touch {Begun}; for n in $(seq 600); do [ -e {End} ] && exit 5; sleep 0.1; done"]);

        public Task WhenThereAsync(Lab lab) => Net.WaitUntilAsync(() => File.Exists(Begun), "the program behind the jump host", TimeSpan.FromSeconds(60));

        /// <summary>Lets the program end.</summary>
        public async Task GoOnAsync(Lab lab, ManagedProcess client, int exitCode)
        {
            await File.WriteAllTextAsync(End, "");
            Assert.Equal(exitCode, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
        }

        /// <summary>OpenSSH's client over the connection to the jump host.</summary>
        public Task<ProcessResult> OverAsync(Lab lab, params string[] words) => lab.RunAsync("ssh", Machine.Tool("ssh"),
            words[0] == "-O" ? ["-F", "none", "-S", Path, .. words, "hop"] : ["-F", "none", "-S", Path, .. words]);
    }
}
