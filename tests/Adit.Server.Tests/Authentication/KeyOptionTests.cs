using System.Globalization;
using Adit.Server.Authentication;
using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

/// <summary>The options in front of a key in authorized_keys (sshd(8)): who may use the key, and what it then gives.</summary>
public class KeyOptionTests
{
    private readonly PublicKey _key = Login.NewKey();

    private static LoginGrant Grant(AuthenticationDecision decision) => Assert.IsType<ServerLogin>(Assert.IsType<Accepted>(decision).Principal.State).Grant;

    private static string Denied(LoginRights rights) => string.Join(' ', Enum.GetValues<LoginRight>().Where(right => rights.RuleAgainst(right) is not null));

    // Applied from left to right: what comes last counts.
    [Theory]
    [InlineData("restrict", "PortForwarding AgentForwarding X11Forwarding Pty UserRc Tunnel")]
    [InlineData("restrict,pty,Port-Forwarding", "AgentForwarding X11Forwarding UserRc Tunnel")]
    [InlineData("pty,restrict", "PortForwarding AgentForwarding X11Forwarding Pty UserRc Tunnel")]
    [InlineData("restrict,agent-forwarding,X11-forwarding,user-rc", "PortForwarding Pty Tunnel")]
    [InlineData("no-port-forwarding", "PortForwarding")]
    [InlineData("no-agent-forwarding,no-X11-forwarding", "AgentForwarding X11Forwarding")]
    [InlineData("NO-PTY,no-user-rc", "Pty UserRc")]
    [InlineData("no-pty,pty", "")]
    [InlineData("command=\"true\"", "")]
    public async Task Flags(string options, string denied)
    {
        using var login = new Login();
        login.Authorize($"{options} {_key.ToText()}");
        Assert.Equal(denied, Denied(Grant(await login.Key(_key)).Rights));
    }

    [Fact]
    public async Task What_denies_is_named_with_its_place()
    {
        using var login = new Login();
        var file = login.Authorize("# first", $"no-pty,no-agent-forwarding {_key.ToText()}");
        var accepted = Assert.IsType<Accepted>(await login.Key(_key));
        Assert.Equal($"no-pty in {file}:2", Grant(accepted).Rights.RuleAgainst(LoginRight.Pty));
        Assert.Equal([$"{file}:2: key options: port-forwarding user-rc x11-forwarding"], accepted.Principal.Notices);

        login.Authorize($"restrict {_key.ToText()}");
        Assert.Equal($"restrict in {file}:1", Grant(await login.Key(_key)).Rights.RuleAgainst(LoginRight.PortForwarding));
    }

    [Fact]
    public async Task Command_tunnel_and_environment()
    {
        using var login = new Login("PermitUserEnvironment LC_*,A");
        login.Authorize($"command=\"echo \\\"hi\\\", you\",tunnel=\"3\",environment=\"LC_ALL=C\",environment=\"B=1\",environment=\"A=1\",environment=\"A=2\" {_key.ToText()}");
        var grant = Grant(await login.Key(_key));
        Assert.Equal("echo \"hi\", you", grant.ForcedCommand?.Command);
        Assert.Equal(3, grant.Rights.TunnelDevice);
        Assert.Equal(["LC_ALL=C", "A=1"], grant.Rights.Environment.Select(variable => $"{variable.Key}={variable.Value}"));

        using var closed = new Login("ForceCommand /bin/false");
        closed.Authorize($"environment=\"A=1\",command=\"true\" {_key.ToText()}");
        Assert.Empty(Grant(await closed.Key(_key)).Rights.Environment);
        Assert.Equal("/bin/false", Grant(await closed.Key(_key)).ForcedCommand?.Command); // the server's goes before the key's
    }

    [Theory]
    [InlineData("10.0.0.7", true)]
    [InlineData("10.0.0.0/8", true)]
    [InlineData("10.0.0.*,!10.0.0.7", false)]
    [InlineData("!10.0.0.7", false)]
    [InlineData("192.168.0.0/16,10.0.0.?", true)]
    [InlineData("*.example.org", false)]
    [InlineData("::/0", false)]
    public async Task From(string from, bool allowed)
    {
        using var login = new Login();
        var file = login.Authorize($"from=\"{from}\" {_key.ToText()}");
        Assert.Equal(allowed, await login.Key(_key) is Accepted);
        Assert.Equal(!allowed, login.Log.Lines.Contains(
            $"{file}:1: Authentication tried for alice with correct key but not from a permitted host (host=10.0.0.7, ip=10.0.0.7, required={from})."));
    }

    [Fact]
    public async Task A_peer_without_an_address_matches_no_network()
    {
        using var login = new Login { Peer = new AuthenticationPeer("UNKNOWN", 65535, "UNKNOWN", 65535, "SSH-2.0-test", 1) };
        login.Authorize($"from=\"0.0.0.0/0,::/0\" {_key.ToText()}");
        Assert.IsType<Denied>(await login.Key(_key));
        login.Authorize($"from=\"UNK*\" {_key.ToText()}");
        Assert.IsType<Accepted>(await login.Key(_key));
    }

    // The search goes on behind a line that has the key but may not be used now; the first that may decides.
    [Fact]
    public async Task The_first_line_that_accepts_decides()
    {
        using var login = new Login("AuthorizedKeysFile .ssh/first .ssh/second");
        var first = login.Write(".ssh/first", $"from=\"192.0.2.1\" {_key.ToText()}", $"expiry-time=\"20200101\" {_key.ToText()}", $"no-such-option {_key.ToText()}");
        login.Write(".ssh/second", $"no-pty {_key.ToText()}", _key.ToText());
        var accepted = Assert.IsType<Accepted>(await login.Key(_key));
        Assert.Equal("Pty", Denied(Grant(accepted).Rights));
        Assert.Contains($"{first}:1: Your host '10.0.0.7' is not permitted to use this key for login.", accepted.Principal.Notices);
        Assert.Contains(accepted.Principal.Notices, note => note.StartsWith($"{first}:2: entry expired at 2020-01-01T00:00:00", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Expiry_counts_from_its_second_on_and_the_earliest_wins()
    {
        var clock = new ManualClock();
        using var login = new Login { Clock = clock };
        string At(double seconds) => clock.GetUtcNow().AddSeconds(seconds).UtcDateTime.ToString("yyyyMMddHHmmss'Z'", CultureInfo.InvariantCulture);
        login.Authorize($"expiry-time=\"{At(60)}\",expiry-time=\"{At(30)}\" {_key.ToText()}");
        Assert.IsType<Accepted>(await login.Key(_key));
        clock.Advance(TimeSpan.FromSeconds(31));
        Assert.IsType<Denied>(await login.Key(_key));
    }

    // The key of an authority signs; it opens nothing itself.
    [Fact]
    public async Task An_authority_does_not_log_in()
    {
        using var login = new Login();
        login.Authorize($"cert-authority {_key.ToText()}");
        Assert.IsType<Denied>(await login.Key(_key));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("command=\"true\"", true)]
    public async Task Root_with_forced_commands_only(string options, bool allowed)
    {
        using var login = new Login("StrictModes no\nPermitRootLogin forced-commands-only");
        login.Users.ProcessUid = 0;
        login.Authorize($"{options} {_key.ToText()}");
        Assert.Equal(allowed, await login.Key(_key, user: "root") is Accepted);
    }

    // INVARIANTS 9: a chain has the rights that every one of its steps gives.
    [Fact]
    public async Task Every_step_of_a_chain_restricts()
    {
        var second = Login.NewKey();
        using var login = new Login("AuthenticationMethods publickey,publickey");
        login.Authorize($"no-pty,permitopen=\"*:80\" {_key.ToText()}", $"no-agent-forwarding,permitopen=\"db:*\" {second.ToText()}");
        Assert.IsType<Partial>(await login.Key(_key));
        var principal = Assert.IsType<Accepted>(await login.Key(second)).Principal;
        Assert.Equal("AgentForwarding Pty", Denied(((ServerLogin)principal.State!).Grant.Rights));
        var policy = new ServerForwardingPolicy(login.Live, login.Users);
        foreach (var (host, port, allowed) in new[] { ("db", 80, true), ("db", 81, false), ("h", 80, false) })
        {
            Assert.Equal(allowed, (await policy.DecideAsync(new ForwardingRequest(principal, ForwardingKind.DirectTcp, host, port, null), CancellationToken.None)).Allowed);
        }
    }

    [Fact]
    public async Task Steps_that_force_different_commands_do_not_lead_in()
    {
        var second = Login.NewKey();
        using var login = new Login("AuthenticationMethods publickey,publickey");
        login.Authorize($"command=\"a\" {_key.ToText()}", $"command=\"b\" {second.ToText()}");
        Assert.IsType<Partial>(await login.Key(_key));
        Assert.IsType<Denied>(await login.Key(second));
        Assert.Contains(login.Log.Errors, line => line.StartsWith("Inconsistent authentication options", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "", SecurityKeyDemands.Touch)]
    [InlineData("no-touch-required", "", SecurityKeyDemands.None)]
    [InlineData("verify-required", "", SecurityKeyDemands.Touch | SecurityKeyDemands.Verification)]
    [InlineData("no-touch-required", "PubkeyAuthOptions touch-required", SecurityKeyDemands.Touch)]
    [InlineData("no-touch-required", "PubkeyAuthOptions verify-required", SecurityKeyDemands.Verification)]
    public async Task What_a_security_key_must_state(string options, string config, SecurityKeyDemands demanded)
    {
        using var login = new Login(config);
        login.Authorize($"{options} {_key.ToText()}");
        Assert.Equal(demanded, (await login.Key(_key)).SecurityKey);
    }
}
