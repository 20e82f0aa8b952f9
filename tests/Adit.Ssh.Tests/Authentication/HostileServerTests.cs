using Adit.Ssh.Authentication;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our client against servers that do not play by the rules.</summary>
public class HostileServerTests
{
    public static TheoryData<int> EveryNumber => new(Enumerable.Range(0, 256));

    [Theory]
    [MemberData(nameof(EveryNumber))]
    public async Task No_message_out_of_place_gets_anywhere(int number)
    {
        // INVARIANTS 1 and 3: before the service is granted, as an answer to "none", to a query, and to a signature.
        if (number is not (6 or 53))
        {
            var service = new ClientScript();
            await service.ReceiveAsync();
            service.Send([(byte)number]);
            Assert.Equal(SshError.ProtocolError, (await service.EndAsync()).Error);
        }
        if (number is not (51 or 52 or 53))
        {
            var none = new ClientScript();
            await none.ReceiveAsync();
            await none.AskAsync(Scripts.ServiceAccept);
            none.Send([(byte)number]);
            Assert.Equal(SshError.ProtocolError, (await none.EndAsync()).Error);

            var signer = new CountingSigner(TestKeys.Alice);
            var query = new ClientScript(Credential.Key(signer));
            await query.StartAsync("publickey");
            query.Send([(byte)number]);
            Assert.Equal(SshError.ProtocolError, (await query.EndAsync()).Error);
            Assert.Equal(0, signer.Signatures);

            var signed = new ClientScript(Credential.Key(signer));
            await signed.StartAsync("publickey");
            await signed.AskAsync(Scripts.KeyOk(TestKeys.Alice.PublicKey, "ssh-ed25519"));
            signed.Send([(byte)number]);
            Assert.Equal(SshError.ProtocolError, (await signed.EndAsync()).Error);
        }
    }

    [Fact]
    public async Task An_empty_message_ends_the_login()
    {
        var script = new ClientScript();
        await script.ReceiveAsync();
        script.Send([]);
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Another_service_than_asked_for_is_refused()
    {
        var script = new ClientScript();
        await script.ReceiveAsync();
        script.Send(Scripts.Message(6, (ref SshWriter w) => w.WriteString("ssh-connection")));
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Success_before_anything_was_asked_is_no_login()
    {
        var script = new ClientScript(Credential.Password("pw"));
        script.Send([52]);
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task No_signature_for_a_key_that_was_not_offered()
    {
        var signer = new CountingSigner(TestKeys.Alice);
        var script = new ClientScript(Credential.Key(signer));
        await script.StartAsync("publickey");
        script.Send(Scripts.KeyOk(TestKeys.Bob.PublicKey, "ssh-ed25519"));
        Assert.Equal("the server accepted a key that was not offered", (await script.EndAsync()).Message);
        Assert.Equal(0, signer.Signatures);
    }

    [Fact]
    public async Task A_key_type_in_place_of_the_algorithm_is_forgiven()
    {
        var script = new ClientScript(Credential.Key(new CountingSigner(TestKeys.Rsa)));
        await script.StartAsync("publickey");
        byte[] signed = await script.AskAsync(Scripts.KeyOk(TestKeys.Rsa.PublicKey, "ssh-rsa"));
        Assert.Equal(Scripts.Signed(new SignedRequest(TestKeys.Rsa, script.Client.SessionId.ToArray()) { Algorithm = "rsa-sha2-512" }), signed);
        script.Send([52]);
        Assert.Equal(TestKeys.Rsa.PublicKey, (await script.ResultAsync()).Key);
    }

    [Fact]
    public async Task The_signed_request_has_the_layout_of_the_rfc()
    {
        var script = new ClientScript(Credential.Key(new CountingSigner(TestKeys.Alice)));
        Assert.Equal(Scripts.Query(TestKeys.Alice.PublicKey), await script.StartAsync("publickey"));
        byte[] signed = await script.AskAsync(Scripts.KeyOk(TestKeys.Alice.PublicKey, "ssh-ed25519"));
        Assert.Equal(Scripts.Signed(new SignedRequest(TestKeys.Alice, script.Client.SessionId.ToArray())), signed);
        script.Send([52]);
        Assert.Equal("publickey", (await script.ResultAsync()).Method);
    }

    [Fact]
    public async Task Partial_success_without_end_ends()
    {
        // Partial success to every query: each key counts once.
        var script = new ClientScript(Credential.Key(TestKeys.Alice), Credential.Key(TestKeys.Bob));
        await script.StartAsync("publickey");
        await script.AskAsync(Scripts.Failure("publickey", isPartial: true));
        script.Send(Scripts.Failure("publickey", isPartial: true));
        Assert.Equal(SshError.AuthenticationFailed, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Lists_that_change_all_the_time_end()
    {
        var script = new ClientScript(Credential.Password("pw"), Credential.Key(TestKeys.Alice));
        await script.StartAsync("publickey");
        Assert.Equal("password", Scripts.MethodOf(await script.AskAsync(Scripts.Failure("password"))));
        script.Send(Scripts.Failure("publickey"));
        Assert.Equal("alice@bastion: Permission denied (publickey).", (await script.EndAsync()).Message);
    }

    [Fact]
    public async Task Questions_without_end_end()
    {
        var script = new ClientScript(Credential.KeyboardInteractive((_, _) => ValueTask.FromResult<IReadOnlyList<string>?>([])));
        await script.StartAsync("keyboard-interactive");
        for (int i = 0; i < 100; i++)
            Assert.Equal(Scripts.InfoResponse(), await script.AskAsync(Scripts.InfoRequest()));
        script.Send(Scripts.InfoRequest());
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Theory]
    [InlineData(101u)]
    [InlineData(0x40000000u)]
    [InlineData(uint.MaxValue)]
    public async Task More_prompts_than_anybody_reads_are_refused(uint count)
    {
        // INVARIANTS 12: the count is checked before anything is allocated for it.
        var script = new ClientScript(Credential.KeyboardInteractive((_, _) => throw new InvalidOperationException("must not be asked")));
        await script.StartAsync("keyboard-interactive");
        script.Send(Scripts.Message(60, (ref SshWriter w) =>
        {
            w.WriteString("");
            w.WriteString("");
            w.WriteString("");
            w.WriteUInt32(count);
        }));
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Password_changes_without_end_end()
    {
        byte[] change = Scripts.Banner("new one please");
        change[0] = 60; // the same layout
        var script = new ClientScript(Credential.Password((_, _) => ValueTask.FromResult<string?>("new")));
        await script.StartAsync("password");
        for (int i = 0; i < 3; i++)
            Assert.Equal(50, (await script.AskAsync(change))[0]);
        script.Send(change);
        Assert.Equal(SshError.AuthenticationFailed, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Banners_come_at_any_time_and_are_bounded()
    {
        // INVARIANTS 12 and 28.
        var script = new ClientScript();
        script.Send(Scripts.Banner("first\r\n"));
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Banner(new string('x', 200_000)));
        script.Send(Scripts.Banner("never seen"));
        script.Send(Scripts.Failure());
        await script.EndAsync();
        Assert.Equal("first\n", script.Banners[0]);
        Assert.Equal(2, script.Banners.Count);
        Assert.True(script.Banners.Sum(b => b.Length) <= (64 * 1024) + 1);

        var flood = new ClientScript();
        for (int i = 0; i < 300; i++)
            flood.Send(Scripts.Banner("x"));
        Assert.Equal("the server sent more than 256 banners", (await flood.EndAsync()).Message);
    }
}
