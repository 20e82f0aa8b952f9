using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh.Keys;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public class AccountRulesTests
{
    private readonly PublicKey _key = Login.NewKey();

    [Theory]
    [InlineData("AllowUsers alice", null)]
    [InlineData("AllowUsers bob", "User alice from 10.0.0.7 not allowed because not listed in AllowUsers")]
    [InlineData("AllowUsers alice@10.0.0.0/8", null)]
    [InlineData("AllowUsers alice@192.168.*", "User alice from 10.0.0.7 not allowed because not listed in AllowUsers")]
    [InlineData("AllowUsers alice@*,!10.0.0.7", "User alice from 10.0.0.7 not allowed because not listed in AllowUsers")]
    [InlineData("DenyUsers a*\nAllowUsers alice", "User alice from 10.0.0.7 not allowed because listed in DenyUsers")]
    [InlineData("AllowGroups staff wheel", null)]
    [InlineData("AllowGroups staff", "User alice from 10.0.0.7 not allowed because none of user's groups are listed in AllowGroups")]
    [InlineData("DenyGroups wh??l\nAllowGroups wheel", "User alice from 10.0.0.7 not allowed because a group is listed in DenyGroups")]
    [InlineData("AllowUsers alice\nMatch Address 10.0.0.7\nAllowUsers nobody", "User alice from 10.0.0.7 not allowed because not listed in AllowUsers")]
    public Task Lists(string config, string? refusal) => Check(config, refusal, _ => { });

    [Theory]
    [InlineData(100, 101, null)]
    [InlineData(100, -1, null)]
    [InlineData(100, 100, "Account alice has expired")]
    [InlineData(100, 0, "Account alice has expired")]
    public Task Expiry(int today, int expires, string? refusal) =>
        Check("", refusal, login => login.Users.Shadow["alice"] = new ShadowEntry("*", ExpireDay: expires), today);

    [Theory]
    [InlineData("UsePAM no", "User alice not allowed because account is locked")]
    [InlineData("UsePAM yes", null)]
    public Task A_locked_password_locks_the_account_only_without_pam(string config, string? refusal) =>
        Check(config, refusal, login => login.Users.Shadow["alice"] = new ShadowEntry("!$6$x$y"));

    [Theory]
    [InlineData("UsePAM yes", 0, -1, 5)]
    [InlineData("UsePAM yes", 50, 40, -1)]
    [InlineData("UsePAM no", 50, 40, -1)]
    public Task Ages_are_for_pam_to_judge_and_bar_no_key_without_it(string config, int changed, int maximum, int expires) =>
        Check(config, null, login => login.Users.Shadow["alice"] = new ShadowEntry("*", LastChange: changed, MaximumAge: maximum, ExpireDay: expires), today: 100);

    [Fact]
    public async Task A_shell_must_exist()
    {
        await Check("", "User alice not allowed because shell /nonexistent/sh does not exist",
            login => login.Users.Accounts["alice"] = login.Alice with { Shell = "/nonexistent/sh" });
        await Check("", "User alice not allowed because shell /etc/passwd is not executable",
            login => login.Users.Accounts["alice"] = login.Alice with { Shell = "/etc/passwd" });
        await Check("", null, login => login.Users.Accounts["alice"] = login.Alice with { Shell = "" });
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task An_aged_password_does_not_log_in_with_itself()
    {
        using var login = new Login { Clock = new Day(100) };
        login.Users.ProcessUid = 0;
        login.Users.Shadow["alice"] = new ShadowEntry(LibCrypt.Hash("secret"u8, "$6$abcdefgh$")!, LastChange: 50, MaximumAge: 40);
        Assert.IsType<Denied>(await login.Password("secret"));
        Assert.Contains("User alice password has expired (password aged)", login.Log.Lines);
    }

    // INVARIANTS 28: what the client sent cannot steer the terminal that shows the log.
    [Fact]
    public async Task Names_are_escaped_in_the_log()
    {
        using var login = new Login("AllowUsers nobody");
        login.Users.Accounts["al\u001b[31mice"] = login.Alice with { Name = "al\u001b[31mice" };
        await login.Key(_key, user: "al\u001b[31mice");
        Assert.Contains(login.Log.Lines, line => line.StartsWith("User al\\033[31mice from", StringComparison.Ordinal));
    }

    private async Task Check(string config, string? refusal, Action<Login> arrange, int today = 20000)
    {
        using var login = new Login(config) { Clock = new Day(today) };
        login.Users.Groups["alice"] = ["users", "wheel"];
        login.Authorize(_key.ToText());
        arrange(login);
        var decision = await login.Key(_key);
        Assert.Equal(refusal is null, decision is Accepted);
        if (refusal is not null)
        {
            Assert.Single(login.Log.Lines, line => line == refusal);
            await login.Key(_key);
            Assert.Single(login.Log.Lines, line => line == refusal); // said once per connection
        }
    }

    private sealed class Day(int number) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddDays(number).AddHours(12);
    }
}
