using System.Diagnostics;
using Adit.Cli.Client;
using Adit.Cli.CommandLine;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests.Client;

/// <summary>The order in which a server sees keys: certificates, the agent's keys that are also named, its other keys, files.</summary>
public sealed class KeyOrderTests : IAsyncLifetime, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-cli-").FullName;
    private readonly LogOutput _log = new(_ => { });
    private TestServer _server = null!;
    private Process _agent = null!;

    private string AgentSocket => Path.Combine(_folder, "agent");

    public async Task InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        foreach (var name in new[] { "held", "other", "file", "certified", "authority" })
        {
            using var key = PrivateKey.Generate("ed25519");
            KeyFile.WritePrivateKey(Path.Combine(_folder, name), key);
            KeyFile.WritePublicKey(Path.Combine(_folder, name + ".pub"), key.PublicKey);
        }

        await RunAsync("ssh-keygen", "-q", "-s", "authority", "-I", "test", "-n", "alice", "certified.pub");
        File.Move(Path.Combine(_folder, "certified-cert.pub"), Path.Combine(_folder, "certificate"));
        _agent = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", AgentSocket]) { RedirectStandardOutput = true })!;
        await _agent.StandardOutput.ReadLineAsync(); // it says where it listens once it does
        await using var agent = new SshAgent(AgentSocket);
        foreach (var name in new[] { "other", "held" })
        {
            using var key = KeyFile.ReadPrivateKey(Path.Combine(_folder, name));
            await agent.AddAsync(key, name);
        }
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
    [InlineData("", "certified-cert held other file certified")]
    [InlineData("IdentitiesOnly=yes", "certified-cert held file certified")]
    [InlineData("IdentityAgent=none", "certified-cert file held certified")]
    [InlineData("PubkeyAuthentication=no", "")]
    public async Task Keys_are_shown_in_ssh_s_order(string option, string expected)
    {
        string[] options = option.Length == 0 ? [] : ["-o", option];
        var arguments = SshArgumentParser.Parse(
        [
            "-F", "none", .. options, "-o", $"IdentityAgent={AgentSocket}", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=none",
            "-o", "GlobalKnownHostsFile=none", "-o", $"CertificateFile={Named("certificate")}",
            "-i", Named("file"), "-i", Named("held"), "-i", Named("certified"), "-p", $"{_server.Port}", "alice@127.0.0.1",
        ]);
        await using var settings = await ClientSettingsBuilder.BuildAsync(ClientConfig.Resolve(arguments, _log), _log, new NoPrompter(), CancellationToken.None);
        await Assert.ThrowsAsync<SshException>(() => SshClient.ConnectAsync(settings.Options));
        Assert.Equal(expected, string.Join(' ', _server.Asked.Select(NameOf)));
    }

    private string Named(string name) => Path.Combine(_folder, name);

    private string NameOf(PublicKey key)
    {
        var name = new[] { "held", "other", "file", "certified" }.First(name => KeyFile.ReadPublicKey(Named(name + ".pub"), out _).Equals(key.PlainKey));
        return key is Certificate ? name + "-cert" : name;
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = _folder })!;
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
