using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our server against clients that do not play by the rules.</summary>
public class HostileClientTests
{
    public static TheoryData<int> EveryNumber => new(Enumerable.Range(0, 256));

    [Theory]
    [MemberData(nameof(EveryNumber))]
    public async Task No_message_out_of_place_gets_anywhere(int number)
    {
        // INVARIANTS 1 and 3: the gate in front stops most of these; what comes through must not work either.
        var authenticator = ForKeys(TestKeys.Alice.PublicKey);
        var before = new ServerScript(authenticator);
        if (number != 5)
        {
            before.Send([(byte)number]);
            Assert.Equal(DisconnectReason.ProtocolError, (await before.EndAsync()).DisconnectReason);
        }

        var after = new ServerScript(authenticator);
        await after.StartServiceAsync();
        if (number is not (5 or 50))
        {
            after.Send([(byte)number]);
            Assert.Equal(DisconnectReason.ProtocolError, (await after.EndAsync()).DisconnectReason);
        }
        Assert.Empty(authenticator.Requests);

        var prompting = new ServerScript(new ScriptedAuthenticator(async (request, ct) =>
        {
            if (request is KeyboardInteractiveAuthenticationRequest k)
            {
                try
                {
                    await k.Prompt.AskAsync("", "", [new("Token: ", false)], ct);
                }
                catch (SshException)
                {
                    // An authenticator that goes on regardless must not help.
                }
            }
            return Accept(request);
        }));
        await prompting.StartServiceAsync();
        Assert.Equal(60, (await prompting.AskAsync(Scripts.KeyboardInteractive()))[0]);
        if (number is not (5 or 50 or 61))
        {
            prompting.Send([(byte)number]);
            Assert.Equal(DisconnectReason.ProtocolError, (await prompting.EndAsync()).DisconnectReason);
        }
    }

    [Fact]
    public async Task An_empty_message_ends_the_connection()
    {
        var script = new ServerScript(ForKeys());
        script.Send([]);
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Opening_a_channel_after_a_query_gets_nowhere()
    {
        // INVARIANTS 1 and 7.
        var script = new ServerScript(ForKeys(TestKeys.Alice.PublicKey));
        await script.StartServiceAsync();
        Assert.Equal(Scripts.KeyOk(TestKeys.Alice.PublicKey, "ssh-ed25519"), await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)));
        Assert.False(script.Server.IsComplete);
        script.Send([90, 0, 0, 0, 7]);
        Assert.Equal("unexpected message 90 during authentication", (await script.EndAsync()).Message);
    }

    [Fact]
    public async Task The_identity_is_the_key_of_the_signature_not_of_the_query()
    {
        // INVARIANTS 7 [Go CVE-2024-45337]: query with one key, sign with another.
        var script = new ServerScript(ForKeys(TestKeys.Alice.PublicKey, TestKeys.Bob.PublicKey));
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)))[0]);
        Assert.Equal(52, (await script.AskAsync(Scripts.Signed(new SignedRequest(TestKeys.Bob, script.SessionId))))[0]);
        Assert.Equal(TestKeys.Bob.PublicKey, (await script.PrincipalAsync()).Key);
    }

    [Fact]
    public async Task A_principal_with_a_key_that_was_only_asked_about_is_refused()
    {
        // INVARIANTS 7: an authenticator that remembers the last key it was asked about makes exactly that mistake.
        PublicKey? last = null;
        var script = new ServerScript(new ScriptedAuthenticator(request =>
        {
            if (request is PublicKeyRequest { SignatureVerified: false } k)
                last ??= k.Key;
            return request is NoneRequest ? Deny("publickey") : new AuthenticationDecision.Accepted(new SshPrincipal { UserName = "alice", Key = last });
        }));
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)))[0]);
        Assert.Equal(51, (await script.AskAsync(Scripts.Signed(new SignedRequest(TestKeys.Bob, script.SessionId))))[0]);
        Assert.Contains(script.Log.Texts, t => t.Contains("a key that was not proven", StringComparison.Ordinal));
        script.HangUp();
        await script.EndAsync();
    }

    public static TheoryData<string> BadSignatures =>
        ["session", "user", "service", "method", "flag", "algorithm", "key", "bit", "empty", "trailing", "other key's", "host-bound as plain"];

    [Theory]
    [MemberData(nameof(BadSignatures))]
    public async Task A_signature_counts_for_this_request_in_this_session_only(string what)
    {
        // INVARIANTS 7: over the session id, user, service, method, algorithm and key.
        var authenticator = ForKeys(TestKeys.Alice.PublicKey);
        var script = new ServerScript(authenticator);
        await script.StartServiceAsync();
        var good = new SignedRequest(TestKeys.Alice, script.SessionId);
        var bad = what switch
        {
            "session" => good with { SessionId = new byte[32] },
            "user" => good with { SignedUser = "bob" },
            "service" => good with { SignedService = "ssh-userauth" },
            "method" => good with { SignedMethod = "publickey-hostbound-v00@openssh.com" },
            "flag" => good with { SignedFlag = false },
            "algorithm" => good with { SignedAlgorithm = "ssh-rsa" },
            "key" => good with { SignedKey = TestKeys.Bob.PublicKey },
            "bit" => good with { Signature = s => [.. s[..^1], (byte)(s[^1] ^ 1)] },
            "empty" => good with { Signature = _ => [] },
            "trailing" => good with { Signature = s => [.. s, 0] },
            "other key's" => new SignedRequest(TestKeys.Bob, script.SessionId) { Blob = TestKeys.Alice.PublicKey },
            _ => good with { HostKey = TestKeys.Host.PublicKey, Method = "publickey-hostbound-v00@openssh.com", SignedMethod = "publickey" },
        };
        Assert.Equal(Scripts.Failure(), await script.AskAsync(Scripts.Signed(bad)));
        Assert.DoesNotContain(authenticator.Requests.OfType<PublicKeyRequest>(), r => r.SignatureVerified);

        // The same request done right works, so that it was this that failed.
        Assert.Equal(52, (await script.AskAsync(Scripts.Signed(good)))[0]);
    }

    [Fact]
    public async Task Host_bound_requests_name_our_host_key()
    {
        var script = new ServerScript(ForKeys(TestKeys.Alice.PublicKey));
        await script.StartServiceAsync();
        var good = new SignedRequest(TestKeys.Alice, script.SessionId) { Method = "publickey-hostbound-v00@openssh.com", HostKey = TestKeys.Host.PublicKey };
        Assert.Equal(Scripts.Failure(), await script.AskAsync(Scripts.Signed(good with { SignedHostKey = TestKeys.Bob.PublicKey })));
        Assert.Equal(52, (await script.AskAsync(Scripts.Signed(good)))[0]);

        var other = new ServerScript(ForKeys(TestKeys.Alice.PublicKey));
        await other.StartServiceAsync();
        other.Send(Scripts.Signed(good with { HostKey = TestKeys.Bob.PublicKey }));
        Assert.Equal("publickey-hostbound-v00@openssh.com packet contained wrong host key", (await other.EndAsync()).Message);
    }

    [Fact]
    public async Task Algorithm_key_and_list_must_agree()
    {
        var authenticator = ForKeys(TestKeys.Alice.PublicKey, TestKeys.Rsa.PublicKey);
        var script = new ServerScript(authenticator);
        await script.StartServiceAsync();
        byte[][] bad =
        [
            Scripts.Query(TestKeys.Alice.PublicKey, "rsa-sha2-512"),
            Scripts.Query(TestKeys.Rsa.PublicKey, "ssh-ed25519"),
            Scripts.Query(TestKeys.Rsa.PublicKey, "ssh-rsa"), // SHA-1 is not in the list
            Scripts.Signed(new SignedRequest(TestKeys.Rsa, script.SessionId) { Algorithm = "ssh-rsa" }),
            Scripts.Query(TestKeys.Alice.PublicKey, ""),
        ];
        foreach (byte[] request in bad)
            Assert.Equal(51, (await script.AskAsync(request))[0]);
        Assert.DoesNotContain(authenticator.Requests, r => r is PublicKeyRequest);

        // A signature of another algorithm than the request names: SHA-1 under the name of SHA-2.
        var inner = new ServerScript(authenticator);
        await inner.StartServiceAsync();
        var rsa = new SignedRequest(TestKeys.Rsa, inner.SessionId) { Algorithm = "rsa-sha2-512" };
        Assert.Equal(Scripts.Failure(), await inner.AskAsync(Scripts.Signed(rsa with { SignatureAlgorithm = "ssh-rsa" })));
        Assert.Equal(Scripts.Failure(), await inner.AskAsync(Scripts.Signed(rsa with { SignatureAlgorithm = "rsa-sha2-256" })));
        Assert.Equal(52, (await inner.AskAsync(Scripts.Signed(rsa)))[0]);
    }

    [Fact]
    public async Task A_key_refused_in_the_meantime_does_not_log_in()
    {
        // Asked again after the signature verified: the last answer counts.
        var script = new ServerScript(new ScriptedAuthenticator(request =>
            request is PublicKeyRequest { SignatureVerified: false } ? Accept(request) : Deny("publickey")));
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.Query(TestKeys.Alice.PublicKey)))[0]);
        Assert.Equal(Scripts.Failure(), await script.AskAsync(Scripts.Signed(new SignedRequest(TestKeys.Alice, script.SessionId))));
    }

    [Theory]
    [InlineData("ssh-connection")]
    [InlineData("")]
    [InlineData("ssh-userauth@evil")]
    public async Task Only_the_authentication_service_is_there(string service)
    {
        var script = new ServerScript(ForKeys());
        script.Send(Scripts.ServiceRequest(service));
        Assert.Equal(DisconnectReason.ServiceNotAvailable, (await script.EndAsync()).DisconnectReason);
    }

    [Fact]
    public async Task Only_the_connection_service_can_be_logged_in_to()
    {
        var authenticator = new ScriptedAuthenticator(Accept);
        var script = new ServerScript(authenticator);
        await script.StartServiceAsync();
        script.Send(Scripts.None(service: "ssh-agent"));
        Assert.Equal(DisconnectReason.ServiceNotAvailable, (await script.EndAsync()).DisconnectReason);
        Assert.Empty(authenticator.Requests);
    }

    [Theory]
    [InlineData("bob", "ssh-connection")]
    [InlineData("alice", "ssh-userauth")]
    public async Task User_and_service_stay_what_they_were(string user, string service)
    {
        var script = new ServerScript(ForKeys());
        await script.StartServiceAsync();
        await script.AskAsync(Scripts.None());
        script.Send(Scripts.None(user, service));
        Assert.Equal($"Change of username or service not allowed: (alice,ssh-connection) -> ({user},{service})", (await script.EndAsync()).Message);
    }

    [Fact]
    public async Task User_names_are_bounded_and_utf8()
    {
        // INVARIANTS 12.
        Assert.Equal(51, (await AskAsync(new string('a', 255)))[0]);
        foreach (string name in new[] { new string('a', 256), new string('ä', 128), new string('a', 100_000) })
        {
            var script = new ServerScript(ForKeys());
            await script.StartServiceAsync();
            script.Send(Scripts.None(name));
            Assert.Equal(DisconnectReason.IllegalUserName, (await script.EndAsync()).DisconnectReason);
        }
        var invalid = new ServerScript(ForKeys());
        await invalid.StartServiceAsync();
        invalid.Send(Scripts.Message(50, (ref SshWriter w) =>
        {
            w.WriteString([0x61, 0xff]);
            w.WriteString("ssh-connection");
            w.WriteString("none");
        }));
        Assert.Equal(DisconnectReason.IllegalUserName, (await invalid.EndAsync()).DisconnectReason);

        static async Task<byte[]> AskAsync(string name)
        {
            var script = new ServerScript(ForKeys());
            await script.StartServiceAsync();
            return await script.AskAsync(Scripts.None(name));
        }
    }

    [Fact]
    public async Task Names_are_escaped_in_the_log()
    {
        // INVARIANTS 28.
        var script = new ServerScript(ForKeys());
        await script.StartServiceAsync();
        await script.AskAsync(Scripts.None("eve\n\u001b[2J\u202e"));
        await script.AskAsync(Scripts.Request("eve\n\u001b[2J\u202e", "ssh-connection", "x", (ref SshWriter _) => { }));
        Assert.Contains(@"Failed none for eve\012\033[2J\u202e from 192.0.2.7 port 50022 ssh2", script.Log.Texts);
        Assert.DoesNotContain(script.Log.Texts, t => t.Any(char.IsControl) || t.Contains('\u202e'));
    }

    [Fact]
    public async Task Methods_nobody_knows_are_answered_with_those_that_work()
    {
        var authenticator = ForKeys();
        var script = new ServerScript(authenticator);
        await script.StartServiceAsync();
        Assert.Equal(Scripts.Failure(), await script.AskAsync(Scripts.Request("alice", "ssh-connection", "hostbased", (ref SshWriter w) => w.WriteString("x"))));

        // And they do not become "none" where that would be enough.
        var open = new ServerScript(new ScriptedAuthenticator(Accept));
        await open.StartServiceAsync();
        Assert.Equal(Scripts.Failure(""), await open.AskAsync(Scripts.Request("alice", "ssh-connection", "gssapi", (ref SshWriter _) => { })));
        Assert.False(open.Server.IsComplete);
    }

    [Fact]
    public async Task A_wrong_number_of_answers_fails_whatever_the_authenticator_says()
    {
        foreach (byte[] answers in new[] { Scripts.InfoResponse(), Scripts.InfoResponse("1", "2") })
        {
            var script = new ServerScript(new ScriptedAuthenticator(async (request, ct) =>
            {
                if (request is not KeyboardInteractiveAuthenticationRequest k)
                    return Deny("keyboard-interactive");
                var asking = k.Prompt.AskAsync("", "", [new("Token: ", false)], ct).AsTask();
                await Assert.ThrowsAsync<SshException>(() => asking);
                return Accept(request);
            }));
            await script.StartServiceAsync();
            Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
            Assert.Equal(Scripts.Failure("keyboard-interactive"), await script.AskAsync(answers));
            Assert.False(script.Server.IsComplete);
        }
    }

    [Fact]
    public async Task An_answer_that_comes_after_the_authenticator_gave_up_is_dropped_once()
    {
        using var gaveUp = new CancellationTokenSource();
        var script = new ServerScript(new ScriptedAuthenticator(async (request, ct) =>
        {
            if (request is not KeyboardInteractiveAuthenticationRequest k)
                return Deny("keyboard-interactive");
            var asking = k.Prompt.AskAsync("", "", [new("Token: ", false)], gaveUp.Token).AsTask();
            await gaveUp.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
            return Deny("password");
        }));
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        Assert.Equal(Scripts.Failure("password"), await script.ReceiveAsync());
        script.Send(Scripts.InfoResponse("late"));
        Assert.Equal(51, (await script.AskAsync(Scripts.None()))[0]);
        script.Send(Scripts.InfoResponse("again"));
        Assert.Equal(SshError.ProtocolError, (await script.EndAsync()).Error);
    }

    [Fact]
    public async Task Hanging_up_while_asked_ends_the_login()
    {
        var script = new ServerScript(new ScriptedAuthenticator(async (request, ct) =>
        {
            if (request is KeyboardInteractiveAuthenticationRequest k)
                await k.Prompt.AskAsync("", "", [new("Token: ", false)], ct);
            return Accept(request);
        }));
        await script.StartServiceAsync();
        Assert.Equal(60, (await script.AskAsync(Scripts.KeyboardInteractive()))[0]);
        script.HangUp();
        Assert.Equal(SshError.ConnectionLost, (await script.EndAsync()).Error);
    }
}
