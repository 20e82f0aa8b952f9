using System.Globalization;
using Adit.Server.Configuration;
using Adit.Server.Policy;
using Adit.Server.Tests.Support;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Policy;

/// <summary>INVARIANTS 23: what changes while somebody is logged in counts for them.</summary>
public sealed class LoginReviewTests : IDisposable
{
    private readonly PublicKey _key = Login.NewKey();
    private readonly ManualClock _clock = new();
    private readonly Login _login;

    public LoginReviewTests() => _login = new Login { Clock = _clock };

    public void Dispose() => _login.Dispose();

    private async Task<SshPrincipal> LogInAsync(PublicKey key) => Assert.IsType<Accepted>(await _login.Key(key)).Principal;

    /// <summary>Null when it may connect to db:5432, else the rule against it.</summary>
    private async Task<string?> RuleAsync(SshPrincipal principal)
    {
        var policy = new ServerForwardingPolicy(_login.Live, _login.Users, _clock);
        var decision = await policy.DecideAsync(new ForwardingRequest(principal, ForwardingKind.DirectTcp, "db", 5432, null), CancellationToken.None);
        Assert.Equal(decision.Allowed, decision.Rule is null);
        return decision.Rule;
    }

    [Fact]
    public async Task A_key_that_is_removed_counts_no_more_within_a_second()
    {
        _login.Authorize(_key.ToText());
        var principal = await LogInAsync(_key);
        Assert.Null(await RuleAsync(principal));
        _login.Authorize(Login.NewKey().ToText());
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal($"the key {_key} lets alice in no more", await RuleAsync(principal));

        _login.Authorize("", _key.ToText()); // and it may come back
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await RuleAsync(principal));
    }

    [Fact]
    public async Task Options_that_change_count_for_who_is_logged_in()
    {
        var file = _login.Authorize(_key.ToText());
        var principal = await LogInAsync(_key);
        _login.Authorize($"permitopen=\"web:80\" {_key.ToText()}");
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal($"permitopen web:80 in {file}:1", await RuleAsync(principal));
        File.Delete(file);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await RuleAsync(principal));
    }

    [Fact]
    public async Task Files_that_do_not_change_are_not_read_again()
    {
        _login.Authorize(_key.ToText());
        var principal = await LogInAsync(_key);
        var before = _login.Log.Lines.Count;
        for (var i = 0; i < 5; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(2));
            Assert.Null(await RuleAsync(principal));
        }

        Assert.Equal(before, _login.Log.Lines.Count);
    }

    [Theory]
    [InlineData("AllowTcpForwarding no", "AllowTcpForwarding no")]
    [InlineData("PermitOpen web:80", "PermitOpen web:80")]
    [InlineData("Match User alice\nDisableForwarding yes", "DisableForwarding yes")]
    [InlineData("Match Address 10.0.0.0/8\nPermitOpen none", "PermitOpen none")]
    [InlineData("Match Address 192.0.2.0/24\nPermitOpen none", null)]
    [InlineData("DenyUsers alice", "User alice from 10.0.0.7 not allowed because listed in DenyUsers")]
    [InlineData("AuthorizedKeysFile none", "the key {0} lets alice in no more")]
    [InlineData("AllowTcpForwarding yes", null)]
    public async Task A_configuration_counts_at_once(string config, string? rule)
    {
        _login.Authorize(_key.ToText());
        var principal = await LogInAsync(_key);
        Assert.Null(await RuleAsync(principal));
        _login.Live.Replace(SshdConfig.Parse(config));
        Assert.Equal(rule is null ? null : string.Format(CultureInfo.InvariantCulture, rule, _key), await RuleAsync(principal));
        _login.Live.Replace(SshdConfig.Default);
        Assert.Null(await RuleAsync(principal));
    }

    [Fact]
    public async Task An_account_that_is_gone_has_no_rights()
    {
        _login.Authorize(_key.ToText());
        var principal = await LogInAsync(_key);
        _login.Users.Accounts.Remove("alice");
        _login.Live.Replace(SshdConfig.Parse(""));
        Assert.Equal("the account alice is gone", await RuleAsync(principal));
    }

    [Fact]
    public async Task Expiry_ends_rights_during_a_session()
    {
        var end = _clock.GetUtcNow().AddMinutes(1);
        var file = _login.Authorize($"expiry-time=\"{end.UtcDateTime.ToString("yyyyMMddHHmmss'Z'", CultureInfo.InvariantCulture)}\" {_key.ToText()}");
        var principal = await LogInAsync(_key);
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Null(await RuleAsync(principal));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal($"expiry-time {end.ToLocalTime():yyyy-MM-dd'T'HH:mm:ss} in {file}:1", await RuleAsync(principal));
    }

    [FactNeeding(Need.SshKeygen)]
    public async Task A_certificates_end_ends_rights_during_a_session()
    {
        using var authority = new Authority();
        var certificate = authority.Issue("-n alice -V 20251231000000Z:20260101000100Z");
        _login.Live.Replace(SshdConfig.Parse(authority.Trust));
        var principal = await LogInAsync(certificate);
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Null(await RuleAsync(principal));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("the certificate has expired", await RuleAsync(principal));
    }

    [FactNeeding(Need.SshKeygen)]
    public async Task An_authority_that_is_trusted_no_more_takes_its_certificates_along()
    {
        using var authority = new Authority();
        var certificate = authority.Issue("-n alice -V always:forever");
        _login.Live.Replace(SshdConfig.Parse(authority.Trust));
        var principal = await LogInAsync(certificate);
        Assert.Null(await RuleAsync(principal));
        File.WriteAllText(authority.Trust.Split(' ')[1].Trim(), "");
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.StartsWith("the key ED25519-CERT ", await RuleAsync(principal), StringComparison.Ordinal);
    }
}
