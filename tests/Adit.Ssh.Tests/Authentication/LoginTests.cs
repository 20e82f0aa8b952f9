using Adit.Ssh.Authentication;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our client against our server, method by method.</summary>
public class LoginTests
{
    [Fact]
    public async Task None_is_enough_where_the_server_says_so()
    {
        var harness = new LoginHarness();
        var (client, server) = await harness.LoginAsync(new ScriptedAuthenticator(Accept));
        Assert.Equal("none", client.Method);
        Assert.Null(client.Key);
        Assert.Equal("none", server.Method);
        Assert.Null(server.Key);
        Assert.True(harness.Server.IsComplete);
    }

    public static TheoryData<string, string> KeysAndAlgorithms => new()
    {
        { "ed25519", "ssh-ed25519" },
        { "ecdsa", "ecdsa-sha2-nistp256" },
        { "rsa", "rsa-sha2-512" },
    };

    [Theory]
    [MemberData(nameof(KeysAndAlgorithms))]
    public async Task A_key_logs_in_and_is_the_identity(string type, string algorithm)
    {
        var key = type switch { "ed25519" => TestKeys.Alice, "ecdsa" => TestKeys.Ecdsa, _ => TestKeys.Rsa };
        var harness = new LoginHarness();
        var authenticator = ForKeys(key.PublicKey);
        var (client, server) = await harness.LoginAsync(authenticator, Credential.Key(key));
        Assert.Equal("publickey", client.Method);
        Assert.Equal(key.PublicKey, client.Key);
        Assert.Equal(key.PublicKey, server.Key);
        Assert.Equal("publickey", server.Method);

        // Asked ahead of the signature, and again once it was verified.
        var asked = authenticator.Requests.OfType<PublicKeyRequest>().ToArray();
        Assert.Equal([false, true], asked.Select(r => r.SignatureVerified));
        Assert.All(asked, r => Assert.Equal(algorithm, r.Algorithm));
        Assert.Contains($"Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: {key.PublicKey.TypeName} {key.PublicKey.Fingerprint}", harness.ServerLog.Texts);
    }

    [Theory]
    [InlineData(true, "publickey-hostbound-v00@openssh.com")]
    [InlineData(false, "publickey")]
    public async Task The_host_bound_form_is_used_where_the_server_announced_it(bool announced, string method)
    {
        var harness = new LoginHarness();
        harness.Client.Extensions = new PeerExtensions { ServerSignatureAlgorithms = TestKeys.DefaultAlgorithms, HostBoundPublicKey = announced };
        await harness.LoginAsync(ForKeys(TestKeys.Alice.PublicKey), Credential.Key(TestKeys.Alice));
        var requests = harness.Client.Sent.Where(m => m.Payload[0] == 50).Select(m => Scripts.MethodOf(m.Payload)).ToArray();
        Assert.Equal(["none", method], requests);
    }

    [Fact]
    public async Task Keys_are_offered_in_order_and_only_the_accepted_one_signs()
    {
        var first = new CountingSigner(TestKeys.Bob);
        var second = new CountingSigner(TestKeys.Ecdsa);
        var third = new CountingSigner(TestKeys.Alice);
        var harness = new LoginHarness();
        await harness.LoginAsync(
            ForKeys(TestKeys.Ecdsa.PublicKey, TestKeys.Alice.PublicKey), Credential.Key(first), Credential.Key(second), Credential.Key(third));
        Assert.Equal((0, 1, 0), (first.Signatures, second.Signatures, third.Signatures));
        Assert.Equal(
            [
                $"Offering public key: bob@desk {TestKeys.Bob.PublicKey}",
                "SSH2_MSG_SERVICE_ACCEPT received",
                "Authentications that can continue: publickey",
                "Next authentication method: publickey",
                "Authentications that can continue: publickey",
                $"Offering public key: ecdsa@desk {TestKeys.Ecdsa.PublicKey}",
                $"Server accepts key: ecdsa@desk {TestKeys.Ecdsa.PublicKey}",
            ],
            harness.ClientLog.Texts);
        Assert.All(harness.ClientLog.Lines, l => Assert.Equal(LogLevel.Debug, l.Level));
    }

    [Fact]
    public async Task The_same_key_from_two_credentials_is_offered_once()
    {
        var harness = new LoginHarness();
        await harness.FailAsync(ForKeys(), Credential.Key(TestKeys.Alice), Credential.Key(TestKeys.Alice));
        Assert.Single(harness.ClientLog.Texts, t => t.StartsWith("Offering", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_key_that_cannot_sign_gives_way_to_the_next_one()
    {
        var broken = new CountingSigner(TestKeys.Bob) { Failure = "agent refused operation" };
        var harness = new LoginHarness();
        var (client, _) = await harness.LoginAsync(
            ForKeys(TestKeys.Bob.PublicKey, TestKeys.Alice.PublicKey), Credential.Key(broken), Credential.Key(TestKeys.Alice));
        Assert.Equal(TestKeys.Alice.PublicKey, client.Key);
        Assert.Contains((LogLevel.Error, "sign_and_send_pubkey: signing failed for ED25519 \"bob@desk\": agent refused operation"), harness.ClientLog.Lines);
    }

    [Fact]
    public async Task The_right_password_logs_in()
    {
        var harness = new LoginHarness();
        var (client, server) = await harness.LoginAsync(Passwords("pässword"), Credential.Password("pässword"));
        Assert.Equal("password", client.Method);
        Assert.Equal("password", server.Method);
        Assert.Contains("Accepted password for alice from 192.0.2.7 port 50022 ssh2", harness.ServerLog.Texts);
    }

    [Fact]
    public async Task A_password_is_asked_for_up_to_three_times()
    {
        var prompts = new List<string>();
        var harness = new LoginHarness();
        var ask = Credential.Password((prompt, _) =>
        {
            prompts.Add(prompt);
            return ValueTask.FromResult<string?>(prompts.Count < 3 ? "wrong" : "right");
        });
        await harness.LoginAsync(Passwords("right"), ask);
        Assert.Equal(Enumerable.Repeat("alice@bastion's password: ", 3), prompts);
        Assert.Equal(2, harness.ClientLog.Lines.Count(l => l == (LogLevel.Information, "Permission denied, please try again.")));
        Assert.Equal(2, harness.ServerLog.Lines.Count(l => l == (LogLevel.Information, "Failed password for alice from 192.0.2.7 port 50022 ssh2")));
    }

    [Fact]
    public async Task A_fixed_password_is_tried_once()
    {
        var harness = new LoginHarness();
        var (error, _) = await harness.FailAsync(Passwords("right"), Credential.Password("wrong"));
        Assert.Equal("alice@bastion: Permission denied (password).", error.Message);
        Assert.Equal(SshError.AuthenticationFailed, error.Error);
        Assert.Equal(2, harness.Client.Sent.Count(m => m.Payload[0] == 50)); // none, password
    }

    [Fact]
    public async Task An_expired_password_is_changed()
    {
        var harness = new LoginHarness();
        var answers = new Queue<string>(["old", "new", "nwe", "new", "new"]);
        var prompts = new List<string>();
        var (client, _) = await harness.LoginAsync(
            new ScriptedAuthenticator(request => request switch
            {
                PasswordRequest { Password: "old", NewPassword: null } => new AuthenticationDecision.PasswordChangeRequired("Your password\u001b has expired"),
                PasswordRequest { Password: "old", NewPassword: "new" } => Accept(request),
                _ => Deny("password"),
            }),
            Credential.Password((prompt, _) =>
            {
                prompts.Add(prompt);
                return ValueTask.FromResult<string?>(answers.Dequeue());
            }));
        Assert.Equal("password", client.Method);
        Assert.Equal("Enter alice@bastion's new password: ", prompts[1]);
        Assert.Equal("Retype alice@bastion's new password: ", prompts[2]);
        Assert.Contains("Mismatch; try again, EOF to quit.", harness.ClientLog.Texts);
        Assert.Contains(@"Your password\033 has expired", harness.ClientLog.Texts); // INVARIANTS 28
        Assert.Contains("Postponed password for alice from 192.0.2.7 port 50022 ssh2 [preauth]", harness.ServerLog.Texts);
    }

    [Fact]
    public async Task A_fixed_password_that_expired_is_not_changed_behind_anybodys_back()
    {
        var harness = new LoginHarness();
        var (error, _) = await harness.FailAsync(
            new ScriptedAuthenticator(request => request is PasswordRequest ? new AuthenticationDecision.PasswordChangeRequired("change it") : Deny("password")),
            Credential.Password("old"));
        Assert.Contains("password: right but expired", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keyboard_interactive_goes_through_several_rounds_one_without_questions()
    {
        var harness = new LoginHarness();
        var seen = new List<KeyboardInteractiveChallenge>();
        var (client, server) = await harness.LoginAsync(
            new ScriptedAuthenticator(async (request, ct) =>
            {
                if (request is not KeyboardInteractiveAuthenticationRequest k)
                    return Deny("keyboard-interactive");
                var one = await k.Prompt.AskAsync("Login", "Two things\u0007", [new("Password: ", false), new("Token\u001b[2J: ", true)], ct);
                Assert.Empty(await k.Prompt.AskAsync("", "Be patient", [], ct));
                Assert.Empty(await k.Prompt.AskAsync("", "", [], ct));
                var two = await k.Prompt.AskAsync("", "", [new("Sure? ", true)], ct);
                return one is ["pw", "123"] && two is ["yes"] ? Accept(request) : Deny("keyboard-interactive");
            }),
            Credential.KeyboardInteractive((challenge, _) =>
            {
                seen.Add(challenge);
                return ValueTask.FromResult<IReadOnlyList<string>?>(challenge.Prompts.Count switch { 2 => ["pw", "123"], 1 => ["yes"], _ => [] });
            }));
        Assert.Equal("keyboard-interactive", client.Method);
        Assert.Equal("keyboard-interactive", server.Method);
        Assert.Equal(3, seen.Count);
        Assert.Equal("alice@bastion", seen[0].Destination);
        Assert.Equal(("Login", @"Two things\007"), (seen[0].Name, seen[0].Instruction)); // INVARIANTS 28
        Assert.Equal([new("Password: ", false), new(@"Token\033[2J: ", true)], seen[0].Prompts);
        Assert.Equal(("Be patient", 0), (seen[1].Instruction, seen[1].Prompts.Count));
    }

    [Fact]
    public async Task Giving_up_a_question_moves_on_to_the_next_method()
    {
        var harness = new LoginHarness();
        var cancelled = false;
        var (client, _) = await harness.LoginAsync(
            new ScriptedAuthenticator(async (request, ct) =>
            {
                switch (request)
                {
                    case PasswordRequest { Password: "pw" }:
                        return Accept(request);
                    case KeyboardInteractiveAuthenticationRequest k:
                        var asking = k.Prompt.AskAsync("", "", [new("Token: ", false)], ct).AsTask();
                        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
                        cancelled = ct.IsCancellationRequested;
                        return Accept(request); // too late: the client has moved on
                    default:
                        return Deny("keyboard-interactive", "password");
                }
            }),
            Credential.KeyboardInteractive((_, _) => ValueTask.FromResult<IReadOnlyList<string>?>(null)),
            Credential.Password("pw"));
        Assert.Equal("password", client.Method);
        Assert.True(cancelled);
        Assert.DoesNotContain(harness.ServerLog.Texts, t => t.Contains("keyboard-interactive", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_never_asks_is_not_asked_again()
    {
        var harness = new LoginHarness();
        await harness.FailAsync(
            new ScriptedAuthenticator(_ => Deny("keyboard-interactive")),
            Credential.KeyboardInteractive((_, _) => ValueTask.FromResult<IReadOnlyList<string>?>([])));
        Assert.Equal(2, harness.Client.Sent.Count(m => m.Payload[0] == 50)); // none, keyboard-interactive
    }

    [Fact]
    public async Task Methods_are_tried_in_the_preferred_order_among_those_the_server_takes()
    {
        var harness = new LoginHarness { Preferred = ["password", "publickey"] };
        await harness.FailAsync(
            new ScriptedAuthenticator(_ => Deny("publickey", "keyboard-interactive", "password")),
            Credential.Key(TestKeys.Alice),
            Credential.KeyboardInteractive((_, _) => throw new InvalidOperationException("not preferred")),
            Credential.Password("pw"));
        Assert.Equal(
            ["none", "password", AuthPublicKeyFields.HostBoundMethodName],
            harness.Client.Sent.Where(m => m.Payload[0] == 50).Select(m => Scripts.MethodOf(m.Payload)));
    }

    [Fact]
    public async Task A_banner_is_shown_before_anything_is_answered()
    {
        var harness = new LoginHarness { Banner = "Welcome\r\nto \u001b[31mthe bastion\u202e\n" };
        await harness.FailAsync(ForKeys());
        Assert.Equal(["Welcome\nto \\033[31mthe bastion\\u202e\n"], harness.Banners); // INVARIANTS 28
        Assert.Equal([6, 53, 51], harness.Server.Sent.Select(m => (int)m.Payload[0]));
    }

    [Fact]
    public async Task Authenticator_failures_mean_no()
    {
        var harness = new LoginHarness();
        await harness.FailAsync(
            new ScriptedAuthenticator(request => request is NoneRequest ? Deny("password") : throw new InvalidOperationException("database down")), Credential.Password("pw"));
        Assert.Contains(harness.ServerLog.Lines, l => l.Level == LogLevel.Error && l.Text.Contains("authenticator failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_style_is_not_part_of_the_name()
    {
        var harness = new LoginHarness { UserName = "alice:skey" };
        var authenticator = ForKeys(TestKeys.Alice.PublicKey);
        await harness.LoginAsync(authenticator, Credential.Key(TestKeys.Alice));
        Assert.All(authenticator.Requests, r => Assert.Equal(("alice", "skey"), (r.UserName, r.Style)));
    }

    [Fact]
    public async Task A_cancelled_login_ends_on_both_sides()
    {
        var harness = new LoginHarness();
        using var grace = new CancellationTokenSource();
        var server = harness.RunServerAsync(
            new ScriptedAuthenticator(async (_, ct) =>
            {
                await grace.CancelAsync();
                await Task.Delay(Timeout.Infinite, ct);
                return Deny();
            }),
            grace.Token);
        _ = harness.RunClientAsync().ContinueWith(_ => { }, TaskScheduler.Default);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => server);
        Assert.False(harness.Server.IsComplete);
    }

    private static ScriptedAuthenticator Passwords(string right) =>
        new(request => request is PasswordRequest p && p.Password == right ? Accept(request) : Deny("password"));
}
