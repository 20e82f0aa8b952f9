using Adit.Server.Authentication;
using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Policy;

/// <summary>INVARIANTS 24: every way to restrict forwarding, against every kind of it. Each row logs in for real (key or certificate) and is asked about all kinds;
/// what is not listed as allowed must be denied. -L, -D and -W are all one request on the wire, and so are -R and its SOCKS form.</summary>
public sealed class ForwardingMatrixTests : IDisposable
{
    // L: connect to db:5432 (-L, -D, -W). l: connect to another host. R: listen on localhost:8080. r: listen on any free port. U: connect to a Unix socket. u: listen on one.
    private const string All = "L l R r U u";

    private static readonly Dictionary<string, (ForwardingKind Kind, string Host, int Port)> Kinds = new()
    {
        ["L"] = (ForwardingKind.DirectTcp, "db", 5432),
        ["l"] = (ForwardingKind.DirectTcp, "other", 80),
        ["R"] = (ForwardingKind.ListenTcp, "localhost", 8080),
        ["r"] = (ForwardingKind.ListenTcp, "", 0),
        ["U"] = (ForwardingKind.DirectStreamLocal, "/run/a", 0),
        ["u"] = (ForwardingKind.ListenStreamLocal, "/run/b", 0),
    };

    private readonly Authority _authority = new();

    public void Dispose() => _authority.Dispose();

    [Theory]
    [InlineData("", All)]
    [InlineData("DisableForwarding yes", "")]
    [InlineData("DisableForwarding yes\nGatewayPorts yes\nPermitOpen any\nPermitListen any", "")]
    [InlineData("AllowTcpForwarding all", All)]
    [InlineData("AllowTcpForwarding no", "")] // and no Unix sockets, as with OpenSSH
    [InlineData("AllowTcpForwarding local", "L l U")]
    [InlineData("AllowTcpForwarding remote", "R r u")]
    [InlineData("AllowTcpForwarding no\nAllowStreamLocalForwarding yes", "")]
    [InlineData("AllowStreamLocalForwarding no", "L l R r")]
    [InlineData("AllowStreamLocalForwarding local", "L l R r U")]
    [InlineData("AllowStreamLocalForwarding remote", "L l R r u")]
    [InlineData("AllowStreamLocalForwarding local\nAllowTcpForwarding remote", "R r")]
    [InlineData("PermitOpen none", "R r u")]
    [InlineData("PermitOpen db:5432", "L R r u")]
    [InlineData("PermitOpen *:80 db:*", "L l R r u")]
    [InlineData("PermitOpen *:*", All)]
    [InlineData("PermitListen none", "L l U u")]
    [InlineData("PermitListen localhost:8080", "L l R U u")]
    [InlineData("PermitListen *:*", All)]
    [InlineData("PermitListen none\nGatewayPorts yes", "L l U u")]
    [InlineData("PermitOpen none\nPermitListen none", "u")]
    [InlineData("Match User alice\nDisableForwarding yes", "")]
    [InlineData("Match User bob\nDisableForwarding yes", All)]
    [InlineData("AllowTcpForwarding no\nMatch User alice\nAllowTcpForwarding local\nPermitOpen db:5432", "L")]
    public async Task By_configuration(string config, string allowed)
    {
        using var login = new Login(config);
        var key = Login.NewKey();
        login.Authorize(key.ToText());
        await AssertAllowsAsync(login, await login.Key(key), allowed);
    }

    [Theory]
    [InlineData("restrict", "", "")]
    [InlineData("no-port-forwarding", "", "")]
    [InlineData("restrict,port-forwarding", "", All)]
    [InlineData("restrict,pty,agent-forwarding,X11-forwarding,user-rc", "", "")]
    [InlineData("port-forwarding,restrict", "", "")]
    [InlineData("permitopen=\"db:5432\"", "", "L R r u")] // a list of destinations has no sockets in it
    [InlineData("permitopen=\"db:*\",permitopen=\"*:80\"", "", "L l R r u")]
    [InlineData("permitopen=\"*:*\"", "", All)]
    [InlineData("permitopen=\"DB:5432\"", "", "R r u")]
    [InlineData("restrict,permitopen=\"db:5432\"", "", "")] // it does not turn forwarding on again
    [InlineData("restrict,port-forwarding,permitopen=\"db:5432\"", "", "L R r u")]
    [InlineData("no-port-forwarding,permitlisten=\"8080\"", "", "")]
    [InlineData("permitlisten=\"8080\"", "", "L l R U u")]
    [InlineData("permitlisten=\"localhost:8080\"", "", "L l R U u")]
    [InlineData("permitlisten=\"10.*:8080\"", "", "L l U u")]
    [InlineData("permitlisten=\"*:*\"", "", All)]
    [InlineData("restrict,permitlisten=\"8080\"", "", "")]
    [InlineData("command=\"true\"", "", All)] // a forced command forbids no forwarding
    [InlineData("restrict,port-forwarding,command=\"true\",permitopen=\"db:5432\",permitlisten=\"1\"", "", "L u")]
    [InlineData("permitopen=\"db:5432\"", "PermitOpen other:80", "R r u")] // both lists must have it
    [InlineData("permitopen=\"db:5432\"", "PermitOpen db:*", "L R r u")]
    [InlineData("permitopen=\"*:*\"", "PermitOpen none", "R r u")]
    [InlineData("permitlisten=\"8080\"", "PermitListen none", "L l U u")]
    [InlineData("permitlisten=\"*:*\"", "AllowTcpForwarding local", "L l U")]
    [InlineData("restrict,port-forwarding", "AllowTcpForwarding remote", "R r u")]
    [InlineData("restrict,port-forwarding,permitopen=\"*:*\"", "DisableForwarding yes", "")]
    public async Task By_key_option(string options, string config, string allowed)
    {
        using var login = new Login(config);
        var key = Login.NewKey();
        login.Authorize($"{options} {key.ToText()}");
        await AssertAllowsAsync(login, await login.Key(key), allowed);
    }

    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("-n alice", "", All)]
    [InlineData("-n alice -O no-port-forwarding", "", "")]
    [InlineData("-n alice -O clear", "", "")]
    [InlineData("-n alice -O clear -O permit-pty -O permit-agent-forwarding", "", "")]
    [InlineData("-n alice -O clear -O permit-port-forwarding", "", All)]
    [InlineData("-n alice -O force-command=true", "", All)]
    [InlineData("-n alice", "AllowTcpForwarding local\nPermitOpen db:5432", "L")]
    [InlineData("-n alice", "DisableForwarding yes", "")]
    public async Task By_certificate(string arguments, string config, string allowed)
    {
        var certificate = _authority.Issue(arguments);
        using var login = new Login(_authority.Trust + config);
        await AssertAllowsAsync(login, await login.Key(certificate), allowed);
    }

    [TheoryNeeding(Need.SshKeygen)]
    [InlineData("permitopen=\"db:5432\"", "-n alice", "L R r u")]
    [InlineData("permitopen=\"db:5432\"", "-n alice -O no-port-forwarding", "")]
    [InlineData("restrict", "-n alice", "")]
    [InlineData("restrict,port-forwarding,permitlisten=\"localhost:*\"", "-n alice", "L l R U u")]
    public async Task By_an_authoritys_line(string options, string arguments, string allowed)
    {
        var certificate = _authority.Issue(arguments);
        using var login = new Login();
        login.Authorize($"cert-authority,{options} {_authority.Line()}");
        await AssertAllowsAsync(login, await login.Key(certificate), allowed);
    }

    // INVARIANTS 9: a step that restricts does so whichever comes last.
    [Theory]
    [InlineData("restrict", "", "")]
    [InlineData("", "restrict", "")]
    [InlineData("permitopen=\"db:5432\"", "permitlisten=\"1\"", "L u")]
    [InlineData("permitopen=\"db:5432\"", "permitopen=\"other:80\"", "R r u")]
    public async Task By_two_keys(string first, string second, string allowed)
    {
        using var login = new Login("AuthenticationMethods publickey,publickey");
        var keys = (One: Login.NewKey(), Two: Login.NewKey());
        login.Authorize($"{first} {keys.One.ToText()}", $"{second} {keys.Two.ToText()}");
        Assert.IsType<Partial>(await login.Key(keys.One));
        await AssertAllowsAsync(login, await login.Key(keys.Two), allowed);
    }

    // X11, agents and tunnels are not offered; whoever offers them asks the same grant.
    [Theory]
    [InlineData("", "", "")]
    [InlineData("DisableForwarding yes", "", "PortForwarding AgentForwarding X11Forwarding Tunnel")] // OpenSSH CVE-2025-32728
    [InlineData("", "restrict", "PortForwarding AgentForwarding X11Forwarding Pty UserRc Tunnel")]
    [InlineData("", "no-X11-forwarding", "X11Forwarding")]
    [InlineData("DisableForwarding yes", "restrict,pty,X11-forwarding,agent-forwarding", "PortForwarding AgentForwarding X11Forwarding UserRc Tunnel")]
    public async Task Other_kinds(string config, string options, string denied)
    {
        using var login = new Login(config);
        var key = Login.NewKey();
        login.Authorize($"{options} {key.ToText()}");
        var grant = Assert.IsType<ServerLogin>(Assert.IsType<Accepted>(await login.Key(key)).Principal.State).Grant;
        Assert.Equal(denied, string.Join(' ', Enum.GetValues<LoginRight>().Where(right => grant.RuleAgainst(right, DateTimeOffset.UtcNow) is not null)));
    }

    private static async Task AssertAllowsAsync(Login login, AuthenticationDecision decision, string allowed)
    {
        var principal = Assert.IsType<Accepted>(decision).Principal;
        // Sockets are for the user that the process is; that rule has tests of its own.
        var policy = new ServerForwardingPolicy(login.Live, new FakeUsers { ProcessUid = login.Alice.Uid });
        var found = new List<string>();
        foreach (var (letter, (kind, host, port)) in Kinds)
        {
            var answer = await policy.DecideAsync(new ForwardingRequest(principal, kind, host, port, null), CancellationToken.None);
            Assert.Equal(answer.Allowed, answer.Rule is null); // who is refused is told why
            if (answer.Allowed)
            {
                found.Add(letter);
            }
        }

        Assert.Equal(allowed, string.Join(' ', found));
    }
}
