using System.Security.Cryptography;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>What the client sends before it has heard anything, and what becomes of it with servers that answer late, otherwise, or no.</summary>
public sealed class LoginFlightTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("adit-flights-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Service_none_and_the_signed_key_leave_in_one_flight()
    {
        var script = new ClientScript(Credential.Key(TestKeys.Alice));
        await ReceiveFlightAsync(script, Signed(script, TestKeys.Alice));
        // Late, and all at once.
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure());
        script.Send([52]);
        var result = await script.ResultAsync();
        Assert.Equal(("publickey", TestKeys.Alice.PublicKey), (result.Method, result.Key));
        Assert.Equal(3, script.Client.Sent.Count);
    }

    [Fact]
    public async Task The_key_is_under_way_while_a_server_without_authentication_lets_in()
    {
        var script = new ClientScript(Credential.Key(TestKeys.Alice));
        await ReceiveFlightAsync(script, Signed(script, TestKeys.Alice));
        script.Send(Scripts.ServiceAccept);
        script.Send([52]); // to "none"; the key is dropped (RFC 4252, section 5.1)
        var result = await script.ResultAsync();
        Assert.Equal(("none", null), (result.Method, result.Key));
    }

    [Fact]
    public async Task After_a_refused_key_the_next_one_takes_one_more_flight()
    {
        var script = new ClientScript(Credential.Key(TestKeys.Bob), Credential.Key(TestKeys.Alice));
        await ReceiveFlightAsync(script, Signed(script, TestKeys.Bob));
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure());
        Assert.Equal(Signed(script, TestKeys.Alice), await script.AskAsync(Scripts.Failure()));
        script.Send([52]);
        Assert.Equal(TestKeys.Alice.PublicKey, (await script.ResultAsync()).Key);
    }

    [Fact]
    public async Task A_key_that_has_to_ask_for_its_signature_is_only_shown_ahead()
    {
        var signer = new CountingSigner(TestKeys.Alice);
        var script = new ClientScript(Credential.Key(signer));
        await ReceiveFlightAsync(script, Scripts.Query(TestKeys.Alice.PublicKey));
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure());
        Assert.Equal(0, signer.Signatures);
        Assert.Equal(Signed(script, TestKeys.Alice), await script.AskAsync(Scripts.KeyOk(TestKeys.Alice.PublicKey, "ssh-ed25519")));
        script.Send([52]);
        Assert.Equal("publickey", (await script.ResultAsync()).Method);
        Assert.Equal(1, signer.Signatures);
    }

    [Fact]
    public async Task The_answer_to_a_key_is_awaited_where_the_server_takes_no_keys()
    {
        var script = new ClientScript(Credential.Key(TestKeys.Alice), Credential.Password("pw"));
        await ReceiveFlightAsync(script, Signed(script, TestKeys.Alice));
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure("password"));
        Assert.Equal(Scripts.Password("pw"), await script.AskAsync(Scripts.Failure("password")));
        script.Send([52]);
        Assert.Equal("password", (await script.ResultAsync()).Method);
    }

    [Fact]
    public async Task A_key_that_was_one_step_of_several_is_not_sent_again()
    {
        var script = new ClientScript(Credential.Key(TestKeys.Alice), Credential.Password("pw"));
        await ReceiveFlightAsync(script, Signed(script, TestKeys.Alice));
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure());
        Assert.Equal(Scripts.Password("pw"), await script.AskAsync(Scripts.Failure("publickey,password", isPartial: true)));
        script.Send([52]);
        Assert.Equal(["publickey"], (await script.ResultAsync()).PartialMethods);
    }

    [Fact]
    public async Task An_rsa_key_waits_for_what_the_server_can_verify()
    {
        var script = new ClientScript(TestKeys.DefaultAlgorithms, null, Credential.Key(TestKeys.Rsa));
        Assert.Equal(Scripts.ServiceRequest(), await script.ReceiveAsync());
        Assert.Equal(Scripts.None(), await script.ReceiveAsync());
        script.Client.Extensions = new PeerExtensions { ServerSignatureAlgorithms = TestKeys.DefaultAlgorithms };
        script.Send(Scripts.ServiceAccept);
        byte[] signed = await script.AskAsync(Scripts.Failure());
        Assert.Equal(Scripts.Signed(new SignedRequest(TestKeys.Rsa, script.Client.SessionId.ToArray()) { Algorithm = "rsa-sha2-512" }), signed);
        script.Send([52]);
        Assert.Equal("publickey", (await script.ResultAsync()).Method);
    }

    [Fact]
    public async Task No_passphrase_is_asked_for_before_the_server_takes_keys()
    {
        string path = Path.Combine(_folder, "id"); // encrypted throughout, and no .pub beside it: even what key it is takes the passphrase
        using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
            File.WriteAllText(path, key.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1)));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        int asked = 0;
        var script = new ClientScript(Credential.PrivateKeyFile(path, (_, _) =>
        {
            asked++;
            return ValueTask.FromResult<string?>(null);
        }));
        Assert.Equal(Scripts.ServiceRequest(), await script.ReceiveAsync());
        Assert.Equal(Scripts.None(), await script.ReceiveAsync());
        Assert.Equal(0, asked);
        script.Send(Scripts.ServiceAccept);
        script.Send(Scripts.Failure("publickey"));
        await script.EndAsync();
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task A_preference_for_another_method_is_kept()
    {
        var harness = new LoginHarness { Preferred = ["password", "publickey"] };
        var authenticator = new ScriptedAuthenticator(request => request is PasswordRequest { Password: "pw" }
            ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName })
            : new AuthenticationDecision.Denied(["password", "publickey"]));
        await harness.LoginAsync(authenticator, Credential.Key(TestKeys.Alice), Credential.Password("pw"));
        Assert.Equal(["none", "password"], harness.Client.Sent.Where(m => m.Payload[0] == 50).Select(m => Scripts.MethodOf(m.Payload)));
    }

    private static byte[] Signed(ClientScript script, PrivateKey key) => Scripts.Signed(new SignedRequest(key, script.Client.SessionId.ToArray()));

    /// <summary>What the client sends while the server is silent.</summary>
    private static async Task ReceiveFlightAsync(ClientScript script, byte[] key)
    {
        Assert.Equal(Scripts.ServiceRequest(), await script.ReceiveAsync());
        Assert.Equal(Scripts.None(), await script.ReceiveAsync());
        Assert.Equal(key, await script.ReceiveAsync());
    }
}
