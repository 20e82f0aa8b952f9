using System.Globalization;
using Adit.Server.Tests.Support;
using Adit.Server.Users;

namespace Adit.Server.Tests.Users;

public class SystemUsersTests
{
    private readonly SystemUsers _users = new();

    [Fact]
    public void Finds_root_and_nobody_else_by_impossible_names()
    {
        var root = _users.Find("root")!;
        Assert.Equal((0u, 0u, "/root"), (root.Uid, root.Gid, root.HomeDirectory));
        Assert.Equal("root", _users.Find(0u)!.Name);
        Assert.Contains("root", _users.GroupNames(root));
        foreach (var name in (string[])["", "no-such-user-here", "root\0", "root\n", new string('x', 100_000), "ro:ot"])
        {
            Assert.Null(_users.Find(name));
        }
    }

    [Fact]
    public void Sees_the_user_it_runs_as() => Assert.Equal(Environment.UserName, _users.Find(_users.ProcessUid)!.Name);

    /// <summary>A real account, its password and its lock.</summary>
    [FactNeeding(Need.Root, Need.UserAdd, Need.LibCrypt)]
    public void Checks_a_real_accounts_password()
    {
        var name = "adit" + Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        Commands.Run("/usr/sbin/useradd", "-M", "-d", "/nonexistent", "-s", "/bin/sh", "-G", "nogroup", name);
        try
        {
            var account = _users.Find(name)!;
            Assert.Equal([name, "nogroup"], _users.GroupNames(account));
            Assert.Equal(name, _users.Find(account.Uid)!.Name);

            var passwords = new SystemPasswords(_users);
            Assert.True(passwords.IsPossible);
            Assert.False(passwords.Verify(account, "", permitEmpty: true)); // "!" until a password is set
            var (code, _, error) = Commands.TryRun("/usr/sbin/chpasswd", $"{name}:pässword 1\n");
            Assert.True(code == 0, error);
            Assert.True(passwords.Verify(account, "pässword 1", permitEmpty: false));
            Assert.False(passwords.Verify(account, "pässword 2", permitEmpty: false));

            Commands.Run("/usr/sbin/usermod", "-L", "-e", "1", name);
            Assert.False(passwords.Verify(account, "pässword 1", permitEmpty: false));
            var shadow = _users.FindShadow(account)!;
            Assert.StartsWith("!$", shadow.Hash);
            Assert.InRange(shadow.ExpireDay, 0, 1);

            Commands.Run("/usr/bin/passwd", "-d", name);
            Assert.True(passwords.Verify(account, "", permitEmpty: true));
            Assert.False(passwords.Verify(account, "", permitEmpty: false));
        }
        finally
        {
            Commands.TryRun("/usr/sbin/userdel", null, name);
        }
    }
}
