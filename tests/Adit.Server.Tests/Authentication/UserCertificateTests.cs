using Adit.Server.Authentication;
using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public sealed class UserCertificateTests : IDisposable
{
    private readonly Authority _authority = new();

    public void Dispose() => _authority.Dispose();

    private string Trust => _authority.Trust;

    private PublicKey Issue(string arguments, string authority = "ca") => _authority.Issue(arguments, authority);

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
    [InlineData("-n alice -O force-command=date", null)]
    [InlineData("-n alice -O verify-required", null)] // demanded of the signature, see below
    [InlineData("-n alice -O critical:x@example=1", "Certificate critical option \"x@example\" is not supported")]
    public async Task Only_a_certificate_that_says_so_lets_in(string arguments, string? fault)
    {
        var certificate = Issue(arguments);
        using var login = new Login(Trust);
        Assert.Equal(fault is null, await login.Key(certificate) is Accepted);
        Assert.Equal(fault is null ? [] : [fault], login.Log.Errors);
        if (fault is null)
        {
            await login.Key(certificate, verified: false); // what looks ahead of the signature logs
            Assert.Contains(login.Log.Lines, line => line.StartsWith("Accepted certificate ID \"id\\033[1m\" (serial 0) signed by ED25519 CA SHA256:", StringComparison.Ordinal));
        }
    }

    /// <summary>As sshd: once for the query, once for the signature, and not also for the look ahead of checking that.</summary>
    [FactNeeding(Need.SshKeygen)]
    public async Task A_certificate_is_logged_once_for_each_time_it_is_shown()
    {
        var certificate = Issue("-n alice");
        using var login = new Login(Trust);
        await login.Key(certificate, verified: false);
        await login.Key(certificate, verified: false);
        await login.Key(certificate);
        Assert.Equal(2, login.Log.Lines.Count(line => line.StartsWith("Accepted certificate ID", StringComparison.Ordinal)));
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
        login.Write(".ssh/principals", "# who", "from=\"192.0.2.1\" ops", "dev");
        Assert.IsType<Denied>(await login.Key(certificate));
        login.Write(".ssh/principals", "dev", "ops # shift");
        Assert.IsType<Accepted>(await login.Key(certificate));
    }

    // The line's options are read like those of a key; the first line with a principal of the certificate decides.
    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("from=\"10.0.0.0/8\" ops", true, "")]
    [InlineData("from=\"192.0.2.1\" ops", false, null)]
    [InlineData("from=\"192.0.2.1\" ops\nops", false, null)]
    [InlineData("dev\nno-pty,permitopen=\"db:5432\"\tops # shift", true, "Pty")]
    [InlineData("restrict,port-forwarding ops", true, "AgentForwarding X11Forwarding Pty UserRc Tunnel")]
    [InlineData("expiry-time=\"20200101\" ops", false, null)]
    [InlineData("no-such-option ops", false, null)]
    [InlineData("cert-authority ops", false, null)]
    [InlineData("command=\"other\" ops", false, null)] // the certificate forces "date"
    [InlineData("command=\"date\" ops", true, "")]
    [InlineData("ops alice", false, null)]
    [InlineData("", false, null)]
    public async Task Options_of_principals(string lines, bool allowed, string? denied)
    {
        var certificate = Issue("-n ops,alice -O force-command=date");
        using var login = new Login(Trust + "AuthorizedPrincipalsFile .ssh/principals");
        login.Write(".ssh/principals", lines.Split('\n'));
        var decision = await login.Key(certificate);
        Assert.Equal(allowed, decision is Accepted);
        if (decision is Accepted accepted)
        {
            var grant = Assert.IsType<ServerLogin>(accepted.Principal.State).Grant;
            Assert.Equal("date", grant.ForcedCommand?.Command);
            Assert.Equal(denied, string.Join(' ', Enum.GetValues<LoginRight>().Where(right => grant.Rights.RuleAgainst(right) is not null)));
        }
    }

    // An authority of the user's own: the certificate is for the login name, or for one of the principals that the line names.
    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("cert-authority", "-n alice", true)]
    [InlineData("cert-authority", "-n bob", false)]
    [InlineData("cert-authority", "", false)] // INVARIANTS 11: no principals, nobody
    [InlineData("cert-authority,principals=\"ops,dev\"", "-n dev", true)]
    [InlineData("cert-authority,principals=\"ops,dev\"", "-n alice", false)]
    [InlineData("cert-authority,principals=\"ops\"", "", false)]
    [InlineData("cert-authority,principals=\"*\"", "-n dev", false)]
    [InlineData("principals=\"alice\"", "-n alice", false)]
    [InlineData("", "-n alice", false)]
    [InlineData("cert-authority,from=\"192.0.2.1\"", "-n alice", false)]
    [InlineData("cert-authority,expiry-time=\"20200101\"", "-n alice", false)]
    [InlineData("cert-authority,command=\"a\"", "-n alice -O force-command=b", false)]
    [InlineData("cert-authority,command=\"a\"", "-n alice -O force-command=a", true)]
    [InlineData("cert-authority,from=\"10.0.0.0/8\"", "-n alice -O source-address=192.0.2.0/24", false)] // both must allow it
    [InlineData("cert-authority", "-n alice -h", false)]
    [InlineData("cert-authority", "-n alice -O critical:x@example=1", false)]
    public async Task An_authority_in_authorized_keys(string options, string arguments, bool allowed)
    {
        var certificate = Issue(arguments);
        using var login = new Login();
        login.Authorize($"{options} {_authority.Line()}");
        Assert.Equal(allowed, await login.Key(certificate) is Accepted);
        Assert.IsType<Denied>(await login.Key(certificate.PlainKey)); // the key alone was never let in
    }

    // A certificate gives what it lists, and of that only what the line gives too.
    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("", "-n alice", "")]
    [InlineData("", "-n alice -O clear", "PortForwarding AgentForwarding X11Forwarding Pty UserRc")]
    [InlineData("", "-n alice -O clear -O permit-pty -O permit-port-forwarding", "AgentForwarding X11Forwarding UserRc")]
    [InlineData("", "-n alice -O no-x11-forwarding -O no-user-rc -O no-agent-forwarding", "AgentForwarding X11Forwarding UserRc")]
    [InlineData(",no-pty", "-n alice -O no-port-forwarding", "PortForwarding Pty")]
    [InlineData(",restrict", "-n alice", "PortForwarding AgentForwarding X11Forwarding Pty UserRc Tunnel")]
    public async Task Rights(string options, string arguments, string denied)
    {
        var certificate = Issue(arguments);
        using var login = new Login();
        login.Authorize($"cert-authority{options} {_authority.Line()}");
        var rights = Assert.IsType<ServerLogin>(Assert.IsType<Accepted>(await login.Key(certificate)).Principal.State).Grant.Rights;
        Assert.Equal(denied, string.Join(' ', Enum.GetValues<LoginRight>().Where(right => rights.RuleAgainst(right) is not null)));
    }

    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("", "-n alice", SecurityKeyDemands.Touch)]
    [InlineData("", "-n alice -O verify-required", SecurityKeyDemands.Touch | SecurityKeyDemands.Verification)]
    [InlineData("", "-n alice -O no-touch-required", SecurityKeyDemands.Touch)] // both must waive it
    [InlineData(",no-touch-required", "-n alice", SecurityKeyDemands.Touch)]
    [InlineData(",no-touch-required", "-n alice -O no-touch-required", SecurityKeyDemands.None)]
    public async Task What_a_security_key_must_state(string options, string arguments, SecurityKeyDemands demanded)
    {
        var certificate = Issue(arguments);
        using var login = new Login();
        login.Authorize($"cert-authority{options} {_authority.Line()}");
        Assert.Equal(demanded, (await login.Key(certificate)).SecurityKey);
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
        var decision = await new ServerForwardingPolicy(login.Live, login.Users)
            .DecideAsync(new ForwardingRequest(principal, ForwardingKind.DirectTcp, "h", 1, null), CancellationToken.None);
        Assert.Equal((allowed, allowed ? null : "a certificate without permit-port-forwarding"), (decision.Allowed, decision.Rule));
    }
}
