using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Sessions;

namespace Adit.Interop.Tests.Services;

/// <summary>What sshd_config says about tries, sources, the log and where host keys are, with OpenSSH's client in front of our server.</summary>
public sealed class ServerLimitTests
{
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task MaxAuthTries_in_a_Match_block_counts_for_whom_it_matches(Peer kind) => Lab.RunAsync(async lab =>
    {
        KeyPair[] wrong = [await Keys.MakeAsync(lab.Folder["one"]), await Keys.MakeAsync(lab.Folder["two"])];
        foreach (bool matches in new[] { false, true })
        {
            Server server = await lab.StartServerAsync(kind, new ServerOptions { LastLines = [$"Match User {(matches ? Machine.UserName : "somebody-else")}", "MaxAuthTries 2"] });
            string[] options = ["-i", wrong[0].Path, "-i", wrong[1].Path];
            ProcessResult result = await lab.SshAsync(server, "echo in", options: options);
            Assert.Equal(matches ? (255, "") : (0, "in\n"), (result.ExitCode, result.Output));
            if (matches)
            {
                Assert.Contains("Too many authentication failures", result.Errors, StringComparison.Ordinal);
            }
        }
    });

    [Fact]
    public Task A_source_that_tries_in_vain_is_refused_for_a_while_and_who_is_exempt_is_not() => Lab.RunAsync(async lab =>
    {
        KeyPair wrong = await Keys.MakeAsync(lab.Folder["wrong"]);
        foreach (bool exempt in new[] { false, true })
        {
            Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions
            {
                Lines = ["PerSourcePenalties authfail:10m noauth:1s min:15s", exempt ? "PerSourcePenaltyExemptList 127.0.0.0/8" : "#"],
            });
            ProcessResult vain = await lab.RunSshAsync(Peer.OpenSsh, server, new ClientOptions { Identity = wrong.Path });
            Assert.Equal(255, vain.ExitCode);
            Assert.Contains("Permission denied", vain.Errors, StringComparison.Ordinal);
            ProcessResult after;
            do
            {
                after = await lab.SshAsync(server, "echo in"); // with the right key; the server may not have seen the other one go yet
            }
            while (after.ExitCode == 0 && !exempt && !lab.Deadline.IsCancellationRequested);
            Assert.Equal(exempt ? (0, "in\n") : (255, ""), (after.ExitCode, after.Output));
            if (!exempt)
            {
                await server.Process.WaitForLineAsync("drop connection #", lab.Deadline);
            }
        }
    });

    [Fact]
    public Task A_source_has_only_so_many_connections_that_are_not_logged_in() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["PerSourceMaxStartups 2", "MaxStartups 50"] });
        using (TcpClient one = new("127.0.0.1", server.Port), two = new("127.0.0.1", server.Port))
        {
            foreach (TcpClient waiting in new[] { one, two })
            {
                Assert.NotEqual(0, await waiting.GetStream().ReadAsync(new byte[1], lab.Deadline)); // its identification: it is counted
            }

            Assert.Equal(255, (await lab.SshAsync(server, "echo in")).ExitCode);
            await server.Process.WaitForLineAsync("drop connection #", lab.Deadline);
        }

        ProcessResult result;
        do
        {
            result = await lab.SshAsync(server, "echo in"); // once the server has seen them go
        }
        while (result.ExitCode != 0 && !lab.Deadline.IsCancellationRequested);
        Assert.Equal("in\n", result.Output);
    });

    [Fact]
    public Task Host_keys_may_be_an_agents() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh-agent", "ssh-add");
        string socket = lab.Folder["agent"];
        ManagedProcess agent = lab.Start("ssh-agent", Machine.Tool("ssh-agent"), ["-D", "-a", socket]);
        await agent.WaitForLineAsync("SSH_AUTH_SOCK", lab.Deadline);
        KeyPair key = await Keys.MakeAsync(lab.Folder["host"]);
        ProcessResult added = await lab.RunAsync("ssh-add", Machine.Tool("ssh-add"), [key.Path], new Dictionary<string, string?> { ["SSH_AUTH_SOCK"] = socket });
        Assert.Equal(0, added.ExitCode);
        File.Delete(key.Path); // what is left is the public half
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"HostKeyAgent {socket}", $"HostKey {key.Path}"] });
        server = server with { HostKeys = [key.TypeAndBlob] }; // the client takes no other
        ProcessResult result = await lab.SshAsync(server, "echo in", options: ["-o", "HostKeyAlgorithms=ssh-ed25519"]);
        Assert.Equal((0, "in\n"), (result.ExitCode, result.Output));
    });

    [Theory]
    [InlineData("ERROR", "DEBUG1", true, true)]
    [InlineData("INFO", "QUIET", true, false)]
    [InlineData("DEBUG1", "ERROR", false, true)]
    [InlineData("ERROR", "DEBUG1", false, false)]
    public Task LogLevel_in_a_Match_block_counts_for_whom_it_matches(string level, string matched, bool matches, bool isSaid) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions
        {
            LogLevel = level,
            LastLines = [$"Match User {(matches ? Machine.UserName : "somebody-else")}", $"LogLevel {matched}"],
        });
        Assert.Equal("in\n", (await lab.SshAsync(server, "echo in")).Output);
        server.Process.Signal(15);
        await server.Process.WaitForExitAsync(lab.Deadline); // all that it has to say is said
        string said = server.Process.Output + server.Process.Errors;
        Assert.Equal(isSaid, said.Contains("Accepted publickey for", StringComparison.Ordinal));
        Assert.Equal(isSaid, said.Contains("debug1: Postponed", StringComparison.Ordinal) || said.Contains("debug1: channel open request", StringComparison.Ordinal));
    });
}
