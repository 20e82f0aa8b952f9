using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Multiplexing;

/// <summary>-O proxy: the passenger speaks the connection protocol through the master.</summary>
public sealed class ProxyTests
{
    public static TheoryData<Peer, Peer> Pairs => Sharing.Pairs;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task It_runs_sessions_as_if_it_had_a_connection_of_its_own(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        ProcessResult result = await sharing.RunAsync(client, ["-O", "proxy"], ["cat; echo wrong >&2; exit 3"], "typed\n");
        Assert.Equal((3, "typed\n", "wrong\n"), (result.ExitCode, result.Output, result.Errors));
        string file = lab.Folder["file"], line = sharing.Line(client, ["-O", "proxy"], "cat");
        await File.WriteAllBytesAsync(file, RandomNumberGenerator.GetBytes(20_000_000), lab.Deadline);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => lab.MustAsync("/bin/sh", "-c", $"{line} < {file} | cmp - {file}")));
        Assert.Equal(1, sharing.Server.Process.CountLines("Accepted publickey"));
        Assert.Equal("still there\n", (await sharing.RunAsync(client, [], "echo still there")).Output);
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task It_forwards(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, master);
        await using Service service = Service.Echo(lab.Deadline);
        int local = Net.FreePort(), remote = Net.FreePort();
        string[] words = sharing.Words(
            client, ["-O", "proxy", "-L", $"127.0.0.1:{local}:127.0.0.1:{service.Port}", "-R", $"127.0.0.1:{remote}:127.0.0.1:{service.Port}"], "echo begun; sleep 500");
        ManagedProcess passenger = lab.Start("passenger", words[0], words[1..]);
        await passenger.WaitForLineAsync("begun", lab.Deadline);
        await Net.WaitUntilAsync(() => Net.IsListening(remote), "the server's port", TimeSpan.FromSeconds(20));
        await EchoAsync(local, lab.Deadline);
        await EchoAsync(remote, lab.Deadline);

        // What the passenger had asked for goes with it, also where there is always more on the way to it.
        Task flood;
        using (Socket busy = await Net.ConnectAsync(remote, lab.Deadline))
        {
            var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            flood = Task.WhenAll(SendUntilClosedAsync(busy, lab.Deadline), ReceiveUntilClosedAsync(busy, begun, lab.Deadline));
            await begun.Task.WaitAsync(lab.Deadline);
            passenger.Signal(ManagedProcess.SigTerm);
            await passenger.WaitForExitAsync(lab.Deadline);
            await Net.WaitUntilAsync(() => !Net.IsListening(remote), "the end of the server's port", TimeSpan.FromSeconds(20));
        }

        await flood;
        Assert.Equal("still there\n", (await sharing.RunAsync(client, [], "echo still there")).Output);
    });

    [Fact]
    public Task What_it_cannot_forward_is_told_and_not_asked_for() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit, ["X11Forwarding yes"]);
        ProcessResult result = await sharing.RunAsync(Peer.Adit, ["-O", "proxy", "-A", "-X"], "echo ${DISPLAY:-none} ${SSH_AUTH_SOCK:-none}");
        Assert.Equal((0, "none none\n"), (result.ExitCode, result.Output));
        Assert.Contains("adit: with -O proxy the agent is not forwarded: the server would ask the master for it.", result.ErrorLines);
        Assert.Contains("adit: with -O proxy no display is forwarded: the server would ask the master for it.", result.ErrorLines);
    });

    [Fact]
    public Task Nobody_gets_it_where_the_host_key_is_not_the_known_one() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, null);
        string known = lab.Folder["wrong_hosts"];
        await File.WriteAllTextAsync(known, $"[{sharing.Server.Host}]:{sharing.Server.Port} {(await Keys.UserAsync()).TypeAndBlob}\n", lab.Deadline);
        string[] words = sharing.Words(Peer.Adit, ["-M", "-N", "-o", "StrictHostKeyChecking=no", "-o", $"UserKnownHostsFile={known}"]);
        ManagedProcess master = lab.Start("master", words[0], words[1..]);
        await Net.WaitUntilAsync(() => File.Exists(sharing.Path) || master.HasExited, "the control socket", TimeSpan.FromSeconds(30));
        Assert.Equal("a session goes\n", (await sharing.RunAsync(Peer.Adit, [], "echo a session goes")).Output);
        ProcessResult result = await sharing.RunAsync(Peer.Adit, ["-O", "proxy"], "echo wrong");
        Assert.Equal((255, ""), (result.ExitCode, result.Output));
        Assert.Contains("Proxy mode is disabled to avoid man-in-the-middle attacks.", result.Errors, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData("62 00000000 0000000465 6e76 00")]
    [InlineData("5e 00000000 00000001 78")] // data on a channel that is somebody else's
    [InlineData("61 00000000")]
    [InlineData("63 00000000")]
    [InlineData("5b 00000000 00000000 00000001 00000001")] // nobody opened one
    [InlineData("50 0000000c 6b656570616c6976654078 78 01")]
    [InlineData("50 0000000d 74637069702d666f7277617264 01 00000000 00010000")]
    [InlineData("01 0000000b 00000000 00000000")]
    [InlineData("14")]
    [InlineData("5a 00000007 73657373696f6e 00000000 00000001 00000000")] // packets of nothing
    public Task What_is_not_legal_ends_the_passenger_alone(string message) => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit);
        string fifo = lab.Folder["fifo"];
        await lab.MustAsync(Machine.Tool("mkfifo"), fifo);
        string[] words = sharing.Words(Peer.OpenSsh, [], $"echo begun; read line < {fifo}; echo $line");
        ManagedProcess other = lab.Start("other", words[0], words[1..]);
        await other.WaitForLineAsync("begun", lab.Deadline);
        byte[] payload = Convert.FromHexString(message.Replace(" ", "", StringComparison.Ordinal));
        using (var socket = await Net.ConnectAsync(sharing.Path, lab.Deadline))
        {
            byte[] sent = [0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 8, 0x10, 0, 0, 0x0f, 0, 0, 0, 0, 0, 0, 0, (byte)(payload.Length + 1), 0, .. payload];
            await Net.SendAllAsync(socket, sent, lab.Deadline);
            byte[] answer = await Net.ReceiveToEndAsync(socket, lab.Deadline);
            Assert.Equal([0, 0, 0, 8, 0x80, 0, 0, 0x0f, 0, 0, 0, 0], answer[25..37]);
        }

        await sharing.Master!.WaitForLineAsync("channel_proxy_downstream: ", lab.Deadline);
        await File.WriteAllTextAsync(fifo, "undisturbed\n", lab.Deadline);
        ProcessResult result = await other.WaitForExitAsync(lab.Deadline);
        Assert.Equal((0, "begun\nundisturbed\n"), (result.ExitCode, result.Output));
    });

    [Fact]
    public Task The_master_tells_about_its_connection() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.Adit, null, "-D", $"127.0.0.1:{Net.FreePort()}");
        string[] words = sharing.Words(Peer.Adit, [], "echo begun; sleep 500");
        ManagedProcess passenger = lab.Start("passenger", words[0], words[1..]);
        await passenger.WaitForLineAsync("begun", lab.Deadline);
        ProcessResult information = await sharing.AskAsync(Peer.Adit, "conninfo");
        Assert.StartsWith($"Connected to {sharing.Server.User}@{sharing.Server.Host} port {sharing.Server.Port}, pid {sharing.Master!.Id}\n", information.Output, StringComparison.Ordinal);
        Assert.Contains("server SSH-2.0-OpenSSH_", information.Output, StringComparison.Ordinal);
        ProcessResult channels = await sharing.AskAsync(Peer.Adit, "channels");
        Assert.Contains(" session (", channels.Output, StringComparison.Ordinal);
        Assert.Contains("-D 127.0.0.1:", channels.Output, StringComparison.Ordinal);
    });

    [Fact]
    public Task An_older_master_cannot() => Lab.RunAsync(async lab =>
    {
        Sharing sharing = await Sharing.StartAsync(lab, Peer.OpenSsh);
        ProcessResult result = await sharing.RunAsync(Peer.Adit, ["-O", "conninfo"]);
        Assert.Equal((255, "adit: the master does not know this request (OpenSSH's does from 10.3 on)."), (result.ExitCode, result.FirstErrorLine));
    });

    private static async Task SendUntilClosedAsync(Socket socket, CancellationToken deadline)
    {
        try
        {
            while (true)
            {
                await Net.SendAllAsync(socket, new byte[16 * 1024], deadline);
            }
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // Closed, by either end.
        }
    }

    private static async Task ReceiveUntilClosedAsync(Socket socket, TaskCompletionSource begun, CancellationToken deadline)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, deadline) > 0)
            {
                begun.TrySetResult();
            }
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // Closed, by either end.
        }
    }

    private static async Task EchoAsync(int port, CancellationToken deadline)
    {
        using Socket socket = await Net.ConnectAsync(port, deadline);
        byte[] sent = [1, 2, 3, 4], received = new byte[4];
        await Net.SendAllAsync(socket, sent, deadline);
        await Net.ReceiveExactlyAsync(socket, received, deadline);
        Assert.Equal(sent, received);
    }
}
