using System.Globalization;
using System.Net.Sockets;
using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Multiplexing;

/// <summary>Sessions and connections over a master's connection: OpenSSH's client with our master and the other way round.</summary>
public sealed class PassengerTests
{
    private const int SigHangup = 1;

    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task A_jump_host_with_a_master_is_not_logged_in_to_again(Peer master) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        Server target = await lab.StartServerAsync(Peer.OpenSsh);
        string config = await Route.WriteAsync(lab, [sharing.Server, target],
            $"Host hop\nHostName {sharing.Server.Host}\nPort {sharing.Server.Port}\nUser {sharing.Server.User}\nControlPath {sharing.Path}\n");
        // What lies before a jump host with a master is not needed.
        foreach (string way in new[] { "hop", "nobody@127.0.0.1:1,hop" })
        {
            ProcessResult result = await lab.RunAsync("client", Machine.Adit, [.. Route.Arguments(config, target, "-J", way), "echo arrived; exit 3"]);
            Assert.Equal((3, "arrived\n", ""), (result.ExitCode, result.Output, result.Errors));
        }

        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
        Assert.Equal(2, target.Process.CountLines("Accepted publickey"));
        // Without a master it is connected to.
        await sharing.AskAsync(Peer.Adit, "exit");
        Assert.Equal(3, (await lab.RunAsync("client", Machine.Adit, [.. Route.Arguments(config, target, "-J", "hop"), "exit 3"])).ExitCode);
        Assert.Equal(2, sharing.Server.Process.CountLines("Accepted publickey"));
    });

    public static TheoryData<Peer, Peer> Pairs => Sharing.Pairs;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_session_keeps_its_streams_and_its_exit_code(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        ProcessResult result = await sharing.RunAsync(client, [], ["cat; echo wrong >&2; exit 42"], "what goes in\n");
        Assert.Equal((42, "what goes in\n", "wrong\n"), (result.ExitCode, result.Output, result.Errors));
        Assert.Equal(255, (await sharing.RunAsync(client, [], "kill -9 $$")).ExitCode);

        // It was the master's connection: the server has seen one login only.
        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Much_data_passes_both_ways(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string data = lab.Folder["data"];
        await Route.ShellAsync(lab, $"head -c 30000000 /dev/urandom > {data}");
        string expected = await Route.ShellAsync(lab, $"sha256sum < {data}");
        Assert.Equal(expected, await Route.ShellAsync(lab, $"{sharing.Line(client, [], "cat")} < {data} | sha256sum"));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Ten_sessions_run_at_once(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        // Each waits until all have begun.
        Sharing sharing = await Sharing.StartAsync(lab, master, ["MaxSessions 20"]);
        string folder = lab.Folder["begun"];
        Directory.CreateDirectory(folder);
        ProcessResult[] results = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => sharing.RunAsync(client, [],
            $"touch {folder}/{i}; for n in $(seq 600); do [ $(ls {folder} | wc -l) = 10 ] && break; sleep 0.1; done; echo session {i}; exit {i}")));
        for (int i = 0; i < results.Length; i++)
        {
            Assert.Equal((i, $"session {i}\n"), (results[i].ExitCode, results[i].Output));
        }
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_terminal_follows_the_clients_size(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3");
        Sharing sharing = await Sharing.StartAsync(lab, master);
        const string Steps = "size 33 77\nwait size 33 77\nraw\nsize 44 99\nwait now 44 99\n";
        string[] words = sharing.Words(client, ["-tt"], "until [ \"$(stty size)\" = '33 77' ]; do sleep 0.1; done; echo size $(stty size); until [ \"$(stty size)\" = '44 99' ]; do sleep 0.1; done; echo now $(stty size); exit 5");
        ProcessResult result = await lab.RunAsync("terminal", Machine.Tool("python3"), [Machine.Here("Peers/on_a_terminal.py"), Steps, .. words]);
        Assert.Contains("exit 5", result.Output, StringComparison.Ordinal);
        Assert.Contains("Shared connection to 127.0.0.1 closed.", result.Output, StringComparison.Ordinal);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Keys_go_to_the_program_and_not_to_the_client(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3");
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string[] words = sharing.Words(client, ["-tt"], "trap 'echo caught; exit 9' INT; stty -echo; echo ready; while :; do sleep 0.1; done");

        // What the program says comes from the master, and may be there before the client has changed the terminal.
        Assert.EndsWith("\nexit 9\n", await OnTerminalAsync("wait ready\nraw\ntype \\x03\nwait caught\n"), StringComparison.Ordinal);

        string ended = await OnTerminalAsync("wait ready\nraw\ntype \\r~?\nwait Supported escape sequences\ntype ~.\n");
        Assert.EndsWith("\nexit 255\n", ended, StringComparison.Ordinal);
        Assert.DoesNotContain("caught", ended, StringComparison.Ordinal);

        async Task<string> OnTerminalAsync(string steps) =>
            (await lab.RunAsync("terminal", Machine.Tool("python3"), [Machine.Here("Peers/on_a_terminal.py"), steps, .. words])).Output;
    });

    // Ansible's way of running things: a password that is piped in must not come back, and lines end as the program writes them.
    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_terminal_for_a_client_without_one_has_no_modes(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        ProcessResult result = await sharing.RunAsync(client, ["-tt"], "stty -a | grep -ow -e -echo -e -isig -e -opost");
        Assert.Equal("-opost\n-isig\n-echo\n", result.Output);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Forwards_come_and_go(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        await using Service service = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        string forward = $"127.0.0.1:{port}:127.0.0.1:{service.Port}";
        Assert.Equal("", (await sharing.AskAsync(client, "forward", "-L", forward)).Output);
        await EchoAsync(lab, port);
        await sharing.AskAsync(client, "forward", "-L", forward); // again: nothing changes
        using (Socket open = await Net.ConnectAsync(port, lab.Deadline))
        {
            await Net.SendAllAsync(open, "before"u8.ToArray(), lab.Deadline);
            await sharing.AskAsync(client, "cancel", "-L", forward);
            Assert.False(Net.IsListening(port));
            await Net.ReceiveExactlyAsync(open, new byte[6], lab.Deadline); // what is open stays open
        }

        ProcessResult again = await sharing.AskAsync(client, "cancel", "-L", forward); // ssh's exit code says nothing of it
        Assert.Equal(["mux_client_forward: forwarding request failed: port not forwarded", "muxclient: master cancel forward request failed"], again.ErrorLines);

        // A port of the server's choice is printed, alone, for scripts.
        string printed = (await sharing.AskAsync(client, "forward", "-R", $"127.0.0.1:0:127.0.0.1:{service.Port}")).Output;
        int remote = int.Parse(printed.TrimEnd('\n'), CultureInfo.InvariantCulture);
        await EchoAsync(lab, remote);
        Assert.Equal(printed, (await sharing.AskAsync(client, "forward", "-R", $"127.0.0.1:0:127.0.0.1:{service.Port}")).Output);
        await sharing.AskAsync(client, "cancel", "-R", $"127.0.0.1:0:127.0.0.1:{service.Port}");
        await Net.WaitUntilAsync(() => !Net.IsListening(remote), "the server's port to be free", TimeSpan.FromSeconds(20));

        int socks = Net.FreePort();
        await sharing.AskAsync(client, "forward", "-D", $"127.0.0.1:{socks}");
        Assert.True(Net.IsListening(socks));
        await sharing.AskAsync(client, "cancel", "-D", $"127.0.0.1:{socks}");
        Assert.False(Net.IsListening(socks));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_forward_that_fails_is_told(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        await using Service service = Service.Echo(lab.Deadline);
        ProcessResult local = await sharing.RunAsync(client, ["-O", "forward", "-L", $"127.0.0.1:{service.Port}:127.0.0.1:1"]);
        Assert.Equal(255, local.ExitCode);
        Assert.Equal(["mux_client_forward: forwarding request failed: Port forwarding failed", "muxclient: master forward request failed"], local.ErrorLines);
        ProcessResult remote = await sharing.RunAsync(client, ["-O", "forward", "-R", $"127.0.0.1:{service.Port}:127.0.0.1:1"]);
        Assert.Equal(255, remote.ExitCode);
        Assert.Equal($"mux_client_forward: forwarding request failed: remote port forwarding failed for listen port {service.Port}", remote.FirstErrorLine);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Standard_input_and_output_are_one_connection(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        await using Service service = Service.Echo(lab.Deadline);
        ProcessResult result = await sharing.RunAsync(client, ["-W", $"127.0.0.1:{service.Port}"], [], "there and back\n");
        Assert.Equal((0, "there and back\n"), (result.ExitCode, result.Output));
        ProcessResult refused = await sharing.RunAsync(client, ["-W", $"127.0.0.1:{Net.FreePort()}"]);
        Assert.Equal((255, "Stdio forwarding request failed: Session open refused by peer"), (refused.ExitCode, refused.FirstErrorLine));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Files_are_copied_over_it(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Need.Tools("scp", "sftp");
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string data = lab.Folder["data"], copy = lab.Folder["copy"], again = lab.Folder["again"];
        await Route.ShellAsync(lab, $"head -c 5000000 /dev/urandom > {data}");
        string link = lab.Folder["ssh"];
        File.CreateSymbolicLink(link, client == Peer.Adit ? Machine.Adit : Machine.Tool("ssh")); // scp wants one word
        string[] options = ["-S", link, "-F", sharing.Config, "-o", $"ControlPath={sharing.Path}", "-P", Daemons.Text(sharing.Server.Port)];
        await lab.MustAsync(Machine.Tool("scp"), [.. options, "-q", data, $"{sharing.Server.User}@127.0.0.1:{copy}"]);
        await Route.ShellAsync(lab, $"printf 'get {copy} {again}\\n' | {Route.Quote([Machine.Tool("sftp"), .. options, "-b", "-", $"{sharing.Server.User}@127.0.0.1"])}");
        await Route.ShellAsync(lab, $"cmp {data} {copy} && cmp {data} {again}");
        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
    });

    [Fact]
    public Task The_variables_that_are_to_be_sent_are_sent() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        string[] words = sharing.Words(Peer.Adit, ["-o", "SendEnv=ADIT_A*", "-o", "SetEnv=ADIT_C=three"], "echo $ADIT_A:$ADIT_B:$ADIT_C");
        ProcessResult result = await lab.RunAsync("client", words[0], words[1..], new Dictionary<string, string?> { ["ADIT_A"] = "one", ["ADIT_B"] = "two" });
        Assert.Equal("one::three\n", result.Output);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_session_that_the_server_refuses_is_told(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master, ["MaxSessions 0"]);
        Assert.Equal("mux_client_request_session: session request failed: Session open refused by peer", (await sharing.RunAsync(client, [], "true")).FirstErrorLine);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_client_that_dies_takes_its_program_along(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string[] words = sharing.Words(client, ["-tt"], "echo pid $$; exec sleep 500");
        ManagedProcess process = lab.Start("client", words[0], words[1..]);
        string line = await process.WaitForLineAsync("pid ", lab.Deadline);
        ProcessIdentity remote = ProcessIdentity.Of(int.Parse(line[4..], CultureInfo.InvariantCulture))!;
        process.Signal(ManagedProcess.SigKill);
        await Net.WaitUntilAsync(() => !remote.IsAlive, "the end of the program", TimeSpan.FromSeconds(20));
        await sharing.AskAsync(client, "check");
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_signal_ends_the_client_with_255(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string[] words = sharing.Words(client, [], "echo begun; sleep 500");
        ManagedProcess process = lab.Start("client", words[0], words[1..]);
        await process.WaitForLineAsync("begun", lab.Deadline);
        await Until.TrueAsync(() => process.Catches(SigHangup) && process.Catches(ManagedProcess.SigTerm), lab.Deadline); // that line comes from the master
        process.Signal(ManagedProcess.SigTerm);
        Assert.Equal(255, (await process.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    private static async Task EchoAsync(Lab lab, int port)
    {
        using Socket socket = await Net.ConnectAsync(port, lab.Deadline);
        byte[] sent = "there and back"u8.ToArray(), received = new byte[sent.Length];
        await Net.SendAllAsync(socket, sent, lab.Deadline);
        await Net.ReceiveExactlyAsync(socket, received, lab.Deadline);
        Assert.Equal(sent, received);
    }
}
