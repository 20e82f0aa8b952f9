using Adit.Ssh.Authentication;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Partial success: logins of several steps.</summary>
public class ChainTests
{
    [Fact]
    public async Task A_key_and_then_a_password()
    {
        var harness = new LoginHarness();
        var authenticator = KeyThenPassword();
        var (client, server) = await harness.LoginAsync(authenticator, Credential.Key(TestKeys.Alice), Credential.Password("pw"));
        Assert.Equal(("password", "publickey"), (client.Method, string.Join(',', client.PartialMethods)));
        Assert.Equal("publickey,password", server.Method);
        Assert.Contains("Authenticated using \"publickey\" with partial success.", harness.ClientLog.Texts);
        Assert.Contains($"Partial publickey for alice from 192.0.2.7 port 50022 ssh2: {TestKeys.Alice.PublicKey}", harness.ServerLog.Texts);
        Assert.Contains("Accepted password for alice from 192.0.2.7 port 50022 ssh2", harness.ServerLog.Texts);
    }

    [Fact]
    public async Task What_a_step_restricted_is_there_when_the_last_one_decides()
    {
        // INVARIANTS 9: restrictions hold for every partial path.
        var harness = new LoginHarness();
        var authenticator = KeyThenPassword();
        var (_, server) = await harness.LoginAsync(authenticator, Credential.Key(TestKeys.Alice), Credential.Password("pw"));
        Assert.Equal("no-port-forwarding", server.State);
        Assert.Equal(TestKeys.Alice.PublicKey, server.Key); // named by the authenticator, proven in the first step

        var last = authenticator.Requests.OfType<PasswordRequest>().Single();
        var step = Assert.Single(last.Completed);
        Assert.Equal(("publickey", TestKeys.Alice.PublicKey), (step.Method, step.Key));
    }

    [Fact]
    public async Task Two_different_keys()
    {
        var harness = new LoginHarness();
        var authenticator = TwoKeys();
        var (client, server) = await harness.LoginAsync(authenticator, Credential.Key(TestKeys.Ecdsa), Credential.Key(TestKeys.Alice), Credential.Key(TestKeys.Bob));
        Assert.Equal(TestKeys.Bob.PublicKey, client.Key);
        Assert.Equal("publickey,publickey", server.Method);

        // Bob's key came last: the ecdsa key is offered in both rounds, alice's once (query and signature).
        Assert.Equal(2, harness.ClientLog.Texts.Count(t => t.StartsWith("Offering public key: ecdsa@desk", StringComparison.Ordinal)));
        Assert.Single(harness.ClientLog.Texts, t => t.StartsWith("Offering public key: alice@desk", StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_key_is_not_two()
    {
        // The client does not offer a used key again, and a server refuses it (next test).
        var harness = new LoginHarness();
        var (error, _) = await harness.FailAsync(TwoKeys(), Credential.Key(TestKeys.Alice));
        Assert.Equal("alice@bastion: Permission denied (publickey).", error.Message);
        Assert.Contains("publickey: accepted as one step of several", error.Hint, StringComparison.Ordinal);
        Assert.Contains("The server wants another key", error.Hint, StringComparison.Ordinal);
        Assert.Single(harness.ClientLog.Texts, t => t.StartsWith("Offering", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_used_key_is_refused_by_the_server()
    {
        var script = new ServerScript(TwoKeys());
        await script.StartServiceAsync();
        byte[] signed = Scripts.Signed(new SignedRequest(TestKeys.Alice, script.SessionId));
        Assert.Equal(Scripts.Failure("publickey", isPartial: true), await script.AskAsync(signed));
        Assert.Equal(Scripts.Failure("publickey"), await script.AskAsync(signed));
        Assert.Equal(Scripts.Failure("publickey"), await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)));
        Assert.Contains("refusing previously-used ED25519 key", script.Log.Texts);
        Assert.Equal(52, (await script.AskAsync(Scripts.Signed(new SignedRequest(TestKeys.Bob, script.SessionId))))[0]);
    }

    [Fact]
    public async Task A_query_is_no_step()
    {
        // INVARIANTS 7: a query that would be a partial success counts for nothing.
        var script = new ServerScript(KeyThenPassword());
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)))[0]);
        Assert.Equal(Scripts.Failure("publickey"), await script.AskAsync(Scripts.Password("pw")));
        Assert.All(script.Authenticator.Requests, r => Assert.Empty(r.Completed));
        Assert.False(script.Server.IsComplete);
    }

    [Fact]
    public async Task A_password_and_then_questions()
    {
        var harness = new LoginHarness();
        var (client, server) = await harness.LoginAsync(
            new ScriptedAuthenticator(async (request, ct) => request switch
            {
                PasswordRequest { Completed: [], Password: "pw" } => Partial("keyboard-interactive"),
                KeyboardInteractiveAuthenticationRequest { Completed: [{ Method: "password" }] } k
                    when await k.Prompt.AskAsync("", "", [new("Token: ", false)], ct) is ["42"] => Accept(request),
                { Completed: [] } => Deny("password"),
                _ => Deny("keyboard-interactive"),
            }),
            Credential.KeyboardInteractive((_, _) => ValueTask.FromResult<IReadOnlyList<string>?>(["42"])),
            Credential.Password("pw"));
        Assert.Equal("keyboard-interactive", client.Method);
        Assert.Equal("password,keyboard-interactive", server.Method);
    }

    /// <summary>The key alone restricts; the password completes.</summary>
    private static ScriptedAuthenticator KeyThenPassword() => new(request => request switch
    {
        PublicKeyRequest { Completed: [] } k when k.Key.Equals(TestKeys.Alice.PublicKey) =>
            new AuthenticationDecision.Partial(["password"]) { State = "no-port-forwarding" },
        PasswordRequest { Password: "pw", Completed: [{ Method: "publickey" } step] } =>
            new AuthenticationDecision.Accepted(new SshPrincipal { UserName = "alice", Key = step.Key, State = step.State }),
        { Completed: [] } => Deny("publickey"),
        _ => Deny("password"),
    });

    private static ScriptedAuthenticator TwoKeys() => new(request => request switch
    {
        PublicKeyRequest { Completed: [] } k when !k.Key.Equals(TestKeys.Ecdsa.PublicKey) => Partial("publickey"),
        PublicKeyRequest { Completed: [_] } k when !k.Key.Equals(TestKeys.Ecdsa.PublicKey) => Accept(request),
        _ => Deny("publickey"),
    });
}
