using System.Text.RegularExpressions;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.X11;

namespace Adit.Interop.Tests.Sessions;

/// <summary>~/.ssh/rc runs when it does with real sshd, with the same environment and streams. ExposeAuthInfo's file is the same too.</summary>
[Collection(nameof(TemporaryUser.GetForPasswordsAsync))]
public class RcTests
{
    public static TheoryData<string, string, string, string, bool> Cases => new()
    {
        // configuration, the key's options, options of ssh, command, whether the file runs
        { "", "", "", "echo main", true },
        { "", "", "-tt", "echo main; tty | cut -c1-8", true },
        { "", "", "", "exit 7", true },
        { "PermitUserRC no", "", "", "echo main", false },
        { "", "no-user-rc", "", "echo main", false },
        { "", "restrict", "-T", "echo main", false },
        { "", "restrict,user-rc", "-T", "echo main", true },
        { "", "command=\"echo forced\"", "", "echo main", true },
        { "ForceCommand echo forced", "", "", "echo main", false },
        { "Subsystem hello /bin/echo hello", "", "-s", "hello", false },
        { "DisableForwarding yes", "", "", "echo main", true },
        { "ChrootDirectory /", "", "", "echo main", true },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public Task TheUsersFileRunsAheadOfTheProgramWhereItMay(string configuration, string keyOptions, string options, string command, bool expected) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await UserAsync(keyOptions);
        string[] lines = [configuration.Length == 0 ? "#" : configuration, "AuthorizedKeysFile .ssh/keys"];
        (ProcessResult theirs, ProcessResult ours) = await lab.SameAtBothAsync(kind => lab.StartServerAsync(kind, new ServerOptions { Lines = lines }), user, options, command);
        Assert.Equal(expected, ours.Output.Contains("rc of", StringComparison.Ordinal));
        Assert.Equal(theirs.Errors, ours.Errors);
    });

    [Fact]
    public Task ExposeAuthInfoTellsWhatSshdTellsAndGoesWithTheConnection() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await UserAsync("");
        Task<Server> StartAsync(Peer kind) => lab.StartServerAsync(kind, new ServerOptions { Lines = ["ExposeAuthInfo yes", "PermitUserRC no", "AuthorizedKeysFile .ssh/keys"] });
        (_, ProcessResult ours) = await lab.SameAtBothAsync(StartAsync, user, "", "cat $SSH_USER_AUTH; stat -c '%U %G %a' $SSH_USER_AUTH; echo ${SSH_USER_AUTH%.*}");
        Assert.StartsWith("publickey ssh-ed25519 AAAA", ours.Output, StringComparison.Ordinal);

        string path = (await lab.SshAsync(await StartAsync(Peer.Adit), "echo $SSH_USER_AUTH", user.Name)).Output.Trim();
        Assert.StartsWith("/tmp/sshauth.", path, StringComparison.Ordinal);
        await Until.TrueAsync(() => !File.Exists(path), lab.Deadline);
    });

    // With X11 a file gets the cookie, and whether it comes into ~/.Xauthority is the file's business.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task AnRcFileIsToldTheCookieInPlaceOfXauth(Peer kind) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await UserAsync("");
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, kind, user: user.Name);
        ProcessResult result = await x11.RunAsync("echo main; xauth -n list 2>&1");
        Match told = Regex.Match(result.Output, "^rc of .* reads 'MIT-MAGIC-COOKIE-1 ([0-9a-f]{32})' 0 ", RegexOptions.Multiline);
        Assert.True(told.Success, result.ToString());
        Assert.Single(Regex.Matches(result.Output, told.Groups[1].Value));
    });

    // A link in the user's home to what only root's groups may read shows nothing; what only the user's own further groups may read does.
    [Theory]
    [InlineData("4242", false)]
    [InlineData("60", true)] // games, which the user is put into
    public Task AUsersFileIsReadWithTheUsersGroupsAndNotRoots(string group, bool expected) => Lab.RunAsync(async lab =>
    {
        Need.Tools("setpriv", "usermod");
        TemporaryUser user = await UserAsync("");
        await lab.MustAsync(Machine.Tool("usermod"), "-aG", "games", user.Name);
        string file = Path.Combine(Path.GetDirectoryName(user.Home)!, $"adit-test-{Guid.NewGuid():N}");
        string link = Path.Combine(user.Home, ".ssh", "environment");
        try
        {
            await File.WriteAllTextAsync(file, "SECRET=told\n");
            await lab.MustAsync(Machine.Tool("chown"), "0:" + group, file);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            File.Delete(link);
            File.CreateSymbolicLink(link, file);
            Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions
            {
                Lines = ["PermitUserEnvironment yes", "PermitUserRC no", "AuthorizedKeysFile .ssh/keys"],
                Prefix = [Machine.Tool("setpriv"), "--groups", "0,4242"],
            });
            Assert.Equal(expected ? "told\n" : "\n", (await lab.SshAsync(server, "echo $SECRET", user.Name)).Output);
        }
        finally
        {
            File.Delete(link);
            File.Delete(file);
        }
    });

    private static async Task<TemporaryUser> UserAsync(string keyOptions)
    {
        TemporaryUser user = await TemporaryUser.GetForPasswordsAsync();
        KeyPair key = await Keys.UserAsync();
        await user.AuthorizeAsync(key);
        string folder = Path.Combine(user.Home, ".ssh");
        await File.WriteAllTextAsync(Path.Combine(folder, "rc"), "echo \"rc of $USER in $PWD reads '$(cat)' $# $0\"\necho complains >&2\ntest -t 1 && echo on a terminal\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "keys"), $"{keyOptions} {key.PublicLine}\n".TrimStart());
        foreach (string name in new[] { "rc", "keys" })
        {
            File.SetUnixFileMode(Path.Combine(folder, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }

        return user;
    }
}
