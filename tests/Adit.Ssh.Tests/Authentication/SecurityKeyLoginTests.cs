using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>A signature of a security key logs in only when it states what the authenticator demands.</summary>
public class SecurityKeyLoginTests
{
    private const string Algorithm = KeyAlgorithms.SecurityKeyEd25519;

    [Theory]
    [InlineData(null, 1, true)]
    [InlineData(null, 0, false)] // who says nothing demands a touch
    [InlineData(SecurityKeyDemands.None, 0, true)]
    [InlineData(SecurityKeyDemands.Touch, 4, false)]
    [InlineData(SecurityKeyDemands.Verification, 1, false)]
    [InlineData(SecurityKeyDemands.Verification, 4, true)]
    [InlineData(SecurityKeyDemands.Touch | SecurityKeyDemands.Verification, 4, false)]
    [InlineData(SecurityKeyDemands.Touch | SecurityKeyDemands.Verification, 5, true)]
    public async Task States_what_is_demanded(SecurityKeyDemands? demanded, byte flags, bool allowed)
    {
        using var token = PrivateKey.Generate("ed25519");
        var key = PublicKey.Parse(SoftwareToken.Blob(token, Algorithm));
        var script = new ServerScript(new ScriptedAuthenticator(request => request is not PublicKeyRequest ? ScriptedAuthenticator.Deny("publickey")
            : demanded is { } demands ? ScriptedAuthenticator.Accept(request) with { SecurityKey = demands } : ScriptedAuthenticator.Accept(request)), algorithms: [Algorithm]);
        await script.StartServiceAsync();

        var covered = new SshWriter(512);
        covered.WriteString(script.SessionId);
        covered.WriteBytes(Unsigned(key));
        byte[] signature = SoftwareToken.Sign(token, Algorithm, covered.Written, flags);
        byte[] request = [.. Unsigned(key), .. Text(signature)];
        if (allowed)
        {
            script.Send(request);
            Assert.Equal("alice", (await script.PrincipalAsync()).UserName);
            return;
        }
        Assert.Equal(51, (await script.AskAsync(request))[0]);
        Assert.Contains(script.Log.Texts, line => line.EndsWith("requirement not met", StringComparison.Ordinal));
        script.HangUp();
        await script.EndAsync();
    }

    private static byte[] Unsigned(PublicKey key) => Scripts.Request("alice", "ssh-connection", "publickey", (ref SshWriter w) =>
    {
        w.WriteBoolean(true);
        w.WriteString(Algorithm);
        w.WriteString(key.Blob.Span);
    });

    private static byte[] Text(byte[] bytes)
    {
        var writer = new SshWriter(256);
        writer.WriteString(bytes);
        return writer.ToArray();
    }
}
