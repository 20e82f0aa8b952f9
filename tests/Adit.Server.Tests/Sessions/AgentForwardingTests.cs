using System.Diagnostics;
using System.Net.Sockets;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Forwarding;

namespace Adit.Server.Tests.Sessions;

/// <summary>The server's side of a forwarded agent: whose socket it is, who may use it, and that nothing of it is left (INVARIANTS 23 to 26).</summary>
[Collection("threads with a user's identity")]
public sealed class AgentForwardingTests : IAsyncLifetime, IDisposable
{
    private const string Agent = "/usr/bin/ssh-agent", SetPriv = "/usr/bin/setpriv";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TempFolder _folder = new();
    private Process? _agent;

    private string AgentSocket => _folder["agent"];

    public async Task InitializeAsync()
    {
        if (!File.Exists(Agent))
        {
            return;
        }

        _agent = Process.Start(new ProcessStartInfo(Agent, ["-D", "-a", AgentSocket]) { RedirectStandardOutput = true })!;
        await _agent.StandardOutput.ReadLineAsync().WaitAsync(Deadline); // the socket is there now
        Commands.Run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "in the agent", "-f", _folder["key"]);
        Commands.Run("/bin/sh", "-c", $"SSH_AUTH_SOCK='{AgentSocket}' ssh-add -q '{_folder["key"]}'");
    }

    public async Task DisposeAsync()
    {
        if (_agent is not null)
        {
            _agent.Kill();
            await _agent.WaitForExitAsync();
            _agent.Dispose();
        }
    }

    public void Dispose() => _folder.Dispose();

    [FactNeeding(Agent)]
    public async Task The_agent_answers_in_a_socket_that_is_the_users_alone_and_is_gone_afterwards()
    {
        string socket;
        await using (var sessions = await AgentSessions.ConnectAsync())
        {
            socket = (await OpenAsync(sessions))!;
            Assert.Matches($"^{sessions.Parent.Path}/ssh-[A-Za-z0-9]{{10}}/agent\\.{Environment.ProcessId}$", socket);
            var uid = sessions.Login.Alice.Uid;
            Assert.Equal($"{uid} 700 directory", Stat(Path.GetDirectoryName(socket)!));
            Assert.Equal($"{uid} 600 socket", Stat(socket));
            var (code, output, _) = SshAdd(sessions, socket, "-l");
            Assert.Equal(0, code);
            Assert.Contains("in the agent (ED25519)", output);

            // A program that was left running keeps it: it is the connection's.
            await using (var again = await sessions.Client.OpenSessionAsync())
            {
                sessions.Client.ForwardAgent(again, new ForwardedAgent(AgentSocket));
                Assert.Equal(socket, await sessions.StartAsync(again)); // one for the connection
            }

            Assert.Equal(0, SshAdd(sessions, socket, "-l").ExitCode);
        }

        Assert.False(Directory.Exists(Path.GetDirectoryName(socket)));
    }

    [FactNeeding(Agent)]
    public async Task Removing_keys_is_refused_and_they_stay()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        var socket = (await OpenAsync(sessions))!;
        var (code, _, error) = SshAdd(sessions, socket, "-D");
        Assert.NotEqual(0, code);
        Assert.Contains("Failed to remove all identities.", error);
        Assert.Contains("in the agent", SshAdd(sessions, socket, "-l").Output);
    }

    [Fact]
    public async Task A_session_that_did_not_ask_has_no_agent()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        await using var session = await sessions.Client.OpenSessionAsync();
        Assert.Null(await sessions.StartAsync(session));
        Assert.Empty(Directory.GetFileSystemEntries(sessions.Parent.Path));
        await OpenAsync(sessions);
        Assert.Null(await sessions.StartAsync(session));
    }

    // INVARIANTS 24.
    [Theory]
    [InlineData("", "AllowAgentForwarding no", "AllowAgentForwarding no")]
    [InlineData("", "Match User alice\nAllowAgentForwarding no", "AllowAgentForwarding no")]
    [InlineData("", "DisableForwarding yes", "DisableForwarding yes")]
    [InlineData("no-agent-forwarding", "", "no-agent-forwarding in ")]
    [InlineData("restrict", "", "restrict in ")]
    [InlineData("restrict,pty,port-forwarding", "", "restrict in ")]
    [InlineData("restrict,agent-forwarding", "", null)]
    [InlineData("no-port-forwarding", "AllowTcpForwarding no", null)]
    [InlineData("no-agent-forwarding", "AllowAgentForwarding yes", "no-agent-forwarding in ")]
    public async Task Who_may_not_gets_none_and_is_told_the_rule(string options, string config, string? rule)
    {
        await using var sessions = await AgentSessions.ConnectAsync(options, config);
        var socket = await OpenAsync(sessions);
        Assert.Equal(rule is null, socket is not null);
        Assert.Equal(rule is null ? 1 : 0, Directory.GetFileSystemEntries(sessions.Parent.Path).Length);
        if (rule is not null)
        {
            Assert.Contains(sessions.Login.Log.Lines, line => line.StartsWith($"agent forwarding refused: {rule}", StringComparison.Ordinal));
            Assert.Contains(sessions.ClientLog.Lines, line => line.StartsWith($"Remote: Agent forwarding refused: {rule}", StringComparison.Ordinal));
        }
    }

    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("permit-agent-forwarding", true)]
    [InlineData("permit-pty", false)]
    public async Task A_certificate_has_to_permit_it(string extension, bool allowed)
    {
        using var authority = new Authority();
        var signer = authority.Certify($"-n alice -O clear -O {extension}");
        await using var sessions = await AgentSessions.ConnectAsync(config: authority.Trust, signer: signer);
        Assert.Equal(allowed, await OpenAsync(sessions) is not null);
    }

    // INVARIANTS 23: each connection is a question of its own.
    [FactNeeding(Agent)]
    public async Task What_changes_later_counts_for_the_next_connection()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        var socket = (await OpenAsync(sessions))!;
        foreach (var config in (string[])["AllowAgentForwarding no", "DisableForwarding yes"])
        {
            sessions.Configure(config);
            Assert.NotEqual(0, SshAdd(sessions, socket, "-l").ExitCode);
            sessions.Configure("");
            Assert.Equal(0, SshAdd(sessions, socket, "-l").ExitCode);
        }

        sessions.Authorize("no-agent-forwarding");
        Assert.NotEqual(0, SshAdd(sessions, socket, "-l").ExitCode);
        Assert.Contains(sessions.Login.Log.Lines, line => line.StartsWith("refused connection to the forwarded agent of alice: no-agent-forwarding in ", StringComparison.Ordinal));
        sessions.Authorize("");
        Assert.Equal(0, SshAdd(sessions, socket, "-l").ExitCode);
    }

    [FactNeeding(Agent)]
    public async Task A_review_ends_connections_that_are_not_allowed_any_more()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        using var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await connection.ConnectAsync(new UnixDomainSocketEndPoint((await OpenAsync(sessions))!)).WaitAsync(Deadline);
        await ListAsync(connection);
        Assert.Equal(0, await sessions.Server.ReviewForwardsAsync());
        await ListAsync(connection);
        sessions.Configure("AllowAgentForwarding no");
        Assert.Equal(1, await sessions.Server.ReviewForwardsAsync());
        Assert.Equal(0, await connection.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        Assert.Contains(sessions.Login.Log.Lines, line => line.StartsWith("forwarded agent: 1 connection(s) closed, it is not allowed any more: AllowAgentForwarding no", StringComparison.Ordinal));

        static async Task ListAsync(Socket connection)
        {
            await connection.SendAsync((byte[])[0, 0, 0, 1, 11]);
            var reply = new byte[4096];
            Assert.True(await connection.ReceiveAsync(reply).WaitAsync(Deadline) > 5);
        }
    }

    // A client that takes its time to take a channel keeps it out of the review's sight.
    [FactNeeding(Agent)]
    public async Task A_connection_that_was_not_open_yet_when_the_rules_changed_is_looked_at_again()
    {
        await using var sessions = await AgentSessions.ConnectAsync(connect: DeafClient.ConnectAsync);
        var session = await sessions.Client.OpenSessionAsync().WaitAsync(Deadline);
        sessions.Client.ForwardAgent(session, new ForwardedAgent(AgentSocket));
        var socket = (await sessions.StartAsync(session))!;
        using var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using (await DeafClient.BeginAsync(session.Channel.Connection, sessions.Served))
        {
            var before = sessions.Served.ChannelsOpened;
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket)).WaitAsync(Deadline);
            using var timer = new CancellationTokenSource(Deadline);
            while (sessions.Served.ChannelsOpened == before)
            {
                await Task.Delay(10, timer.Token);
            }

            sessions.Configure("AllowAgentForwarding no");
            Assert.Equal(0, await sessions.Server.ReviewForwardsAsync());
        }

        Assert.Equal(0, await connection.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        Assert.Contains("forwarded agent of alice: a connection closed, it is not allowed any more: AllowAgentForwarding no", sessions.Login.Log.Lines);
    }

    [FactNeeding(Agent, Need.Root, SetPriv)]
    public async Task Another_user_cannot_reach_the_agent()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        var socket = (await OpenAsync(sessions))!;
        Assert.NotEqual(0, SshAdd(socket, sessions.Login.Alice.Uid + 1, "-l").ExitCode);
        // Even where the folder and the socket are opened to everybody.
        File.SetUnixFileMode(Path.GetDirectoryName(socket)!, (UnixFileMode)0b111_111_111);
        File.SetUnixFileMode(socket, (UnixFileMode)0b110_110_110);
        Assert.NotEqual(0, SshAdd(socket, sessions.Login.Alice.Uid + 1, "-l").ExitCode);
        Assert.Contains($"refused connection to the forwarded agent of alice: uid {sessions.Login.Alice.Uid + 1} is somebody else", sessions.Login.Log.Lines);
        Assert.Equal(0, SshAdd(socket, 0, "-l").ExitCode); // root may anyway
    }

    [Fact]
    public async Task A_client_that_refuses_its_agent_loses_nothing_else()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        var socket = (await OpenAsync(sessions, _folder["nobody"]))!;
        for (var i = 0; i < 3; i++)
        {
            using var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket)).WaitAsync(Deadline);
            Assert.Equal(0, await connection.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        }

        await using var session = await sessions.Client.OpenSessionAsync();
        Assert.Null(await sessions.StartAsync(session));
    }

    [Fact]
    public async Task A_request_with_something_in_it_is_none()
    {
        await using var sessions = await AgentSessions.ConnectAsync();
        await using var session = await sessions.Client.OpenSessionAsync();
        Assert.False(await session.Channel.RequestAsync("auth-agent-req@openssh.com", [0]).WaitAsync(Deadline));
        Assert.False(await session.Channel.RequestAsync("auth-agent-req", default).WaitAsync(Deadline));
        Assert.True(await session.Channel.RequestAsync("auth-agent-req@openssh.com", default).WaitAsync(Deadline));
        Assert.True(await session.Channel.RequestAsync("agent-req", default).WaitAsync(Deadline));
    }

    // Whoever owns the folder may move it and put a link there: nothing is removed through that.
    [Fact]
    public void A_folder_that_was_exchanged_leads_to_nothing()
    {
        var uid = new SystemUsers().ProcessUid;
        var account = new UserAccount("me", uid, uid, "/", "/bin/sh");
        _folder.Write("precious/agent.1", "precious");
        var folder = AgentForwardingFolder.Create(_folder.Path, "agent.1", account, uid);
        File.WriteAllText(folder.SocketPath, "");
        Directory.Move(folder.Path, _folder["moved"]);
        Directory.CreateSymbolicLink(folder.Path, _folder["precious"]);
        folder.Dispose();
        Assert.Equal("precious", File.ReadAllText(_folder["precious/agent.1"]));
        Assert.Empty(Directory.GetFileSystemEntries(_folder["moved"])); // its own file it found all the same

        // What the owner has added stays.
        using var other = AgentForwardingFolder.Create(_folder.Path, "agent.1", account, uid);
        File.WriteAllText(Path.Join(other.Path, "mine"), "");
        other.Dispose();
        Assert.True(File.Exists(Path.Join(other.Path, "mine")));
        Assert.Throws<SshException>(() => AgentForwardingFolder.Create(_folder["missing"], "agent.1", account, uid));
    }

    /// <summary>SSH_AUTH_SOCK of a program for which the agent was asked; null where it has none.</summary>
    private async Task<string?> OpenAsync(AgentSessions sessions, string? agent = null)
    {
        var session = await sessions.Client.OpenSessionAsync().WaitAsync(Deadline);
        sessions.Client.ForwardAgent(session, new ForwardedAgent(agent ?? AgentSocket));
        return await sessions.StartAsync(session);
    }

    private static (int ExitCode, string Output, string Error) SshAdd(AgentSessions sessions, string socket, string flag) => SshAdd(socket, sessions.Login.Alice.Uid, flag);

    /// <summary>ssh-add as a user; 2 is its exit code for "no agent".</summary>
    private static (int ExitCode, string Output, string Error) SshAdd(string socket, uint uid, string flag)
    {
        var command = $"SSH_AUTH_SOCK='{socket}' ssh-add {flag}";
        return Login.IsRoot
            ? Commands.TryRun(SetPriv, null, "--reuid", $"{uid}", "--regid", $"{uid}", "--clear-groups", "/bin/sh", "-c", command)
            : Commands.TryRun("/bin/sh", null, "-c", command);
    }

    private static string Stat(string path) => Commands.Run("/usr/bin/stat", "-c", "%u %a %F", path).Trim();
}
