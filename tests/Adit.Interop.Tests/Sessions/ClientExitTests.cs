using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>What scripts see of a session: output, exit code, messages. Both clients are run, and have to agree.</summary>
public sealed class ClientExitTests
{
    [Theory]
    [InlineData("${ssh[@]} there 'echo out; echo err >&2; exit 3' 2>/dev/null", "out\n", 3)]
    [InlineData("${ssh[@]} there 'echo out; echo err >&2; exit 3' 2>&1 >/dev/null", "err\n", 3)]
    [InlineData("${ssh[@]} there 'kill -9 $$'", "", 255)]
    [InlineData("echo in | ${ssh[@]} there 'cat; echo end'", "in\nend\n", 0)]
    [InlineData("echo in | ${ssh[@]} -n there 'cat; echo end'", "end\n", 0)]
    [InlineData("echo in | ${ssh[@]} -o StdinNull=yes there cat", "", 0)]
    [InlineData("echo 'echo shell; exit 4' | ${ssh[@]} there", "shell\n", 4)]
    [InlineData("${ssh[@]} there true < /dev/zero", "", 0)]
    [InlineData("${ssh[@]} there 'exec <&-; sleep 0.2; exit 6' < /dev/zero", "", 6)]
    [InlineData("${ssh[@]} there yes | head -n 1; exit ${PIPESTATUS[0]}", "y\n", 255)]
    [InlineData("${ssh[@]} -s there nosuch </dev/null", "", 255)]
    [InlineData("${ssh[@]} -s there </dev/null", "", 255)]
    [InlineData("${ssh[@]} -N -s there x </dev/null", "", 255)]
    [InlineData("${ssh[@]} -o RemoteCommand='echo %n' there </dev/null", "there\n", 0)]
    [InlineData("${ssh[@]} -o RemoteCommand=ls there true </dev/null", "", 255)]
    [InlineData("${ssh[@]} -t there 'tty' </dev/null", "not a tty\n", 1)]
    [InlineData("${ssh[@]} -T there 'tty' </dev/null", "not a tty\n", 1)]
    [InlineData("${ssh[@]} -tt there 'test -t 0 && test -t 1 && echo $TERM' </dev/null", null, 0)]
    [InlineData("${ssh[@]} -o RequestTTY=force there 'test -t 0' </dev/null", "", 0)]
    [InlineData("${ssh[@]} -o PermitLocalCommand=yes -o LocalCommand='echo here %n' there 'echo there' </dev/null", "here there\nthere\n", 0)]
    [InlineData("${ssh[@]} -o LocalCommand='echo here' there 'echo there' </dev/null", "there\n", 0)]
    [InlineData("VAR_A=1 VAR_B=2 OTHER=3 ${ssh[@]} -o 'SendEnv=VAR_* -VAR_B OTHER' -o SetEnv=VAR_C=4 there 'echo $VAR_A,$VAR_B,$VAR_C,$OTHER' </dev/null", null, 0)]
    [InlineData("${ssh[@]} -o ExitOnForwardFailure=no -L 127.0.0.1:1:/x there 'echo there' </dev/null 2>/dev/null", "there\n", 0)]
    [InlineData("f=$(mktemp); ${ssh[@]} there 'head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2' 2>$f </dev/null | wc -c; wc -c < $f; rm $f", "3000000\n3000000\n", 0)]
    public Task Scripts_see_what_they_see_of_ssh(string line, string? output, int exitCode) => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab, "AcceptEnv VAR_*");
        ProcessResult ours = await scene.ShellAsync(Peer.Adit, line);
        ProcessResult theirs = await scene.ShellAsync(Peer.OpenSsh, line);
        Assert.Equal((theirs.ExitCode, theirs.Output), (ours.ExitCode, ours.Output));
        Assert.Equal(exitCode, ours.ExitCode);
        if (output is not null)
        {
            Assert.Equal(output, ours.Output);
        }

        // What is ours is marked; usage is our own.
        Assert.Equal(
            theirs.ErrorLines.Where(IsMessage).Take(3),
            ours.ErrorLines.Where(text => IsMessage(text) && !text.StartsWith("adit: ", StringComparison.Ordinal)).Take(3));
        static bool IsMessage(string text) => !text.Contains("sage:", StringComparison.Ordinal) && !text.StartsWith(' ');
    });

    [Fact]
    public Task A_dead_connection_is_told_and_exits_with_255() => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        foreach (Peer kind in new[] { Peer.OpenSsh, Peer.Adit })
        {
            string seen = lab.Folder[$"seen.{kind}"];
            string[] command = scene.Command(kind, ClientSessionLab.Host, $"echo up; until [ -e {seen} ]; do sleep 0.05; done; kill -9 $PPID; sleep 20");
            ManagedProcess client = lab.Start("client", command[0], command[1..]);
            await client.WaitForLineAsync("up", lab.Deadline);
            await File.WriteAllTextAsync(seen, "");
            ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
            Assert.Equal((255, "up\n", "Connection to 127.0.0.1 closed by remote host."), (result.ExitCode, result.Output, result.FirstErrorLine));
        }
    });

    // Without a terminal Ctrl-C is for the client.
    [Theory]
    [InlineData(ManagedProcess.SigInt)]
    [InlineData(ManagedProcess.SigTerm)]
    [InlineData(1)] // SIGHUP
    [InlineData(3)] // SIGQUIT
    public Task A_signal_ends_the_client_with_255(int signal) => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        foreach (Peer kind in new[] { Peer.OpenSsh, Peer.Adit })
        {
            string[] command = scene.Command(kind, "-v", ClientSessionLab.Host, "echo run''ning; sleep 50");
            ManagedProcess client = lab.Start("client", command[0], command[1..]);
            await client.WaitForLineAsync("running", lab.Deadline);
            client.Signal(signal);
            ProcessResult result = await client.WaitForExitAsync(lab.Deadline).WaitAsync(TimeSpan.FromSeconds(20)); // the program there runs on
            Assert.Equal(255, result.ExitCode);
            Assert.Contains($"Killed by signal {signal}.", result.ErrorLines);
        }
    });

    [Fact]
    public Task Sessions_and_forwards_go_side_by_side_and_the_last_connection_is_waited_for() => Lab.RunAsync(async lab =>
    {
        ClientSessionLab scene = await ClientSessionLab.CreateAsync(lab);
        int port = Net.FreePort();
        string[] command = scene.Command(Peer.Adit, "-L", $"127.0.0.1:{port}:127.0.0.1:{scene.Server.Port}", ClientSessionLab.Host, "echo up; read line; echo got $line; exit 9");
        string input = lab.Folder["input"];
        await lab.MustAsync(Machine.Tool("mkfifo"), input);
        ManagedProcess client = lab.Start("client", "/bin/sh", ["-c", $"exec \"$@\" < '{input}'", "sh", .. command]);
        await using var writer = new FileStream(input, FileMode.Open, FileAccess.Write);
        await client.WaitForLineAsync("up", lab.Deadline);
        using var connection = await Net.ConnectAsync(port, lab.Deadline);
        var greeting = new byte[4];
        Assert.Equal(4, await connection.ReceiveAsync(greeting, lab.Deadline));
        Assert.Equal("SSH-"u8.ToArray(), greeting);
        await writer.WriteAsync("word\n"u8.ToArray(), lab.Deadline);
        await writer.FlushAsync(lab.Deadline);
        await client.WaitForLineAsync("got word", lab.Deadline);
        Assert.False(client.HasExited);
        connection.Dispose();
        Assert.Equal(9, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
    });
}
