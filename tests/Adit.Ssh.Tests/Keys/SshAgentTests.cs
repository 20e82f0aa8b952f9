using System.Security.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Keys;

public class SshAgentTests
{
    private static readonly CancellationToken Soon = new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task Keys_of_a_real_agent_sign()
    {
        using var folder = new KeygenFolder();
        await using var openSsh = await OpenSshAgent.StartAsync(folder);
        await using var agent = new SshAgent(openSsh.SocketPath);
        Assert.Empty(await agent.ListAsync(Soon));
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
            openSsh.Add(folder, folder.Generate(type, "-t", type, "-N", ""));

        var signers = await agent.ListAsync(Soon);
        Assert.Equal(["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"], signers.Select(s => s.PublicKey.KeyType));
        Assert.All(signers, s => Assert.Equal("somebody@example", s.Comment));
        foreach (var signer in signers)
        {
            // All at once: requests take turns on the one connection.
            await Task.WhenAll(signer.PublicKey.SignatureAlgorithms.Select(async algorithm =>
            {
                byte[] signature = await signer.SignAsync(algorithm, "data"u8.ToArray(), Soon);
                Assert.True(signer.PublicKey.Verify(algorithm, "data"u8, signature));
            }));
        }
    }

    [Fact]
    public async Task Keys_and_certificates_are_added_with_their_constraints()
    {
        using var folder = new KeygenFolder();
        await using var openSsh = await OpenSshAgent.StartAsync(folder);
        await using var agent = new SshAgent(openSsh.SocketPath);
        string ca = folder.Generate("ca", "-t", "ed25519", "-N", "");
        foreach (string type in (string[])["ed25519", "ecdsa", "rsa"])
        {
            string file = folder.Generate(type, "-t", type, "-N", "");
            folder.Run("ssh-keygen", "-q", "-s", ca, "-I", "id", "-n", "me", file + ".pub");
            var certificate = (Certificate)KeyFile.ReadPublicKey(file + "-cert.pub", out _);
            using var key = KeyFile.ReadPrivateKey(file);
            await agent.AddAsync(key, "plain " + type, new AgentConstraints(TimeSpan.FromHours(1)), cancellationToken: Soon);
            await agent.AddAsync(key, "certified " + type, certificate: certificate, cancellationToken: Soon);
        }
        var signers = await agent.ListAsync(Soon);
        Assert.Equal(6, signers.Count);
        foreach (var signer in signers)
        {
            string algorithm = signer.PublicKey.SignatureAlgorithms[0];
            byte[] signature = await signer.SignAsync(algorithm, "data"u8.ToArray(), Soon);
            Assert.True(signer.PublicKey.Verify(algorithm, "data"u8, signature));
        }
        Assert.Equal(3, signers.Count(s => s.PublicKey is Certificate && s.Comment.StartsWith("certified", StringComparison.Ordinal)));

        // "confirm" without anybody to ask: the agent refuses to sign.
        using var confirmed = PrivateKey.Generate("ed25519");
        await agent.AddAsync(confirmed, "confirmed", new AgentConstraints(Confirm: true), cancellationToken: Soon);
        var asking = (await agent.ListAsync(Soon)).Single(s => s.Comment == "confirmed");
        var e = await Assert.ThrowsAsync<SshException>(async () => await asking.SignAsync("ssh-ed25519", new byte[1], Soon));
        Assert.Equal(SshError.AgentFailed, e.Error);
        Assert.Equal("agent refused operation", e.Message);
    }

    [Fact]
    public async Task A_session_is_bound_when_its_signature_is_right()
    {
        using var folder = new KeygenFolder();
        await using var openSsh = await OpenSshAgent.StartAsync(folder);
        await using var agent = new SshAgent(openSsh.SocketPath);
        using var hostKey = PrivateKey.Generate("ed25519");
        byte[] session = RandomNumberGenerator.GetBytes(32);
        byte[] signature = hostKey.Sign("ssh-ed25519", session);
        Assert.True(await agent.BindSessionAsync(hostKey.PublicKey, session, signature, forwarding: false, Soon));
        byte[] other = RandomNumberGenerator.GetBytes(32);
        Assert.False(await agent.BindSessionAsync(hostKey.PublicKey, other, signature, forwarding: false, Soon));
    }

    [Fact]
    public async Task A_restarted_agent_is_found_again_and_the_session_bound_again()
    {
        using var folder = new KeygenFolder();
        using var hostKey = PrivateKey.Generate("ed25519");
        var requests = new List<byte>();
        await using var agent = new SshAgent(folder.File("agent"));
        using (var first = new FakeAgent(folder.File("agent"), request => { requests.Add(request[0]); return [AgentMessages.Success]; }))
            Assert.True(await agent.BindSessionAsync(hostKey.PublicKey, new byte[32], new byte[64], false, Soon));
        using var second = new FakeAgent(folder.File("agent"), request =>
        {
            requests.Add(request[0]);
            return request[0] == 11 ? [AgentMessages.IdentitiesAnswer, 0, 0, 0, 0] : [AgentMessages.Success];
        });
        Assert.Empty(await agent.ListAsync(Soon));
        Assert.Equal([27, 27, 11], requests);
    }

    // INVARIANTS 26: a failed session-bind means that nothing is signed.
    [Fact]
    public async Task An_agent_that_refuses_the_binding_is_not_signed_with()
    {
        using var folder = new KeygenFolder();
        using var key = PrivateKey.Generate("ed25519");
        bool signed = false;
        using var fake = new FakeAgent(folder.File("agent"), request =>
        {
            signed |= request[0] == 13;
            return request[0] == 27 ? [AgentMessages.ExtensionFailure] : Identities(key.PublicKey);
        });
        await using var agent = new SshAgent(fake.SocketPath);
        var signer = Assert.Single(await agent.ListAsync(Soon));
        Assert.False(await agent.BindSessionAsync(key.PublicKey, new byte[32], new byte[64], true, Soon));
        var e = await Assert.ThrowsAsync<SshException>(async () => await signer.SignAsync("ssh-ed25519", new byte[1], Soon));
        Assert.Equal("agent refused operation", e.Message);
        Assert.False(signed);
    }

    // INVARIANTS 26: constraints are kept or the key is refused; never given without them.
    [Fact]
    public async Task A_key_whose_constraints_are_refused_is_not_given_without_them()
    {
        using var folder = new KeygenFolder();
        var requests = new List<byte>();
        using var fake = new FakeAgent(folder.File("agent"), request => { requests.Add(request[0]); return [AgentMessages.Failure]; });
        await using var agent = new SshAgent(fake.SocketPath);
        using var key = PrivateKey.Generate("ed25519");
        var e = await Assert.ThrowsAsync<SshException>(async () =>
            await agent.AddAsync(key, "", new AgentConstraints(TimeSpan.FromSeconds(1)), cancellationToken: Soon));
        Assert.Equal(SshError.AgentFailed, e.Error);
        Assert.Equal([25], requests);
    }

    [Fact]
    public async Task An_old_agent_that_signs_with_SHA1_instead_is_refused()
    {
        using var folder = new KeygenFolder();
        using var key = PrivateKey.Generate("rsa", 1024);
        using var fake = new FakeAgent(folder.File("agent"), request =>
        {
            if (request[0] == 11)
                return Identities(key.PublicKey);
            var writer = new SshWriter(512);
            writer.WriteByte(AgentMessages.SignResponse);
            writer.WriteString(key.Sign("ssh-rsa", "data"u8));
            return writer.ToArray();
        });
        await using var agent = new SshAgent(fake.SocketPath);
        var signer = Assert.Single(await agent.ListAsync(Soon));
        var e = await Assert.ThrowsAsync<SshException>(async () => await signer.SignAsync("rsa-sha2-512", "data"u8.ToArray(), Soon));
        Assert.Equal(SshError.AgentFailed, e.Error);
        Assert.Contains("ssh-rsa", e.Hint);
    }

    [Fact]
    public async Task No_agent_and_a_dead_agent_are_errors_at_once()
    {
        using var folder = new KeygenFolder();
        await using var missing = new SshAgent(folder.File("agent"));
        var e = await Assert.ThrowsAsync<SshException>(async () => await missing.ListAsync(Soon));
        Assert.Equal(SshError.AgentFailed, e.Error);
        Assert.Equal("Error connecting to agent: No such file or directory", e.Message);
        await using var longPath = new SshAgent("/" + new string('x', 300));
        Assert.Equal(SshError.AgentFailed, (await Assert.ThrowsAsync<SshException>(async () => await longPath.ListAsync(Soon))).Error);

        using var fake = new FakeAgent(folder.File("agent"), _ => null);
        e = await Assert.ThrowsAsync<SshException>(async () => await missing.ListAsync(Soon));
        Assert.Equal(SshError.AgentFailed, e.Error);
        Assert.Equal("communication with agent failed", e.Message);
        fake.Dispose();
        folder.Write("agent", "no socket");
        e = await Assert.ThrowsAsync<SshException>(async () => await missing.ListAsync(Soon));
        Assert.Equal("Error connecting to agent: Connection refused", e.Message);
    }

    [Fact]
    public async Task A_silent_agent_is_given_up_when_cancelled_and_its_late_answer_not_taken_for_another()
    {
        using var folder = new KeygenFolder();
        using var key = PrivateKey.Generate("ed25519");
        using var asked = new SemaphoreSlim(0);
        using var answer = new ManualResetEventSlim();
        int count = 0;
        using var fake = new FakeAgent(folder.File("agent"), request =>
        {
            if (Interlocked.Increment(ref count) > 1)
                return Identities(key.PublicKey);
            asked.Release();
            answer.Wait(Soon);
            return [AgentMessages.IdentitiesAnswer, 0, 0, 0, 0];
        });
        await using var agent = new SshAgent(fake.SocketPath);
        using var cancel = new CancellationTokenSource();
        var list = agent.ListAsync(cancel.Token).AsTask();
        await asked.WaitAsync(Soon);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => list);
        answer.Set();
        Assert.Single(await agent.ListAsync(Soon));
    }

    // INVARIANTS 12, 30: replies are bounded and may be any bytes.
    [Fact]
    public async Task Nonsense_from_the_agent_is_an_error()
    {
        using var folder = new KeygenFolder();
        byte[] next = [];
        using var fake = new FakeAgent(folder.File("agent"), _ => next);
        await using var agent = new SshAgent(fake.SocketPath);
        var random = new Random(7);
        using var key = PrivateKey.Generate("ed25519");
        byte[] good = Identities(key.PublicKey);
        for (int i = 0; i < 300; i++)
        {
            next = i switch
            {
                0 => [],
                1 => [200],
                2 => [AgentMessages.IdentitiesAnswer, 0xff, 0xff, 0xff, 0xff],
                _ => Mutation.Of(good, random),
            };
            try
            {
                await agent.ListAsync(Soon);
            }
            catch (SshException e)
            {
                Assert.Equal(SshError.AgentFailed, e.Error);
            }
        }
        fake.AnnouncedLength = AgentConnection.MaxMessageLength + 1;
        Assert.Equal(SshError.AgentFailed, (await Assert.ThrowsAsync<SshException>(async () => await agent.ListAsync(Soon))).Error);
    }

    private static byte[] Identities(PublicKey key)
    {
        var writer = new SshWriter(256);
        writer.WriteByte(AgentMessages.IdentitiesAnswer);
        writer.WriteUInt32(1);
        writer.WriteString(key.Blob.Span);
        writer.WriteString("comment");
        return writer.ToArray();
    }
}
