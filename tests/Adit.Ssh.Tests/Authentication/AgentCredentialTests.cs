using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Keys;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Logging in with the keys of OpenSSH's agent, and with certificates that ssh-keygen made.</summary>
public sealed class AgentCredentialTests : IDisposable
{
    private readonly KeygenFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Keys_of_the_agent_log_in()
    {
        await using var agent = await OpenSshAgent.StartAsync(_folder);
        var keys = Generate("one", "two", "three");
        foreach (string name in new[] { "one", "two", "three" })
            agent.Add(_folder, _folder.File(name));
        var harness = new LoginHarness();
        var (client, _) = await harness.LoginAsync(ForKeys(keys[1]), Credential.Agent(agent.SocketPath));
        Assert.Equal(keys[1], client.Key);
        Assert.Contains("agent returned 3 keys", harness.ClientLog.Texts);
        Assert.Contains("bound agent to hostkey", harness.ClientLog.Texts);
    }

    [Fact]
    public async Task Preferred_keys_come_first_or_alone()
    {
        await using var agent = await OpenSshAgent.StartAsync(_folder);
        var keys = Generate("one", "two", "three");
        foreach (string name in new[] { "one", "two", "three" })
            agent.Add(_folder, _folder.File(name));

        var first = new LoginHarness();
        await first.FailAsync(ForKeys(), Credential.Agent(agent.SocketPath, [keys[2], TestKeys.Alice.PublicKey, keys[1]], preferredOnly: false));
        Assert.Equal([keys[2], keys[1], keys[0]], Offered(first));

        var alone = new LoginHarness();
        await alone.FailAsync(ForKeys(), Credential.Agent(agent.SocketPath, [keys[2]], preferredOnly: true));
        Assert.Equal([keys[2]], Offered(alone));

        PublicKey[] Offered(LoginHarness harness) => harness.ClientLog.Texts
            .Where(t => t.StartsWith("Offering", StringComparison.Ordinal))
            .Select(t => keys.Single(k => t.EndsWith(k.Fingerprint, StringComparison.Ordinal)))
            .ToArray();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_agent_keeps_to_destinations_because_it_knows_the_session(bool isRightHost)
    {
        await using var agent = await OpenSshAgent.StartAsync(_folder);
        var key = Generate("key")[0];
        _folder.Write("known_hosts", $"bastion {(isRightHost ? TestKeys.Host : TestKeys.Bob).PublicKey.ToText()}\n");
        agent.Add(_folder, _folder.File("key"), "-H known_hosts -h bastion");
        var harness = new LoginHarness();
        if (isRightHost)
            await harness.LoginAsync(ForKeys(key), Credential.Agent(agent.SocketPath));
        else
            await harness.FailAsync(ForKeys(key), Credential.Agent(agent.SocketPath));
    }

    [Fact]
    public async Task An_agent_that_is_not_there_is_no_error()
    {
        var harness = new LoginHarness();
        string missing = _folder.File("nobody");
        var (client, _) = await harness.LoginAsync(ForKeys(TestKeys.Alice.PublicKey), Credential.Agent(missing), Credential.Key(TestKeys.Alice));
        Assert.Equal(TestKeys.Alice.PublicKey, client.Key);
        Assert.All(harness.ClientLog.Lines, l => Assert.Equal(LogLevel.Debug, l.Level));

        var failing = new LoginHarness();
        var (error, _) = await failing.FailAsync(ForKeys(), Credential.Agent(missing));
        Assert.Contains("publickey: agent: not usable: Error connecting to agent: ", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_beside_the_file_is_tried_before_the_bare_key()
    {
        string ca = _folder.Generate("ca", "-t", "ed25519", "-N", "");
        string path = _folder.Generate("id", "-t", "ed25519", "-N", "");
        _folder.Run("ssh-keygen", "-q", "-s", ca, "-I", "alice's laptop", "-z", "7", "-n", "alice", path + ".pub");
        var certificate = Assert.IsType<Certificate>(KeyFile.ReadPublicKey(path + "-cert.pub", out _));
        string[] algorithms = ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"];

        var harness = new LoginHarness { ClientAlgorithms = algorithms, ServerAlgorithms = algorithms };
        var (client, server) = await harness.LoginAsync(ForKeys(certificate), Credential.PrivateKeyFile(path));
        Assert.Equal(certificate, client.Key);
        Assert.Equal(certificate, server.Key);
        Assert.Contains(
            $"Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519-CERT {certificate.Fingerprint} ID alice's laptop (serial 7) "
            + $"CA ED25519 {certificate.AuthorityKey.Fingerprint}",
            harness.ServerLog.Texts);

        var plain = new LoginHarness { ClientAlgorithms = algorithms, ServerAlgorithms = algorithms };
        (client, _) = await plain.LoginAsync(ForKeys(certificate.PlainKey), Credential.PrivateKeyFile(path));
        Assert.Equal(certificate.PlainKey, client.Key);

        // Without certificate algorithms in our list only the bare key is offered.
        var without = new LoginHarness();
        await without.LoginAsync(ForKeys(certificate.PlainKey), Credential.PrivateKeyFile(path));
        Assert.Contains($"Skipping ED25519-CERT key {path} - corresponding algorithm not in PubkeyAcceptedAlgorithms", without.ClientLog.Texts);
    }

    private PublicKey[] Generate(params string[] names) =>
        names.Select(name => KeyFile.ReadPublicKey(_folder.Generate(name, "-t", "ed25519", "-N", "") + ".pub", out _)).ToArray();
}
