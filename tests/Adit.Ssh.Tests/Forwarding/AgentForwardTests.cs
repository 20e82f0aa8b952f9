using System.Security.Cryptography;
using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Keys;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Forwarding.AgentLab;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>The client's side of a forwarded agent, towards servers that go too far (INVARIANTS 26).</summary>
public class AgentForwardTests
{
    private const byte SignRequest = 13, RemoveAll = 19;

    [Fact]
    public async Task Keys_are_listed_and_sign_and_nothing_else_gets_through()
    {
        await using var lab = await ConnectAsync();
        await using var openSsh = await OpenSshAgent.StartAsync(lab.Folder);
        openSsh.Add(lab.Folder, lab.Folder.Generate("key", "-t", "ed25519", "-N", ""));
        var key = KeyFile.ReadPublicKey(lab.Folder.File("key.pub"), out _);
        await using var session = await lab.AskAsync(new ForwardedAgent(openSsh.SocketPath));
        Assert.Equal(["agent-req without an answer", "exec"], lab.Requests); // our server knows the standard name
        foreach (string type in (string[])["agent-connect", "auth-agent@openssh.com"])
        {
            await using var stream = await lab.OpenAsync(type);
            var (listed, comment) = Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(stream, AgentMessages.RequestIdentities())));
            Assert.Equal((key, "somebody@example"), (listed, comment));
            byte[] signature = AgentMessages.ReadSignature(await ExchangeAsync(stream, AgentMessages.SignRequest(key, "ssh-ed25519", "data"u8)));
            Assert.True(key.Verify("ssh-ed25519", "data"u8, signature));
            Assert.Equal(Failure, await ExchangeAsync(stream, [RemoveAll]));
            Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(stream, AgentMessages.RequestIdentities())));
        }
        Assert.Equal(2, lab.Log.Texts.Count(text => text == "bound agent to hostkey"));
        Assert.Contains(lab.Log.Texts, text => text == $"agent forwarding: signature with {key} (somebody@example) for test@127.0.0.1, to sign data of an unknown kind");
    }

    [Fact]
    public async Task The_agent_learns_the_session_first_and_that_it_is_forwarded()
    {
        await using var lab = await ConnectAsync();
        var requests = new List<byte[]>();
        using var fake = new FakeAgent(lab.Folder.File("agent"), request =>
        {
            lock (requests)
                requests.Add(request);
            return [AgentMessages.Success];
        });
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        await using var stream = await lab.OpenAsync();
        byte[] bind = Assert.Single(requests);
        var reader = new SshReader(bind);
        Assert.Equal(27, reader.ReadByte());
        Assert.Equal("session-bind@openssh.com", reader.ReadUtf8());
        var hostKey = PublicKey.Parse(reader.ReadString());
        Assert.Equal(lab.Pair.Client.HostKey, hostKey);
        byte[] session1 = reader.ReadString().ToArray();
        Assert.Equal(lab.Server.Transport.SessionId, session1);
        Assert.True(hostKey.Verify("ssh-ed25519", session1, reader.ReadString()));
        Assert.True(reader.ReadBoolean());
        reader.EnsureEnd();
    }

    [Theory]
    [InlineData("auth-agent@openssh.com")]
    [InlineData("agent-connect")]
    public async Task A_server_that_was_not_asked_gets_no_agent(string type)
    {
        await using var lab = await ConnectAsync();
        await using var session = await lab.Pair.Client.OpenSessionAsync().WaitAsync(Deadline);
        for (int i = 0; i < 3; i++)
        {
            var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync(type));
            Assert.Equal(OpenFailureReason.AdministrativelyProhibited, e.OpenFailureReason);
            Assert.EndsWith(": open failed", e.Message, StringComparison.Ordinal);
        }
        Assert.Equal(
            [(LogLevel.Error, "Warning: ssh server tried agent forwarding."), (LogLevel.Error, "Warning: this is probably a break-in attempt by a malicious server.")],
            lab.Log.Lines.Where(line => line.Level >= LogLevel.Error));
    }

    [Fact]
    public async Task Without_an_agent_the_channel_is_refused()
    {
        await using var lab = await ConnectAsync();
        await using var session = await lab.AskAsync(new ForwardedAgent(lab.Folder.File("nobody")));
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, e.OpenFailureReason);
    }

    [Theory]
    [InlineData(AgentMessages.ExtensionFailure, false)] // knows the extension and says no
    [InlineData(AgentMessages.Failure, false)] // the same from OpenSSH's agent, which has one answer for both
    [InlineData(AgentMessages.Failure, true)] // does not know it
    public async Task An_agent_that_refuses_the_binding_is_not_forwarded(byte answer, bool refusesAll)
    {
        await using var lab = await ConnectAsync();
        using var key = PrivateKey.Generate("ed25519");
        byte[] own = lab.Pair.Client.HostKey.Blob.ToArray();
        using var fake = new FakeAgent(lab.Folder.File("agent"), request =>
            request[0] != 27 ? Identities(key.PublicKey, "it")
            : refusesAll || request.AsSpan().IndexOf(own) >= 0 ? [answer]
            : [AgentMessages.Success]);
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        if (refusesAll)
        {
            await using var stream = await lab.OpenAsync();
            Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(stream, AgentMessages.RequestIdentities())));
            Assert.Contains("agent forwarding: the agent does not know session-bind@openssh.com", lab.Log.Texts);
            // What it does not know it may say no to when the next hop asks it.
            Assert.Equal(Failure, await ExchangeAsync(stream, Bind(key)));
            Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(stream, AgentMessages.RequestIdentities())));
            return;
        }
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, e.OpenFailureReason);
        Assert.Contains(lab.Log.Lines, line => line.Level == LogLevel.Error && line.Text.Contains("refused to bind", StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_binding_of_the_next_hop_that_fails_nothing_is_signed()
    {
        await using var lab = await ConnectAsync();
        await using var openSsh = await OpenSshAgent.StartAsync(lab.Folder);
        openSsh.Add(lab.Folder, lab.Folder.Generate("key", "-t", "ed25519", "-N", ""));
        var key = KeyFile.ReadPublicKey(lab.Folder.File("key.pub"), out _);
        await using var session = await lab.AskAsync(new ForwardedAgent(openSsh.SocketPath));
        await using var stream = await lab.OpenAsync();
        using var hop = PrivateKey.Generate("ed25519");
        Assert.Equal(Success, await ExchangeAsync(stream, Bind(hop)));
        byte[] sign = AgentMessages.SignRequest(key, "ssh-ed25519", "data"u8);
        AgentMessages.ReadSignature(await ExchangeAsync(stream, sign));
        byte[] forged = Bind(hop);
        forged[^10] ^= 1; // the signature
        Assert.Equal(Failure, await ExchangeAsync(stream, forged));
        Assert.Equal(Failure, await ExchangeAsync(stream, sign));
        // The next connection starts anew.
        await using var other = await lab.OpenAsync();
        AgentMessages.ReadSignature(await ExchangeAsync(other, sign));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    [InlineData(null)] // fails
    public async Task Each_signature_is_asked_about(bool? answer)
    {
        await using var lab = await ConnectAsync();
        using var key = PrivateKey.Generate("ed25519");
        using var hop = PrivateKey.Generate("ed25519");
        int signed = 0;
        using var fake = new FakeAgent(lab.Folder.File("agent"), request =>
        {
            if (request[0] == SignRequest)
                Interlocked.Increment(ref signed);
            return request[0] == 27 ? [AgentMessages.Success] : request[0] == SignRequest ? [AgentMessages.SignResponse, 0, 0, 0, 0] : Identities(key.PublicKey, "it\u001b[2J");
        });
        var asked = new List<AgentUse>();
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath)
        {
            Confirm = (use, _) =>
            {
                asked.Add(use);
                return ValueTask.FromResult(answer ?? throw new InvalidOperationException("nobody is there"));
            },
        });
        await using var stream = await lab.OpenAsync();
        byte[] sessionId = RandomNumberGenerator.GetBytes(32);
        Assert.Equal(Success, await ExchangeAsync(stream, Bind(hop, sessionId)));
        byte[][] data =
        [
            Login(sessionId, key.PublicKey, null),
            Login(sessionId, key.PublicKey, lab.Pair.Client.HostKey),
            Login(new byte[32], key.PublicKey, null),
            [.. "SSHSIG"u8, 0, 0, 0, 3, .. "git"u8, 0, 0, 0, 0],
            [.. "SSHSIG"u8, 0, 0],
            [],
        ];
        foreach (byte[] each in data)
            Assert.Equal(answer == true ? AgentMessages.SignResponse : AgentMessages.Failure, (await ExchangeAsync(stream, AgentMessages.SignRequest(key.PublicKey, "ssh-ed25519", each)))[0]);
        Assert.Equal(answer == true ? data.Length : 0, signed);
        Assert.Equal(
        [
            $"to log in as bob at the host with key {hop.PublicKey}", $"to log in as bob at the host with key {lab.Pair.Client.HostKey}", "to log in as bob",
            "to sign a file or message (git)", "to sign data of an unknown kind", "to sign data of an unknown kind",
        ], asked.Select(use => use.Purpose));
        Assert.All(asked, use => Assert.Equal((key.PublicKey.ToString(), "test@127.0.0.1"), (use.Key, use.Server)));
        Assert.All(asked, use => Assert.DoesNotContain('\u001b', use.Comment));
    }

    [Fact]
    public async Task A_question_ends_when_whoever_wanted_the_signature_has_gone()
    {
        await using var lab = await ConnectAsync();
        using var key = PrivateKey.Generate("ed25519");
        using var fake = new FakeAgent(lab.Folder.File("agent"), request => request[0] == 27 ? [AgentMessages.Success] : Identities(key.PublicKey, "it"));
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath)
        {
            Confirm = async (_, token) =>
            {
                token.UnsafeRegister(_ => ended.TrySetResult(), null);
                asked.TrySetResult();
                await Task.Delay(Timeout.Infinite, token);
                return true;
            },
        });
        var stream = await lab.OpenAsync();
        await stream.WriteAsync(Frame(AgentMessages.SignRequest(key.PublicKey, "ssh-ed25519", "data"u8)));
        await asked.Task.WaitAsync(Deadline);
        stream.Abort();
        await ended.Task.WaitAsync(Deadline);
        await using var next = await lab.OpenAsync(); // and the connection goes on
        Assert.Single(AgentMessages.ReadIdentities(await ExchangeAsync(next, AgentMessages.RequestIdentities())));
    }

    [Fact]
    public async Task The_number_of_connections_is_bounded_and_those_that_end_make_room()
    {
        await using var lab = await ConnectAsync();
        using var fake = new FakeAgent(lab.Folder.File("agent"), _ => [AgentMessages.Success]);
        await using var session = await lab.AskAsync(new ForwardedAgent(fake.SocketPath));
        var open = new List<SshStream>();
        for (int i = 0; i < 128; i++)
            open.Add(await lab.OpenAsync());
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
        Assert.Equal(OpenFailureReason.ResourceShortage, e.OpenFailureReason);
        foreach (var stream in open)
            await stream.DisposeAsync();
        for (int i = 0; i < 128; i++)
        {
            // The client's end of each is told of the close in its own time.
            try
            {
                (await lab.OpenAsync()).Abort();
                return;
            }
            catch (SshException again) when (again.OpenFailureReason == OpenFailureReason.ResourceShortage)
            {
                await Task.Yield();
            }
        }
        Assert.Fail("no room was made");
    }

    private static byte[] Bind(PrivateKey hostKey, byte[]? sessionId = null)
    {
        sessionId ??= RandomNumberGenerator.GetBytes(32);
        return AgentMessages.SessionBind(hostKey.PublicKey, sessionId, hostKey.Sign("ssh-ed25519", sessionId), forwarding: true);
    }

    private static byte[] Login(byte[] sessionId, PublicKey key, PublicKey? hostKey)
    {
        var fields = new AuthPublicKeyFields(true, "ssh-ed25519", key.Blob.ToArray(), hostKey?.Blob.ToArray(), null);
        string method = hostKey is null ? "publickey" : "publickey-hostbound-v00@openssh.com";
        return PublicKeySignatureData.Build(sessionId, new AuthRequestHeader("bob", "ssh-connection", method), fields);
    }
}
