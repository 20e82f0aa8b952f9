using System.Diagnostics;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using static Adit.Ssh.Authentication.AuthenticationDecision;

namespace Adit.Server.Tests.Authentication;

public class PasswordTests
{
    private static Login WithPassword(string config = "", string hash = "$6$abcdefgh$", string password = "secret")
    {
        var login = new Login(config);
        login.Users.ProcessUid = 0;
        login.Users.Shadow["alice"] = new ShadowEntry(password.Length == 0 ? "" : LibCrypt.Hash(System.Text.Encoding.UTF8.GetBytes(password), hash)!);
        return login;
    }

    [TheoryNeeding(Need.LibCrypt)]
    [InlineData("$6$abcdefgh$")]
    [InlineData("$5$abcdefgh$")]
    [InlineData("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$")]
    public async Task The_right_password_lets_in(string kind)
    {
        using var login = WithPassword(hash: kind, password: "sécret");
        Assert.Equal("password", Assert.IsType<Accepted>(await login.Password("sécret")).Principal.Method);
        Assert.IsType<Accepted>(await login.Interactive("sécret"));
        foreach (var wrong in (string[])["secret", "", "sécret\0", "sécret ", new string('x', 5000)])
        {
            Assert.IsType<Denied>(await login.Password(wrong));
            Assert.IsType<Denied>(await login.Interactive(wrong));
        }
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task Locked_and_foreign_hashes_fit_no_password()
    {
        using var login = WithPassword();
        var hash = login.Users.Shadow["alice"].Hash;
        foreach (var locked in (string[])["!" + hash, "*", "!", "x", "$nonsense$", "*0", hash[..^1]])
        {
            login.Users.Shadow["alice"] = new ShadowEntry(locked);
            Assert.IsType<Denied>(await login.Password("secret"));
            Assert.IsType<Denied>(await login.Password(""));
        }
    }

    [TheoryNeeding(Need.LibCrypt)]
    [InlineData("", false)]
    [InlineData("PermitEmptyPasswords yes", true)]
    public async Task Empty_passwords(string config, bool allowed)
    {
        using var login = WithPassword(config, password: "");
        Assert.Equal(allowed, await login.Password("") is Accepted);
        Assert.Equal(allowed, await login.None() is Accepted);
        Assert.IsType<Denied>(await login.Password("x"));
    }

    [FactNeeding(Need.LibCrypt)]
    public async Task None_tells_the_methods_and_lets_nobody_in()
    {
        using var login = WithPassword("PermitEmptyPasswords yes");
        Assert.Equal(["publickey", "password", "keyboard-interactive"], Assert.IsType<Denied>(await login.None()).Methods);
        using var fewer = WithPassword("PasswordAuthentication no\nKbdInteractiveAuthentication no");
        Assert.Equal(["publickey"], Assert.IsType<Denied>(await fewer.None()).Methods);
        Assert.IsType<Denied>(await fewer.Password("secret"));
        Assert.IsType<Denied>(await fewer.Interactive("secret"));
    }

    [TheoryNeeding(Need.LibCrypt)]
    [InlineData("", false)]
    [InlineData("PermitRootLogin yes", true)]
    public async Task Root_needs_permission_for_a_password(string config, bool allowed)
    {
        using var login = WithPassword(config);
        login.Users.Shadow["root"] = login.Users.Shadow["alice"];
        Assert.Equal(allowed, await login.Password("secret", "root") is Accepted);
        Assert.Equal(allowed, await login.Interactive("secret", "root") is Accepted);
        Assert.IsType<Denied>(await login.Password("wrong", "root"));
        Assert.Equal(!allowed, login.Log.Lines.Contains("ROOT LOGIN REFUSED FROM 10.0.0.7 port 50000"));
    }

    // INVARIANTS 8: hashing is paid for whether or not there is somebody to let in.
    [FactNeeding(Need.LibCrypt)]
    public void An_unknown_user_costs_what_a_known_one_costs()
    {
        using var login = WithPassword(hash: "$6$rounds=200000$abcdefgh$");
        login.Users.Shadow["root"] = login.Users.Shadow["alice"];
        var passwords = new SystemPasswords(login.Users);
        passwords.Verify(null, "warm-up", false);
        var known = Time(() => Assert.False(passwords.Verify(login.Alice, "wrong", false)));
        var unknown = Time(() => Assert.False(passwords.Verify(null, "wrong", false)));
        var empty = Time(() => Assert.False(passwords.Verify(login.Alice, "", false)));
        login.Users.Shadow["alice"] = new ShadowEntry("!");
        var locked = Time(() => Assert.False(passwords.Verify(login.Alice, "wrong", false)));
        Assert.All([unknown, empty, locked], time => Assert.True(time > known / 4, $"{time} against {known}"));

        // The least of a few: what others do on this machine only ever adds to it.
        static TimeSpan Time(Action action) => Enumerable.Range(0, 3).Min(_ =>
        {
            var watch = Stopwatch.StartNew();
            action();
            return watch.Elapsed;
        });
    }
}
