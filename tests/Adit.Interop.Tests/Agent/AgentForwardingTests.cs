using Adit.Interop.Tests.Authentication;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Agent;

/// <summary>The agent goes along, over one server or three, ours and OpenSSH's in every place (INVARIANTS 24 to 26).</summary>
public sealed class AgentForwardingTests
{
    private const string HostKeys = "ed25519 ecdsa-256 rsa";

    private static string SshAdd(string flag) => $"{Machine.Tool("ssh-add")} {flag}";

    /// <summary>Clients and servers of each hop in turn: A for ours, O for OpenSSH's.</summary>
    [Theory]
    [InlineData("AO")]
    [InlineData("OA")]
    [InlineData("AA")]
    [InlineData("OAAO")]
    [InlineData("AOOA")]
    [InlineData("AAAA")]
    [InlineData("OAOAOO")]
    [InlineData("OOAAOO")]
    [InlineData("AOAOAO")]
    [InlineData("AAAAAA")]
    public Task Keys_are_listed_at_the_end_of_the_way(string peers) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        ProcessResult result = await agent.RunAsync(await WayAsync(agent, peers), SshAdd("-l"));
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains(agent.Key.Fingerprint, result.Output, StringComparison.Ordinal);
    });

    // The agent knows the way by the bindings of each hop's client: over the first server to the second, and nowhere else.
    [Theory]
    [InlineData("AAAA")]
    [InlineData("OAAO")]
    [InlineData("AOOA")]
    [InlineData("AOAO")]
    [InlineData("OOAA")]
    public Task A_key_for_certain_destinations_goes_no_other_way(string peers) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        IReadOnlyList<(Peer Client, Server Server)> way = await WayAsync(agent, peers);
        Server elsewhere = await agent.ServeAsync(way[1].Server.Kind, "ecdsa-384");
        string names = lab.Folder.Write("names", $"one {way[0].Server.HostKeys[0]}\ntwo {way[1].Server.HostKeys[0]}\nelsewhere {elsewhere.HostKeys[0]}\n");
        await agent.AddAsync("-H", names, "-h", "one", "-h", "one>two");

        ProcessResult allowed = await agent.RunAsync(way, "echo arrived");
        Assert.True(allowed.ExitCode == 0, allowed.ToString());
        Assert.Equal("arrived\n", allowed.Output);
        ProcessResult direct = await agent.RunAsync([(way[0].Client, way[1].Server)], "echo arrived");
        Assert.Equal(255, direct.ExitCode);
        ProcessResult further = await agent.RunAsync([way[0], (way[1].Client, elsewhere)], "echo arrived");
        Assert.Equal(255, further.ExitCode);
        Assert.Contains("Permission denied", further.Errors, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Through_our_client_keys_are_neither_removed_nor_added_nor_locked(Peer server) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        (Peer, Server)[] way = [(Peer.Adit, await agent.ServeAsync(server))];
        KeyPair other = await Keys.MakeAsync(lab.Folder["other"]);
        foreach (string flag in new[] { "-D", $"-d {agent.Key.Path}", $"-q {other.Path}" })
        {
            ProcessResult refused = await agent.RunAsync(way, SshAdd(flag));
            Assert.True(refused.ExitCode != 0, flag + ": " + refused);
        }

        string askPass = lab.Folder.WriteAskPass("askpass", "secret");
        await agent.RunAsync(way, $"SSH_ASKPASS={askPass} SSH_ASKPASS_REQUIRE=force {SshAdd("-x")}");
        ProcessResult list = await lab.RunAsync("ssh-add", Machine.Tool("ssh-add"), ["-l"], agent.Environment);
        Assert.Equal(0, list.ExitCode);
        Assert.Equal(1, list.Output.Count(letter => letter == '\n'));
        Assert.Contains(agent.Key.Fingerprint, list.Output, StringComparison.Ordinal);
    });

    [Fact]
    public Task Each_use_is_logged_with_its_key_and_destination() => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        IReadOnlyList<(Peer Client, Server Server)> way = await WayAsync(agent, "AOOA");
        ProcessResult result = await agent.RunAsync(way, "true", "-v");
        Assert.True(result.ExitCode == 0, result.ToString());
        string[] lines = result.Errors.Split('\n', StringSplitOptions.TrimEntries);
        Assert.InRange(lines.Count(line => line == "debug1: bound agent to hostkey"), 2, int.MaxValue); // to log in, and for each connection that is forwarded
        Assert.Contains(
            $"debug1: agent forwarding: signature with ED25519 {agent.Key.Fingerprint} ({AgentLab.Comment}) for {way[0].Server.User}@127.0.0.1, "
            + $"to log in as {way[1].Server.User} at the host with key ECDSA {way[1].Server.Fingerprint}",
            lines);
    });

    [Theory]
    [InlineData("yes", true)]
    [InlineData("no", false)]
    [InlineData("", false)]
    public Task Agent_confirm_asks_before_each_signature(string answer, bool allowed) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        IReadOnlyList<(Peer Client, Server Server)> way = await WayAsync(agent, "AOOA");
        string asked = lab.Folder["asked"];
        string askPass = lab.Folder.WriteProgram("askpass", $"printf '%s\\n' \"$1\" >> '{asked}'\necho '{answer}'");
        foreach ((string name, string? value) in KeyTests.AskPass(askPass))
        {
            agent.Environment[name] = value;
        }

        ProcessResult result = await agent.RunAsync(way, "echo arrived", "--agent-confirm", "-o", "BatchMode=no");
        Assert.Equal(allowed ? 0 : 255, result.ExitCode);
        Assert.Equal(allowed ? "arrived\n" : "", result.Output);
        string question = Assert.Single(await File.ReadAllLinesAsync(asked));
        Assert.StartsWith($"Allow {way[0].Server.User}@127.0.0.1 a signature with ED25519 {agent.Key.Fingerprint} ({AgentLab.Comment}), to log in as ", question, StringComparison.Ordinal);
    });

    // INVARIANTS 24.
    [Theory]
    [InlineData("", "AllowAgentForwarding no", false)]
    [InlineData("", "DisableForwarding yes", false)]
    [InlineData("no-agent-forwarding", "", false)]
    [InlineData("restrict", "", false)]
    [InlineData("restrict,agent-forwarding", "", true)]
    [InlineData("no-port-forwarding", "", true)]
    public Task Our_server_forwards_none_where_it_may_not(string options, string line, bool allowed) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        Server server = await agent.ServeAsync(Peer.Adit, options: new ServerOptions
        {
            AuthorizedKeys = [$"{options} {agent.Key.PublicLine}".TrimStart()],
            Lines = line.Length == 0 ? [] : [line],
        });
        ProcessResult result = await agent.RunAsync([(Peer.OpenSsh, server)], "echo \"[$SSH_AUTH_SOCK]\"");
        Assert.True(result.ExitCode == 0, result.ToString());
        if (allowed)
        {
            Assert.Matches(@"^\[/tmp/ssh-[A-Za-z0-9]{10}/agent\.[0-9]+\]\n$", result.Output);
        }
        else
        {
            Assert.Equal("[]\n", result.Output);
        }
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task The_socket_is_gone_with_the_connection(Peer client) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        Server server = await agent.ServeAsync(Peer.Adit);
        ProcessResult result = await agent.RunAsync([(client, server)], "stat -c '%a %F' \"$(dirname $SSH_AUTH_SOCK)\" $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK");
        Assert.True(result.ExitCode == 0, result.ToString());
        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.Equal(["700 directory", "600 socket"], lines[..2]);
        await Net.WaitUntilAsync(() => !Directory.Exists(Path.GetDirectoryName(lines[2])), "the folder is removed", TimeSpan.FromSeconds(20));
    });

    [Fact]
    public Task Without_A_there_is_none() => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        Server server = await agent.ServeAsync(Peer.Adit);
        ProcessResult result = await agent.RunAsync([(Peer.Adit, server)], "echo \"[$SSH_AUTH_SOCK]\"", "-a");
        Assert.Equal((0, "[]\n"), (result.ExitCode, result.Output));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task To_a_server_with_the_wrong_key_none_is_forwarded(Peer client) => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        Server server = await agent.ServeAsync(Peer.OpenSsh);
        KeyPair wrong = await Keys.HostAsync("ecdsa-256");
        string knownHosts = lab.Folder.Write("wrong", $"[127.0.0.1]:{server.Port} {wrong.TypeAndBlob}\n[127.0.0.1]:{server.Port} {(await Keys.UserAsync()).TypeAndBlob}\n");
        ProcessResult result = await agent.RunAsync(
            [(client, server)], "echo \"[$SSH_AUTH_SOCK]\"", "-o", $"UserKnownHostsFile={knownHosts}", "-o", "StrictHostKeyChecking=no");
        Assert.Equal("[]\n", result.Output);
        Assert.Contains("Agent forwarding is disabled to avoid man-in-the-middle attacks.", result.ErrorLines);
    });

    // As root, with two ordinary users: what is one's is not the other's.
    [Fact]
    public Task Another_user_has_no_way_to_the_agent() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync(), other = await TemporaryUser.GetOtherAsync();
        Need.Tools("runuser");
        AgentLab agent = await AgentLab.StartAsync(lab);
        await user.AuthorizeAsync(agent.Key);
        Server server = await agent.ServeAsync(Peer.Adit, options: new ServerOptions { Lines = ["AuthorizedKeysFile .ssh/authorized_keys"] }) with { User = user.Name };
        IReadOnlyList<string> words = agent.Ssh(Peer.OpenSsh, server, $"{SshAdd("-l")}; stat -c 'owner %U' $SSH_AUTH_SOCK; echo socket $SSH_AUTH_SOCK; exec sleep 60");
        ManagedProcess session = lab.Start("client", words[0], words.Skip(1), agent.Environment);
        string socket = (await session.WaitForLineAsync("socket ", lab.Deadline)).Split(' ')[1];
        Assert.Contains(agent.Key.Fingerprint, session.Output, StringComparison.Ordinal);
        Assert.Contains($"owner {user.Name}\n", session.Output, StringComparison.Ordinal);
        var environment = new Dictionary<string, string?> { ["SSH_AUTH_SOCK"] = socket };
        ProcessResult refused = await lab.RunAsync("ssh-add as another", Machine.Tool("runuser"), ["-u", other.Name, "--", Machine.Tool("ssh-add"), "-l"], environment);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("Permission denied", refused.Errors, StringComparison.Ordinal);
        ProcessResult own = await lab.RunAsync("ssh-add as the user", Machine.Tool("runuser"), ["-u", user.Name, "--", Machine.Tool("ssh-add"), "-l"], environment);
        Assert.Equal(0, own.ExitCode);

        // The client goes without a word, its program goes on for a while: the socket is the connection's.
        session.Signal(ManagedProcess.SigKill);
        await Net.WaitUntilAsync(() => !Directory.Exists(Path.GetDirectoryName(socket)), "the folder is removed", TimeSpan.FromSeconds(20));
    });

    [Fact]
    public Task A_server_that_is_stopped_leaves_no_socket_behind() => Lab.RunAsync(async lab =>
    {
        AgentLab agent = await AgentLab.StartAsync(lab);
        Server server = await agent.ServeAsync(Peer.Adit);
        IReadOnlyList<string> words = agent.Ssh(Peer.OpenSsh, server, "echo socket $SSH_AUTH_SOCK; exec sleep 60");
        ManagedProcess session = lab.Start("client", words[0], words.Skip(1), agent.Environment);
        string socket = (await session.WaitForLineAsync("socket ", lab.Deadline)).Split(' ')[1];
        Assert.True(File.Exists(socket));
        server.Process.Signal(ManagedProcess.SigTerm);
        await server.Process.WaitForExitAsync(lab.Deadline);
        Assert.False(Directory.Exists(Path.GetDirectoryName(socket)));
    });

    private static async Task<IReadOnlyList<(Peer Client, Server Server)>> WayAsync(AgentLab agent, string peers)
    {
        static Peer PeerOf(char letter) => letter == 'A' ? Peer.Adit : Peer.OpenSsh;
        var way = new List<(Peer, Server)>();
        foreach ((char[] hop, string type) in peers.Chunk(2).Zip(HostKeys.Split(' ')))
        {
            way.Add((PeerOf(hop[0]), await agent.ServeAsync(PeerOf(hop[1]), type)));
        }

        return way;
    }
}
