using Adit.Ssh.Authentication;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>What a user reads when the login failed.</summary>
public class PermissionDeniedTests
{
    [Fact]
    public async Task The_first_line_is_opensshs_and_the_hint_lists_what_was_tried()
    {
        var harness = new LoginHarness();
        int asked = 0;
        var (error, _) = await harness.FailAsync(
            new ScriptedAuthenticator(_ => Deny("publickey", "password")),
            Credential.Key(TestKeys.Alice),
            Credential.Key(TestKeys.Bob),
            Credential.Password((_, _) => ValueTask.FromResult<string?>(asked++ < 2 ? "guess" : null)));
        Assert.Equal("alice@bastion: Permission denied (publickey,password).", error.Message);
        Assert.Equal(
            $"""
            Logging in as alice on bastion (192.0.2.7 port 50022), tried:
              publickey: {TestKeys.Alice.PublicKey} (alice@desk): the server does not accept this key for this account
              publickey: {TestKeys.Bob.PublicKey} (bob@desk): the server does not accept this key for this account
              password: wrong (2 times)
              password: none was given
            The server would still take: publickey, password.
            A key that was refused must stand in ~/.ssh/authorized_keys of that account (ssh-copy-id puts it there), in a file and folders only its owner may write.
            """,
            error.Hint);
        Assert.Equal(DisconnectReason.NoMoreAuthMethodsAvailable, error.DisconnectReason);
    }

    [Fact]
    public async Task Without_credentials_it_says_what_is_missing()
    {
        var harness = new LoginHarness { Preferred = ["publickey", "password"] };
        var (error, _) = await harness.FailAsync(new ScriptedAuthenticator(_ => Deny("publickey", "password", "keyboard-interactive")));
        Assert.Equal("alice@bastion: Permission denied (publickey,password,keyboard-interactive).", error.Message);
        Assert.Contains("tried: nothing", error.Hint, StringComparison.Ordinal);
        Assert.Contains("No key was offered: name one (-i file)", error.Hint, StringComparison.Ordinal);
        Assert.Contains("The server takes password, for which nothing was given", error.Hint, StringComparison.Ordinal);
        Assert.Contains("The server takes keyboard-interactive, which was not to be tried (PreferredAuthentications)", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_many_failures_is_a_clear_error_with_a_way_out()
    {
        var harness = new LoginHarness { MaxAuthTries = 2 };
        var (error, server) = await harness.FailAsync(ForKeys(), Credential.Key(TestKeys.Alice), Credential.Key(TestKeys.Bob), Credential.Key(TestKeys.Ecdsa));
        Assert.Equal("Too many authentication failures", server.Message);
        Assert.Equal(SshError.AuthenticationFailed, error.Error);
        Assert.Equal("Received disconnect from 192.0.2.7 port 50022:2: Too many authentication failures", error.Message);
        Assert.Equal(DisconnectReason.ProtocolError, error.DisconnectReason);
        Assert.Contains("(alice@desk)", error.Hint, StringComparison.Ordinal);
        Assert.Contains("IdentitiesOnly", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_just_ends_keeps_its_reason()
    {
        var script = new ClientScript(Credential.Password("pw"));
        await script.StartAsync("password");
        script.HangUp(new SshException(SshError.ConnectionLost, "Connection closed by 192.0.2.7 port 50022"));
        var error = await script.EndAsync();
        Assert.Equal((SshError.ConnectionLost, "Connection closed by 192.0.2.7 port 50022"), (error.Error, error.Message));
        Assert.Contains("before the login was complete", error.Hint, StringComparison.Ordinal);
        Assert.Contains("tried: nothing yet that it refused.", error.Hint, StringComparison.Ordinal); // there was a credential, and it may have been the right one
    }

    [Fact]
    public async Task No_mutual_algorithm_is_explained()
    {
        // An RSA key, SHA-1 not allowed here, and a server that announced nothing.
        var script = new ClientScript(TestKeys.DefaultAlgorithms, null, Credential.Key(TestKeys.Rsa));
        await script.ReceiveAsync();
        await script.AskAsync(Scripts.ServiceAccept);
        script.Send(Scripts.Failure("publickey"));
        var error = await script.EndAsync();
        Assert.Contains("no mutual signature algorithm (the server announced none, which leaves only SHA-1)", error.Hint, StringComparison.Ordinal);
        Assert.Contains("send_pubkey_test: no mutual signature algorithm", script.Log.Texts);
    }

    [Fact]
    public async Task Names_from_elsewhere_are_escaped()
    {
        // INVARIANTS 28.
        var harness = new LoginHarness { UserName = "ali\u001bce" };
        var (error, _) = await harness.FailAsync(new ScriptedAuthenticator(_ => Deny("publickey")));
        Assert.Equal(@"ali\033ce@bastion: Permission denied (publickey).", error.Message);
        Assert.DoesNotContain('\u001b', error.Hint!);
    }

    [Fact]
    public async Task A_long_agent_does_not_make_a_long_error()
    {
        var keys = Enumerable.Range(0, 60).Select(_ => Credential.Key(Adit.Ssh.Keys.PrivateKey.Generate("ed25519"))).ToArray();
        var harness = new LoginHarness { MaxAuthTries = 100 };
        var (error, _) = await harness.FailAsync(ForKeys(), keys);
        Assert.Contains("and 20 more", error.Hint, StringComparison.Ordinal);
    }
}
