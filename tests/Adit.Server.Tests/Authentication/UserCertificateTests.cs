using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public sealed class UserCertificateTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Trust => $"TrustedUserCAKeys {_folder["ca.pub"]}\n";

    /// <summary>A certificate by ssh-keygen, of the authority "ca" unless told otherwise.</summary>
    private PublicKey Issue(string arguments, string authority = "ca")
    {
        foreach (var name in (string[])[authority, "key"])
        {
            if (!File.Exists(_folder[name]))
            {
                Commands.Run(Need.SshKeygen, "-q", "-t", "ed25519", "-N", "", "-f", _folder[name]);
            }
        }

        Commands.Run(Need.SshKeygen, ["-q", "-s", _folder[authority], "-I", "id\u001b[1m", .. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), _folder["key.pub"]]);
        return KeyFile.ReadPublicKey(_folder["key-cert.pub"], out _);
    }

    // INVARIANTS 11
    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("-n alice", null)]
    [InlineData("-n bob,alice", null)]
    [InlineData("-n Alice", "Certificate invalid: name is not a listed principal")]
    [InlineData("-n alice*", "Certificate invalid: name is not a listed principal")]
    [InlineData("", "Certificate lacks principal list")]
    [InlineData("-n alice -V 20200101000000Z:20200102000000Z", "Certificate invalid: expired")]
    [InlineData("-n alice -h", "Certificate invalid: not a user certificate")]
    [InlineData("-n alice -O source-address=10.0.0.0/24", null)]
    [InlineData("-n alice -O source-address=192.168.0.0/16", "Certificate source-address does not permit 10.0.0.7")]
    [InlineData("-n alice -O force-command=date", "Certificate critical option \"force-command\" is not supported")]
    [InlineData("-n alice -O critical:x@example=1", "Certificate critical option \"x@example\" is not supported")]
    public async Task Only_a_certificate_that_says_so_lets_in(string arguments, string? fault)
    {
        var certificate = Issue(arguments);
        using var login = new Login(Trust);
        Assert.Equal(fault is null, await login.Key(certificate) is Accepted);
        Assert.Equal(fault is null ? [] : [fault], login.Log.Errors);
        if (fault is null)
        {
            Assert.Contains(login.Log.Lines, line => line.StartsWith("Accepted certificate ID \"id\\033[1m\" (serial 0) signed by ED25519 SHA256:", StringComparison.Ordinal));
        }
    }

    [FactNeeding(Need.SshKeygen)]
    public async Task Only_a_trusted_authority_counts()
    {
        Issue("-n alice");
        var foreign = Issue("-n alice", "other");
        using var login = new Login(Trust);
        Assert.IsType<Denied>(await login.Key(foreign));

        using var none = new Login();
        none.Authorize(foreign.PlainKey.ToText(), foreign.ToText()); // and a certificate is not its key
        Assert.IsType<Denied>(await none.Key(foreign));

        using var missing = new Login("TrustedUserCAKeys /nonexistent/ca.pub");
        Assert.IsType<Denied>(await missing.Key(foreign));
        Assert.Contains("TrustedUserCAKeys /nonexistent/ca.pub cannot be read: No such file or directory", missing.Log.Errors);
    }

    [FactNeeding(Need.SshKeygen)]
    public async Task A_file_of_principals_replaces_the_name()
    {
        var certificate = Issue("-n ops,alice");
        using var login = new Login(Trust + "AuthorizedPrincipalsFile .ssh/principals");
        Assert.IsType<Denied>(await login.Key(certificate));
        login.Write(".ssh/principals", "# who", "from=\"10.0.0.0/8\" ops", "dev");
        Assert.IsType<Denied>(await login.Key(certificate));
        login.Write(".ssh/principals", "dev", "ops # shift");
        Assert.IsType<Accepted>(await login.Key(certificate));
    }

    // INVARIANTS 9: what one step of a chain restricts holds for the whole login.
    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("-n alice", true)]
    [InlineData("-n alice -O no-port-forwarding", false)]
    public async Task A_certificate_that_does_not_allow_forwarding_forbids_it(string arguments, bool allowed)
    {
        var certificate = Issue(arguments);
        using var login = new Login(Trust + "AuthenticationMethods publickey,publickey");
        var second = Login.NewKey();
        login.Authorize(second.ToText());
        Assert.IsType<Partial>(await login.Key(certificate));
        var principal = Assert.IsType<Accepted>(await login.Key(second)).Principal;
        var decision = await new ServerForwardingPolicy(login.Config, login.Users)
            .DecideAsync(new ForwardingRequest(principal, ForwardingKind.DirectTcp, "h", 1, null), CancellationToken.None);
        Assert.Equal((allowed, allowed ? null : "a certificate without permit-port-forwarding"), (decision.Allowed, decision.Rule));
    }
}
