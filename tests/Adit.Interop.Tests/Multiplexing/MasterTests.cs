using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Multiplexing;

/// <summary>A master's life: how it begins, what it answers, how it ends.</summary>
public sealed class MasterTests
{
    public static TheoryData<Peer, Peer> Pairs => Sharing.Pairs;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task It_answers_ends_and_leaves_nothing(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(sharing.Path));
        ProcessResult check = await sharing.AskAsync(client, "check");
        Assert.Equal(("", $"Master running (pid={sharing.Master!.Id})"), (check.Output, check.FirstErrorLine));

        string[] words = sharing.Words(client, [], "echo begun; sleep 500");
        ManagedProcess passenger = lab.Start("passenger", words[0], words[1..]);
        await passenger.WaitForLineAsync("begun", lab.Deadline);
        Assert.Equal(["Exit request sent."], (await sharing.AskAsync(client, "exit")).ErrorLines);
        Assert.Equal(255, (await passenger.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.Equal(255, (await sharing.Master.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.False(File.Exists(sharing.Path));
        ProcessResult late = await sharing.RunAsync(client, ["-O", "check"]);
        Assert.Equal((255, $"Control socket connect({sharing.Path}): No such file or directory"), (late.ExitCode, late.FirstErrorLine));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Told_to_stop_it_goes_with_the_last_session(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        string fifo = lab.Folder["fifo"];
        await lab.MustAsync(Machine.Tool("mkfifo"), fifo);
        string[] words = sharing.Words(client, [], $"echo begun; read line < {fifo}; echo $line");
        ManagedProcess passenger = lab.Start("passenger", words[0], words[1..]);
        await passenger.WaitForLineAsync("begun", lab.Deadline);
        Assert.Equal(["Stop listening request sent."], (await sharing.AskAsync(client, "stop")).ErrorLines);
        Assert.False(File.Exists(sharing.Path));
        Assert.False(sharing.Master!.HasExited);
        await File.WriteAllTextAsync(fifo, "still there\n");
        ProcessResult result = await passenger.WaitForExitAsync(lab.Deadline);
        Assert.Equal((0, "begun\nstill there\n"), (result.ExitCode, result.Output));
        await sharing.Master.WaitForExitAsync(lab.Deadline);
    });

    [Theory]
    [InlineData(Peer.Adit)]
    [InlineData(Peer.OpenSsh)]
    public Task With_a_session_of_its_own_it_waits_for_the_others(Peer master) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        string fifo = lab.Folder["fifo"];
        await lab.MustAsync(Machine.Tool("mkfifo"), fifo);
        string[] words = sharing.Words(master, ["-M"], $"echo begun; read line < {fifo}; exit 3"); // ends when the other one has begun
        ManagedProcess own = lab.Start("master", words[0], words[1..]);
        await own.WaitForLineAsync("begun", lab.Deadline);
        Assert.Equal("later\n", (await sharing.RunAsync(Peer.Adit, [], $"echo go > {fifo}; sleep 2; echo later")).Output);
        Assert.Equal(3, (await own.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
        Assert.False(File.Exists(sharing.Path));
    });

    [Fact]
    public Task Where_the_master_cannot_the_client_connects_by_itself() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null, ["MaxSessions 1"]);
        string[] words = sharing.Words(Peer.Adit, ["-M"], "echo begun; sleep 500");
        ManagedProcess master = lab.Start("master", words[0], words[1..]);
        await master.WaitForLineAsync("begun", lab.Deadline);
        ProcessResult result = await sharing.RunAsync(Peer.Adit, [], "echo by itself; exit 4");
        Assert.Equal((4, "by itself\n", "mux_client_request_session: session request failed: Session open refused by peer"), (result.ExitCode, result.Output, result.FirstErrorLine));
        Assert.Equal(2, sharing.Server.Process.CountLines("Accepted publickey"));
    });

    [Fact]
    public Task A_signal_ends_it_and_its_socket() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        sharing.Master!.Signal(ManagedProcess.SigTerm);
        Assert.Equal(0, (await sharing.Master.WaitForExitAsync(lab.Deadline)).ExitCode);
        Assert.False(File.Exists(sharing.Path));
    });

    [Theory]
    [InlineData("check", "No ControlPath specified for \"-O\" command", "none")]
    [InlineData("chekc", "Invalid multiplex command.", "x")]
    public Task A_question_that_makes_no_sense_is_refused(string command, string expected, string path) => Lab.RunAsync(async lab =>
    {
        ProcessResult result = await lab.RunAsync("client", Machine.Adit, ["ssh", "-F", "none", "-S", path, "-O", command, "localhost"]);
        Assert.Equal((255, expected), (result.ExitCode, result.FirstErrorLine));
    });

    [Fact]
    public Task The_connection_stays_for_a_while_after_its_first_user() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        string[] persist = ["-o", "ControlMaster=auto", "-o", "ControlPersist=6"];
        ProcessResult first = await sharing.RunAsync(Peer.Adit, persist, ["cat; echo wrong >&2; exit 3"], "first\n");
        Assert.Equal((3, "first\n", "wrong\n"), (first.ExitCode, first.Output, first.Errors));
        ProcessIdentity master = await MasterOfAsync(sharing);
        Assert.Equal(("second\n", ""), (await sharing.RunAsync(Peer.OpenSsh, persist, "echo second; sleep 7")) is var second ? (second.Output, second.Errors) : default);
        Assert.True(master.IsAlive); // longer than it would have stayed unused
        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
        await Net.WaitUntilAsync(() => !master.IsAlive, "the end of the master", TimeSpan.FromSeconds(20));
        Assert.False(File.Exists(sharing.Path));
    });

    [Fact]
    public Task A_forwarded_connection_keeps_it() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        await using Service service = Service.Echo(lab.Deadline);
        int port = Net.FreePort();
        string fifo = lab.Folder["fifo"];
        await lab.MustAsync(Machine.Tool("mkfifo"), fifo);
        string[] words = sharing.Words(
            Peer.Adit, ["-o", "ControlMaster=auto", "-o", "ControlPersist=1", "-L", $"127.0.0.1:{port}:127.0.0.1:{service.Port}"], $"echo begun; read line < {fifo}"); // ends when told
        ManagedProcess first = lab.Start("client", words[0], words[1..]);
        await first.WaitForLineAsync("begun", lab.Deadline);
        ProcessIdentity master;
        using (var socket = await Net.ConnectAsync(port, lab.Deadline))
        {
            await Net.SendAllAsync(socket, "x"u8.ToArray(), lab.Deadline);
            await Net.ReceiveExactlyAsync(socket, new byte[1], lab.Deadline);
            await File.WriteAllTextAsync(fifo, "go\n", lab.Deadline);
            Assert.Equal(0, (await first.WaitForExitAsync(lab.Deadline)).ExitCode);
            master = await MasterOfAsync(sharing);
            await lab.MustAsync(Machine.Tool("sleep"), "3"); // longer than it would have stayed unused
            await Net.SendAllAsync(socket, "y"u8.ToArray(), lab.Deadline);
            await Net.ReceiveExactlyAsync(socket, new byte[1], lab.Deadline);
            Assert.True(master.IsAlive);
        }

        await Net.WaitUntilAsync(() => !master.IsAlive, "the end of the master", TimeSpan.FromSeconds(20));
    });

    [Fact]
    public Task Several_at_once_need_one_connection() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        string[] persist = ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"];
        ProcessResult[] results = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => sharing.RunAsync(Peer.Adit, persist, $"echo {i}; exit {i}")));
        Assert.Equal([(0, "0\n", ""), (1, "1\n", ""), (2, "2\n", ""), (3, "3\n", "")], results.Select(result => (result.ExitCode, result.Output, result.Errors)));
        ProcessIdentity master = await MasterOfAsync(sharing);
        Assert.Equal(0, TerminalOf(master.Id));
        await sharing.AskAsync(Peer.OpenSsh, "exit");
        await Net.WaitUntilAsync(() => !master.IsAlive, "the end of the master", TimeSpan.FromSeconds(20));
    });

    [Fact]
    public Task A_socket_that_nobody_listens_on_is_replaced() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        sharing.Master!.Signal(ManagedProcess.SigKill);
        await sharing.Master.WaitForExitAsync(lab.Deadline);
        Assert.True(File.Exists(sharing.Path));
        ProcessResult result = await sharing.RunAsync(Peer.Adit, ["-o", "ControlMaster=auto", "-o", "ControlPersist=yes"], "echo over the new one");
        Assert.Equal(("over the new one\n", ""), (result.Output, result.Errors));
        await sharing.AskAsync(Peer.Adit, "exit");
    });

    [Fact]
    public Task Where_there_is_a_master_another_one_is_none() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        string[] words = sharing.Words(Peer.Adit, ["-M", "-N"]);
        ManagedProcess second = lab.Start("second", words[0], words[1..]);
        await second.WaitForLineAsync($"ControlSocket {sharing.Path} already exists, disabling multiplexing", lab.Deadline);
        second.Signal(ManagedProcess.SigTerm);
        await second.WaitForExitAsync(lab.Deadline);
        Assert.Contains($"(pid={sharing.Master!.Id})", (await sharing.AskAsync(Peer.OpenSsh, "check")).Errors, StringComparison.Ordinal);
    });

    [Fact]
    public Task Another_user_is_refused() => Lab.RunAsync(async lab =>
    {
        Need.Root();
        Need.Tools("python3");
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        // As if somebody had opened the way.
        File.SetUnixFileMode(lab.Folder.FullPath, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(sharing.Path, (UnixFileMode)0b110_110_110);
        const string Stranger = "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(len(s.recv(100)))";
        Assert.Equal("0\n", await lab.MustAsync(Machine.Tool("python3"), "-c", Stranger, sharing.Path));
        await sharing.Master!.WaitForLineAsync("multiplex uid mismatch: peer euid 65534 != uid 0", lab.Deadline);
        await sharing.AskAsync(Peer.Adit, "check");
    });

    [Theory]
    [InlineData("exit 0", true)]
    [InlineData("exit 1", false)]
    public Task ControlMaster_ask_asks(string program, bool allows) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        string asked = lab.Folder["asked"];
        string askPass = lab.Folder.Write("askpass", $"#!/bin/sh\nprintf '%s\\n' \"$1\" > {asked}\n{program}\n", (UnixFileMode)0b111_000_000);
        string[] words = sharing.Words(Peer.Adit, ["-MM", "-N"]);
        ManagedProcess master = lab.Start("master", words[0], words[1..], new Dictionary<string, string?> { ["SSH_ASKPASS"] = askPass });
        await Net.WaitUntilAsync(() => File.Exists(sharing.Path) || master.HasExited, "the control socket", TimeSpan.FromSeconds(30));
        ProcessResult result = await sharing.RunAsync(Peer.OpenSsh, [], "echo allowed");
        Assert.Equal("Allow shared connection to 127.0.0.1? \n", await File.ReadAllTextAsync(asked));
        if (allows)
        {
            Assert.Equal("allowed\n", result.Output);
        }
        else
        {
            Assert.Equal("Master refused session request: Permission denied", result.FirstErrorLine);
        }
    });

    [Fact]
    public Task A_client_that_talks_nonsense_disturbs_nobody() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        byte[] hello = [0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4];
        byte[][] nonsense =
        [
            "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
            [0xff, 0xff, 0xff, 0xff],
            [.. hello, 0, 0, 0, 8, 0x10, 0, 0, 2, 0, 0, 0, 0], // a session request that ends early
            [.. hello, 0, 0, 0, 4, 0x10, 0, 0, 4],
            [0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 9],
        ];
        foreach (byte[] bytes in nonsense)
        {
            using var socket = await Net.ConnectAsync(sharing.Path, lab.Deadline);
            await Net.SendAllAsync(socket, bytes, lab.Deadline);
            try
            {
                _ = await Net.ReceiveToEndAsync(socket, lab.Deadline); // hung up on
            }
            catch (SocketException problem) when (problem.SocketErrorCode == SocketError.ConnectionReset)
            {
                // With some of it unread.
            }
        }

        using (var socket = await Net.ConnectAsync(sharing.Path, lab.Deadline))
        {
            byte[] answer = new byte[25 + 4 + 8 + 4 + "unsupported request".Length];
            await Net.SendAllAsync(socket, (byte[])[.. hello, 0, 0, 0, 8, 0x10, 0, 0, 0x7f, 0, 0, 0, 0], lab.Deadline);
            await Net.ReceiveExactlyAsync(socket, answer, lab.Deadline);
            Assert.Equal("unsupported request"u8.ToArray(), answer[41..]);
        }

        Assert.Equal("fine\n", (await sharing.RunAsync(Peer.OpenSsh, [], "echo fine")).Output);
    });

    private static async Task<ProcessIdentity> MasterOfAsync(Sharing sharing)
    {
        string said = (await sharing.AskAsync(Peer.OpenSsh, "check")).Errors;
        return ProcessIdentity.Of(int.Parse(Regex.Match(said, @"pid=(\d+)").Groups[1].Value, CultureInfo.InvariantCulture))!;
    }

    /// <summary>tty_nr of its stat.</summary>
    private static int TerminalOf(int process) => int.Parse(File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ')[4], CultureInfo.InvariantCulture);
}
