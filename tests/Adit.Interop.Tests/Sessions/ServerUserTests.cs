using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>Our server as root, with ordinary users: what they get is what real sshd gives them, and nothing of root's.</summary>
public class ServerUserTests
{
    private const string Environment = "env | grep -v '^SSH_C' | sort";

    private static readonly string[] Base = ["AuthorizedKeysFile .ssh/authorized_keys", "AcceptEnv LANG LC_*", "SetEnv ADMIN=yes", "Subsystem sftp internal-sftp", "Subsystem hello /bin/echo hello there"];

    public static TheoryData<string, string, string> Cases => new()
    {
        // configuration, options of ssh, command
        { "", "", Environment },
        { "", "-tt", Environment + " | grep -v SSH_TTY" },
        { "", "", "id; umask; pwd; ulimit -n; grep -E '^(Groups|Cap|Sig|NoNewPrivs|Umask)' /proc/self/status" },
        { "", "-tt", "stty -a; stty size; stat -c '%U %G %a' $(tty); [ $(ps -o sid= -p $$) = $$ ] && echo leader" },
        { "", "", "made=~/made.$$; touch $made && stat -c '%U %G %a' $made; rm $made; cat /etc/shadow; kill -0 1" },
        { "", "", "echo a >/dev/stderr; echo b >/dev/stdout; ls /proc/self/fd | wc -l" },
        { "", "", "exec >&- 2>&-; sleep 0.3; exit 6" },
        { "", "", "kill -SEGV $$" },
        { "", "-s", "hello" },
        { "", "-s", "nothing" },
        { "ForceCommand echo \"forced $SSH_ORIGINAL_COMMAND\"", "", "a  b" },
        { "ForceCommand echo \"forced $SSH_ORIGINAL_COMMAND\"", "-s", "hello" },
        { "ForceCommand internal-sftp", "", "ls" },
        { "PermitTTY no", "-tt", "tty" },
        { "MaxSessions 0", "", "true" },
        { "ChrootDirectory /tmp", "", "true" },
        { "ChrootDirectory /usr", "", "true" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public Task TheSameAsWithSshd(string configuration, string options, string command) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string[] lines = [.. configuration.Length > 0 ? [configuration] : Array.Empty<string>(), .. Base];
        (ProcessResult theirs, ProcessResult ours) = await lab.SameAtBothAsync(kind => lab.StartServerAsync(kind, new ServerOptions { Lines = lines }), user, options, command);

        // How the end of a connection is worded depends on what the client was doing.
        if (!configuration.StartsWith("Chroot", StringComparison.Ordinal))
        {
            Assert.Equal(theirs.Errors, ours.Errors);
        }
    });

    [Theory]
    [InlineData("signals")]
    [InlineData("apart")]
    [InlineData("many")]
    public Task Asyncssh(string scenario) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await lab.PlayAsync(scenario, await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = Base }), user.Name);
    });

    [Fact]
    public Task TwoUsersHaveNothingOfEachOther() => Lab.RunAsync(async lab =>
    {
        TemporaryUser one = await TemporaryUser.GetAuthorizedAsync(), other = await TemporaryUser.GetOtherAsync();
        await other.AuthorizeAsync(await Keys.UserAsync());
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = Base });
        foreach (TemporaryUser user in new[] { one, other })
        {
            string groups = (await lab.MustAsync(Machine.Tool("id"), "-G", user.Name)).Trim();
            ProcessResult result = await lab.SshAsync(server, $"id -un; id -G; echo x > ~/own; stat -c '%U' ~/own; cat {one.Home}/own {other.Home}/own 2>/dev/null | wc -l; ls /proc/{server.Process.Id}/fd 2>&1 | grep -c denied", user.Name);
            string[] lines = result.Output.Split('\n');
            Assert.Equal([user.Name, groups, user.Name, "1", "1", ""], lines);
        }
    });

    [Fact]
    public Task TheHelperLeavesNothingOfItselfBehind() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = Base });
        const string command = "tr '\\0' '\\n' < /proc/$$/environ | grep -cE 'DOTNET|ADIT'; tr '\\0' ' ' < /proc/$$/cmdline | cut -c1-6; grep -E '^(CapInh|CapPrm|CapEff|CapAmb)' /proc/$$/status | cut -f2 | sort -u; cat /proc/$$/stat | cut -d' ' -f4";
        ProcessResult result = await lab.SshAsync(server, command, user.Name);
        Assert.Equal($"0\nsh -c \n0000000000000000\n{server.Process.Id}\n", result.Output);
    });

    [Theory]
    [InlineData("command=\"echo key $SSH_ORIGINAL_COMMAND\"", "wanted", "key wanted\n")]
    [InlineData("restrict", "tty || echo restricted", "not a tty\nrestricted\n")]
    [InlineData("environment=\"FROM_KEY=1\"", "echo $FROM_KEY", "1\n")]
    public Task OptionsOfTheKeyHold(string option, string command, string output) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string file = Path.Combine(user.Home, ".ssh", $"keys.{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(file, $"{option} {(await Keys.UserAsync()).PublicLine}\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = [$"AuthorizedKeysFile {file}", "PermitUserEnvironment yes"] });
        Assert.Equal(output, (await lab.SshAsync(server, command, user.Name, options: "-T")).Output);
        File.Delete(file);
    });
}
