using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Sessions;

namespace Adit.Interop.Tests.Authentication;

/// <summary>With UsePAM a login's programs are children of the process that opened PAM's session: they have what its modules did to that, as with real sshd, and end with it. As root only.</summary>
[Collection(nameof(TemporaryUser.GetForPasswordsAsync))] // one of them writes ~/.ssh/rc
public sealed class PamProgramTests
{
    private const int SigHangup = 1;
    private const string GroupFile = "/etc/security/group.conf";

    private static readonly string[] Base = ["AuthorizedKeysFile .ssh/authorized_keys", "Subsystem hello /bin/echo hello there"];

    // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0): the program of that name is seldom installed.
    private const string Keyring = "grep $(printf '^%08x' $(python3 -c 'import ctypes, platform as p; print(ctypes.CDLL(None).syscall(250 if p.machine() == \"x86_64\" else 219, 0, -3, 0))')) "
        + "/proc/keys | awk '{ print $5, $6, $7, $8, $9 }'";

    // One line for each thing that a module left: groups, a session keyring of one's own, umask, limits, nice value, a signal state that is nobody's doing.
    private const string State = $"id -G | tr ' ' '\\n' | sort -n | xargs; {Keyring}; umask; ulimit -n; ulimit -c; ulimit -v; nice; grep -E '^(Sig[PBIC]|Cap)' /proc/self/status; cat /proc/self/loginuid";

    public static TheoryData<string, string, string> Cases => new()
    {
        // configuration, options of ssh, command
        { "", "", State },
        { "", "-tt", State + "; [ $(ps -o sid= -p $$) = $$ ] && echo leader; stty size; stat -c '%U %G %a' $(tty)" },
        { "", "", "exit 7" },
        { "", "", "kill -SEGV $$" },
        { "", "", "echo a >/dev/stderr; echo b >/dev/stdout; cat; ls /proc/self/fd | wc -l" },
        { "", "-s", "hello" },
        { "ForceCommand id -G; echo \"forced $SSH_ORIGINAL_COMMAND\"", "", "a  b" },
        { "ChrootDirectory /usr", "", "true" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public Task What_modules_did_is_there_as_with_sshd(string configuration, string options, string command) => Lab.RunAsync(async lab =>
    {
        Need.Tools("python3", "awk");
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string limits = lab.Folder.Write("limits", "* - core 4096\n* - nofile 777\n* - priority 5\n");
        await using PamService pam = PamService.Create(
            "auth optional pam_group.so", "auth required pam_permit.so", "session optional pam_loginuid.so", "session required pam_keyinit.so force revoke",
            $"session required pam_limits.so conf={limits}", "session optional pam_umask.so umask=0027");
        await using var group = new GroupRule($"{pam.Name};*;{user.Name};Al0000-2400;games");
        string[] lines = [.. configuration.Length > 0 ? [configuration] : Array.Empty<string>(), .. Base];
        (_, ProcessResult ours) = await lab.SameAtBothAsync(kind => StartAsync(lab, kind, pam, lines), user, options, command, options == "-tt" ? null : "in\n");
        if (command.StartsWith(State, StringComparison.Ordinal))
        {
            string games = (await lab.MustAsync("/bin/sh", "-c", "getent group games | cut -d: -f3")).Trim();
            Assert.Contains(games, ours.Output.Split('\n')[0].TrimEnd('\r').Split(' '));
            Assert.EndsWith(" keyring _ses:", ours.Output.Split('\n')[1].TrimEnd('\r'), StringComparison.Ordinal);
        }
    });

    [Fact]
    public Task They_are_children_of_the_process_that_opened_the_session_the_rc_file_too() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetForPasswordsAsync();
        await user.AuthorizeAsync(await Keys.UserAsync());
        string log = lab.Folder["log"];
        string script = lab.Folder.WriteProgram("script", $"echo \"$PAM_TYPE $PPID <$PAM_RUSER>\" >> {log}");
        string rc = Path.Combine(user.Home, ".ssh", "rc");
        await File.WriteAllTextAsync(rc, "umask\n");
        File.SetUnixFileMode(rc, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await using PamService pam = PamService.Create("session optional pam_umask.so umask=0053", $"session required pam_exec.so {script}");
        Server server = await StartAsync(lab, Peer.Adit, pam, Base);
        ProcessResult result = await lab.SshAsync(server, "echo $PPID; cut -d' ' -f4 /proc/$PPID/stat; umask", user.Name);
        File.Delete(rc); // the next test's sessions have none
        string[] lines = result.Output.Split('\n');
        Assert.Equal(["0053", lines[1], server.Process.Id.ToString(CultureInfo.InvariantCulture), "0053", ""], lines);
        await Until.TrueAsync(() => File.Exists(log) && File.ReadAllText(log).Count(letter => letter == '\n') >= 2, lab.Deadline);
        Assert.Equal([$"open_session {lines[1]} <>", $"close_session {lines[1]} <>"], await File.ReadAllLinesAsync(log));
    });

    // pam_namespace: a folder of the login's own, in a mount namespace that nobody else sees.
    [Fact]
    public Task They_are_in_the_sessions_mount_namespace() => Lab.RunAsync(async lab =>
    {
        const string folders = "/etc/security/namespace.d";
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await using PamService pam = PamService.Create("session required pam_namespace.so");
        Need.That(Directory.Exists(folders), "pam_namespace");
        string folder = lab.Folder["shared"], rule = Path.Combine(folders, pam.Name + ".conf");
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, (UnixFileMode)0x1FF);
        File.SetUnixFileMode(lab.Folder.FullPath, (UnixFileMode)0x1ED);
        await File.WriteAllTextAsync(rule, $"{folder} tmpfs tmpfs root\n");
        try
        {
            Server server = await StartAsync(lab, Peer.Adit, pam, Base);
            ProcessResult result = await lab.SshAsync(server, $"echo x > {folder}/own && stat -f -c %T {folder}; ls {folder}", user.Name);
            Assert.Equal("tmpfs\nown\n", result.Output);
            Assert.Empty(Directory.GetFiles(folder));
        }
        finally
        {
            File.Delete(rule);
        }
    });

    [Theory]
    [InlineData("signals")]
    [InlineData("apart")]
    [InlineData("many")]
    public Task Asyncssh(string scenario) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await using PamService pam = PamService.Create();
        await lab.PlayAsync(scenario, await StartAsync(lab, Peer.Adit, pam, Base), user.Name);
    });

    // As with sshd, whose monitor it is: nothing goes on without it, what ignores a hang-up neither.
    [Theory]
    [InlineData("-T")]
    [InlineData("-tt")]
    public Task When_that_process_is_killed_the_login_ends_and_the_client_is_told(string option) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await using PamService pam = PamService.Create();
        Server server = await StartAsync(lab, Peer.Adit, pam, Base);
        List<string> words = await lab.SshWordsAsync(server, user.Name, option, "-o", "LogLevel=INFO");
        ManagedProcess client = lab.Start("ssh", words[0], [.. words.Skip(1), "trap '' HUP; sleep 600 & echo \"$$ $! $PPID ready\"; wait"]);
        await Until.TrueAsync(() => client.Output.Contains("ready", StringComparison.Ordinal), lab.Deadline);
        ProcessIdentity[] processes = [.. client.Output.Split(' ').Take(3).Select(id => ProcessIdentity.Of(int.Parse(id, CultureInfo.InvariantCulture))!)];
        Assert.Equal(server.Process.Id, processes[2].ParentId);
        processes[2].Signal(ManagedProcess.SigKill);
        ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("the process that holds this login's PAM session has ended", result.Errors, StringComparison.Ordinal);
        await Until.TrueAsync(() => !processes.Any(process => process.IsAlive), lab.Deadline);
        await server.Process.WaitForLineAsync($"PAM: the process that holds the session of {user.Name} has ended, and with it the session", lab.Deadline);
        Assert.Equal("in\n", (await lab.SshAsync(server, "echo in", user.Name)).Output); // others have nothing to do with it
    });

    // As a service manager ends a session's scope: PAM's session is closed, and programs' ends are told for as long as that takes.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public Task When_that_process_is_told_to_end_it_closes_the_session(bool endsByItself) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        (string log, string closing, string ending) = (lab.Folder["log"], lab.Folder["closing"], lab.Folder["ending"]);
        string script = lab.Folder.WriteProgram("script", $"[ $PAM_TYPE = close_session ] || exit 0\necho begun >> {log}\nuntil [ -e {closing} ]; do sleep 0.05; done\necho closed >> {log}");
        File.SetUnixFileMode(lab.Folder.FullPath, (UnixFileMode)0x1ED);
        await using PamService pam = PamService.Create($"session required pam_exec.so {script}");
        Server server = await StartAsync(lab, Peer.Adit, pam, Base);
        List<string> words = await lab.SshWordsAsync(server, user.Name, "-T", "-o", "LogLevel=INFO");
        ManagedProcess client = lab.Start("ssh", words[0], [.. words.Skip(1), $"trap '' HUP; echo \"$$ $PPID ready\"; until [ -e {ending} ]; do sleep 0.05; done; exit 7"]);
        await Until.TrueAsync(() => client.Output.Contains("ready", StringComparison.Ordinal), lab.Deadline);
        ProcessIdentity[] processes = [.. client.Output.Split(' ').Take(2).Select(id => ProcessIdentity.Of(int.Parse(id, CultureInfo.InvariantCulture))!)];
        processes[1].Signal(ManagedProcess.SigTerm);
        processes[1].Signal(SigHangup);
        await Until.TrueAsync(() => File.Exists(log), lab.Deadline);
        if (endsByItself)
        {
            lab.Folder.Write("ending", "");
            Assert.Equal(7, (await client.WaitForExitAsync(lab.Deadline)).ExitCode);
        }

        lab.Folder.Write("closing", "");
        await Until.TrueAsync(() => !processes.Any(process => process.IsAlive), lab.Deadline);
        Assert.Equal(["begun", "closed"], await File.ReadAllLinesAsync(log));
        if (!endsByItself)
        {
            ProcessResult result = await client.WaitForExitAsync(lab.Deadline);
            Assert.Equal(255, result.ExitCode);
            Assert.Contains("the process that holds this login's PAM session has ended", result.Errors, StringComparison.Ordinal);
        }
    });

    // What a client leaves behind goes on, as with sshd, and PAM's session is closed all the same.
    [Fact]
    public Task What_is_left_behind_goes_on_when_the_session_is_closed() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string log = lab.Folder["log"];
        string script = lab.Folder.WriteProgram("script", $"[ $PAM_TYPE = close_session ] && echo closed > {log}\nexit 0");
        await using PamService pam = PamService.Create($"session required pam_exec.so {script}");
        Server server = await StartAsync(lab, Peer.Adit, pam, Base);
        ProcessResult result = await lab.SshAsync(server, "sleep 600 </dev/null >/dev/null 2>&1 & echo $!", user.Name);
        ProcessIdentity left = ProcessIdentity.Of(int.Parse(result.Output, CultureInfo.InvariantCulture))!;
        try
        {
            await Until.TrueAsync(() => File.Exists(log), lab.Deadline);
            Assert.True(left.IsAlive);
        }
        finally
        {
            left.Signal(ManagedProcess.SigKill);
        }
    });

    /// <summary>Real sshd asks PAM for the service that it is called after.</summary>
    private static Task<Server> StartAsync(Lab lab, Peer kind, PamService pam, string[] lines)
    {
        string link = lab.Folder[pam.Name];
        if (kind == Peer.OpenSsh)
        {
            File.CreateSymbolicLink(link, Machine.Tool("sshd"));
        }

        return lab.StartServerAsync(kind, new ServerOptions
        {
            Lines = [.. kind == Peer.OpenSsh ? ["UsePAM yes"] : pam.Lines, .. lines],
            Prefix = kind == Peer.OpenSsh ? ["/bin/sh", "-c", $"shift; exec {link} \"$@\"", "sh"] : [],
            LogLevel = "DEBUG",
        });
    }

    /// <summary>A line of pam_group's, as long as it is needed: it reads no other file.</summary>
    private sealed class GroupRule : IAsyncDisposable
    {
        private readonly string _line;

        public GroupRule(string line)
        {
            Need.That(File.Exists(GroupFile), "pam_group");
            _line = line;
            File.AppendAllText(GroupFile, line + "\n");
        }

        public async ValueTask DisposeAsync() => await File.WriteAllLinesAsync(GroupFile, (await File.ReadAllLinesAsync(GroupFile)).Where(line => line != _line));
    }
}
