using System.Diagnostics;
using System.Text;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests.Client;

/// <summary>What the client gives to the agent, and asks about it.</summary>
public sealed class AgentTests : IAsyncLifetime, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-cli-").FullName;
    private readonly StringBuilder _written = new();
    private readonly LogOutput _log;
    private readonly Answers _answers = new();
    private TestServer _server = null!;
    private Process _agent = null!;

    public AgentTests() => _log = new LogOutput(text => _written.Append(text)) { Level = OpenSshLogLevel.Debug1 };

    private string AgentSocket => Path.Combine(_folder, "agent");

    private string KeyPath => Path.Combine(_folder, "key");

    public async Task InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        using var key = PrivateKey.Generate("ed25519");
        key.Comment = "mine";
        KeyFile.WritePrivateKey(KeyPath, key);
        _server.UserKey = key.PublicKey;
        _agent = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", AgentSocket]) { RedirectStandardOutput = true })!;
        await _agent.StandardOutput.ReadLineAsync(); // it says where it listens once it does
    }

    public async Task DisposeAsync()
    {
        _agent.Kill();
        await _agent.WaitForExitAsync();
        _agent.Dispose();
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public void Dispose() => _log.Dispose();

    [Theory]
    [InlineData("no", null, 0)]
    [InlineData("yes", null, 1)]
    [InlineData("ask", "", 1)]
    [InlineData("ask", "YES", 1)]
    [InlineData("ask", "no", 0)]
    [InlineData("ask", null, 0)]
    [InlineData("1h", null, 1)]
    [InlineData("yes\nIdentityAgent none", null, 0)]
    public async Task A_key_that_logs_in_is_added(string option, string? answer, int added)
    {
        _answers.Next = answer;
        await LogInAsync($"AddKeysToAgent {option}");
        await using var agent = new SshAgent(AgentSocket);
        var keys = await agent.ListAsync(CancellationToken.None);
        Assert.Equal(added, keys.Count);
        Assert.All(keys, key => Assert.Equal((_server.UserKey, "mine"), (key.PublicKey, key.Comment)));
        Assert.Equal(option == "ask" ? [$"Add key {KeyPath} (mine) to agent? "] : [], _answers.Questions);
        Assert.Equal(added == 1, _written.ToString().Contains($"debug1: identity added to agent: {KeyPath}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_key_is_added_with_its_constraint_or_not_at_all()
    {
        await LogInAsync("AddKeysToAgent confirm");
        await using var agent = new SshAgent(AgentSocket);
        var key = Assert.Single(await agent.ListAsync(CancellationToken.None));
        // Nobody is there to confirm.
        await Assert.ThrowsAsync<SshException>(async () => await key.SignAsync("ssh-ed25519", "x"u8.ToArray(), CancellationToken.None));
    }

    [Fact]
    public async Task A_key_that_the_server_does_not_take_is_not_added()
    {
        _server.UserKey = null;
        await Assert.ThrowsAsync<SshException>(() => LogInAsync("AddKeysToAgent yes"));
        await using var agent = new SshAgent(AgentSocket);
        Assert.Empty(await agent.ListAsync(CancellationToken.None));
    }

    [Fact]
    public async Task The_agent_is_told_the_session_before_it_lists()
    {
        await LogInAsync("AddKeysToAgent yes");
        await LogInAsync("IdentityFile none");
        var text = _written.ToString();
        Assert.Equal(2, text.Split("bound agent to hostkey").Length - 1);
        Assert.Contains("Offering public key: mine ED25519", text);
    }

    [Theory]
    [InlineData("yes", true)]
    [InlineData(" Yes ", true)]
    [InlineData("y", true)]
    [InlineData("", false)]
    [InlineData("no", false)]
    [InlineData("yes please", false)]
    [InlineData(null, false)]
    public async Task Only_a_plain_yes_allows_a_signature(string? answer, bool allowed)
    {
        _answers.Next = answer;
        var use = new AgentUse("ED25519 SHA256:abc", "mine", "alice@bastion", "to log in as bob at the host with key RSA SHA256:def");
        Assert.Equal(allowed, await new AgentForwardingQuestion(_answers, new TerminalHold(), _log).AskAsync(use, CancellationToken.None));
        Assert.Equal(["Allow alice@bastion a signature with ED25519 SHA256:abc (mine), to log in as bob at the host with key RSA SHA256:def? (yes/no) "], _answers.Questions);
        Assert.Equal(answer is null, _written.ToString().Contains("nobody answered", StringComparison.Ordinal));
    }

    private async Task LogInAsync(string config)
    {
        var file = Path.Combine(_folder, "config");
        await File.WriteAllTextAsync(file, $"{config}\nIdentityAgent {AgentSocket}\nStrictHostKeyChecking no\nUserKnownHostsFile none\nGlobalKnownHostsFile none\nIdentityFile {KeyPath}\nPreferredAuthentications publickey\n");
        var arguments = SshArgumentParser.Parse(["-F", file, "-p", $"{_server.Port}", "alice@127.0.0.1"]);
        await using var settings = await ClientSettingsBuilder.BuildAsync(ClientConfig.Resolve(arguments, _log), _log, _answers, CancellationToken.None);
        await using var client = await SshClient.ConnectAsync(settings.Options);
    }

    private sealed class Answers : IPrompter
    {
        public string? Next { get; set; }

        public List<string> Questions { get; } = [];

        public ValueTask<string?> AskAsync(string prompt, bool echo, CancellationToken cancellationToken)
        {
            Questions.Add(prompt);
            return ValueTask.FromResult(Next);
        }
    }
}
