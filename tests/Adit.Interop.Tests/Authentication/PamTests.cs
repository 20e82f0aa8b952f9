using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Sessions;

namespace Adit.Interop.Tests.Authentication;

/// <summary>UsePAM with the real PAM and its own modules, OpenSSH's client in front: so as root only.</summary>
[Collection(nameof(TemporaryUser.GetForPasswordsAsync))]
public sealed class PamTests
{
    private static readonly string[] Base = ["AuthorizedKeysFile .ssh/authorized_keys"];

    [Theory]
    [InlineData("password")]
    [InlineData("keyboard-interactive")]
    public Task The_systems_password_lets_in_and_no_other(string method) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync();
        await using PamService pam = PamService.Create("auth required pam_unix.so nodelay", "account required pam_unix.so");
        Server server = await StartAsync(lab, pam, "ExposeAuthInfo yes");
        ProcessResult right = await PasswordAsync(lab, server, method, user.Name, user.Password, "cat $SSH_USER_AUTH; stat -c '%U %a' $SSH_USER_AUTH");
        Assert.Equal((method == "password" ? "password" : "keyboard-interactive/pam") + $"\n{user.Name} 600\n", right.Output);
        ProcessResult wrong = await PasswordAsync(lab, server, method, user.Name, user.Password + "x", "true");
        Assert.Equal(255, wrong.ExitCode);
        Assert.Contains("Permission denied", wrong.Errors, StringComparison.Ordinal);
        ProcessResult nobody = await PasswordAsync(lab, server, method, "nobody-of-that-name", user.Password, "true");
        Assert.Equal(255, nobody.ExitCode);
        await server.Process.WaitForLineAsync($"Failed {(method == "password" ? method : method + "/pam")} for invalid user nobody-of-that-name from 127.0.0.1", lab.Deadline);
    });

    [Theory]
    [InlineData("password")]
    [InlineData("keyboard-interactive")]
    public Task Whatever_PAM_says_nobody_gets_in_who_may_not(string method) => Lab.RunAsync(async lab =>
    {
        await using PamService pam = PamService.Create(); // yes to everything
        Server server = await StartAsync(lab, pam, "PermitRootLogin prohibit-password");
        foreach (string name in new[] { "root", "nobody-of-that-name" })
        {
            ProcessResult result = await PasswordAsync(lab, server, method, name, "x", "id");
            Assert.Equal(255, result.ExitCode);
            Assert.Equal("", result.Output);
        }
    });

    [Fact]
    public Task An_account_that_PAM_refuses_is_told_so_whatever_its_key_says() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string text = lab.Folder.Write("text", "closed for the night\n");
        await using PamService pam = PamService.Create($"account optional pam_echo.so file={text}", "account required pam_deny.so");
        Server server = await StartAsync(lab, pam);
        List<string> words = await lab.SshWordsAsync(server, user.Name); // with what is said
        ProcessResult result = await lab.RunAsync("ssh", words[0], [.. words.Skip(1), "id"]);
        Assert.Equal((255, ""), (result.ExitCode, result.Output));
        Assert.Contains("closed for the night", result.Errors, StringComparison.Ordinal);
        await server.Process.WaitForLineAsync($"Access denied for user {user.Name} by PAM account configuration", lab.Deadline);
    });

    [Fact]
    public Task A_login_shell_without_a_terminal_shows_what_PAM_says_and_a_command_does_not() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string text = lab.Folder.Write("text", "welcome\n");
        await using PamService pam = PamService.Create($"session optional pam_echo.so file={text}");
        Server server = await StartAsync(lab, pam);
        List<string> words = await lab.SshWordsAsync(server, user.Name);
        ProcessResult shell = await lab.RunAsync("ssh", words[0], [.. words.Skip(1), "-T"], input: "echo in\n");
        Assert.Equal("welcome\nin\n", shell.Output);
        ProcessResult command = await lab.RunAsync("ssh", words[0], [.. words.Skip(1), "-T", "echo in"]);
        Assert.Equal("in\n", command.Output);
    });

    [Fact]
    public Task A_session_is_opened_and_closed_as_root_and_leaves_variables_and_limits() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string log = lab.Folder["log"];
        string script = lab.Folder.WriteProgram("script", $"echo \"$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY $(id -u)\" >> {log}");
        string variables = lab.Folder.Write("env", "FROM_PAM=yes\nSSH_CONNECTION=forged\n");
        string limits = lab.Folder.Write("limits", "* - core 4096\n* - nofile 777\n");
        await using PamService pam = PamService.Create(
            $"session required pam_env.so envfile={variables}", $"session required pam_limits.so conf={limits}", "session optional pam_umask.so umask=0027", $"session required pam_exec.so {script}");
        Server server = await StartAsync(lab, pam);
        ProcessResult result = await KeyAsync(lab, server, user, "echo $FROM_PAM; ulimit -n; ulimit -c; umask; id -un; echo ${SSH_CONNECTION%% *} $SSH_AUTH_INFO_0");
        Assert.Equal($"yes\n777\n8192\n0027\n{user.Name}\n127.0.0.1\n", result.Output.Replace("\n4096\n", "\n8192\n", StringComparison.Ordinal)); // dash counts in blocks, bash in KiB
        // The session is closed behind the connection.
        await Until.TrueAsync(() => File.Exists(log) && File.ReadAllText(log).Count(letter => letter == '\n') >= 2, lab.Deadline);
        Assert.Equal([$"open_session {user.Name} 127.0.0.1 ssh 0", $"close_session {user.Name} 127.0.0.1 ssh 0"], await File.ReadAllLinesAsync(log));
    });

    [Fact]
    public Task Without_PAMs_session_nothing_is_started() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await using PamService pam = PamService.Create("session required pam_deny.so");
        Server server = await StartAsync(lab, pam);
        ProcessResult result = await KeyAsync(lab, server, user, "id");
        Assert.Equal((254, ""), (result.ExitCode, result.Output));
        await server.Process.WaitForLineAsync("PAM: pam_open_session(): ", lab.Deadline);
    });

    // It was PAM that let them in, and PAM that has nothing for them. A key is not PAM's.
    [Fact]
    public Task Without_PAMs_credentials_a_password_is_not_enough_and_a_key_is() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        await using PamService pam = PamService.Create("auth required pam_debug.so auth=success cred=cred_err");
        Server server = await StartAsync(lab, pam);
        foreach (string method in new[] { "password", "keyboard-interactive" })
        {
            ProcessResult refused = await PasswordAsync(lab, server, method, user.Name, "x", "echo in");
            Assert.Equal((255, ""), (refused.ExitCode, refused.Output));
            await server.Process.WaitForLineAsync($"Access denied for user {user.Name}: PAM has no credentials for them", lab.Deadline);
        }

        Assert.Equal("in\n", (await KeyAsync(lab, server, user, "echo in")).Output);
    });

    // Four prompts, three of them of modules of another kind: what has expired is changed within keyboard-interactive.
    [Fact]
    public Task An_expired_password_is_changed_within_the_conversation_or_else_bars_the_session() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetForPasswordsAsync();
        await user.AuthorizeAsync(await Keys.UserAsync());
        await lab.MustAsync(Machine.Tool("chage"), "-d", "0", user.Name);
        await using PamService pam = PamService.Create("auth required pam_unix.so nodelay", "account required pam_unix.so", "password required pam_unix.so sha512");
        Server server = await StartAsync(lab, pam);

        ProcessResult byKey = await KeyAsync(lab, server, user, "id");
        Assert.Equal((1, ""), (byKey.ExitCode, byKey.Output));
        Assert.Contains("WARNING: Your password has expired.\nPassword change required but no TTY available.\n", byKey.Errors.Replace("\r", "", StringComparison.Ordinal), StringComparison.Ordinal);

        const string newer = "Correct-horse-7-battery";
        string steps = $"wait assword: \ntype {user.Password}\\n\nwait urrent password: \ntype {user.Password}\\n\nwait New password: \ntype {newer}\\n\nwait etype new password: \ntype {newer}\\n\n";
        List<string> words = await lab.SshWordsAsync(
            server, user.Name, "-o", "LogLevel=ERROR", "-o", "BatchMode=no", "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=keyboard-interactive", "-o", "NumberOfPasswordPrompts=1");
        ProcessResult changed = await lab.RunAsync("ssh", Machine.Tool("python3"), [Machine.Here("Peers/on_a_terminal.py"), steps, .. words, "echo let in"]);
        Assert.Contains("let in", changed.Output, StringComparison.Ordinal);
        Assert.Equal("in\n", (await PasswordAsync(lab, server, "password", user.Name, newer, "echo in")).Output);
    });

    private static Task<Server> StartAsync(Lab lab, PamService pam, params string[] lines) => lab.StartServerAsync(
        Peer.Adit, new ServerOptions { Lines = [.. pam.Lines, .. lines, .. Base, "PasswordAuthentication yes", "KbdInteractiveAuthentication yes"], LogLevel = "DEBUG" });

    private static Task<ProcessResult> KeyAsync(Lab lab, Server server, TemporaryUser user, string command) => lab.SshAsync(server, command, user.Name);

    private static async Task<ProcessResult> PasswordAsync(Lab lab, Server server, string method, string name, string password, string command)
    {
        IReadOnlyList<string> words = await Clients.SshCommandAsync(
            lab,
            Peer.OpenSsh,
            server,
            new ClientOptions
            {
                User = name,
                Identity = "",
                BatchMode = false,
                Arguments = ["-o", "LogLevel=ERROR", "-o", "PreferredAuthentications=" + method, "-o", "NumberOfPasswordPrompts=1"],
            },
            []);
        return await lab.RunAsync(
            "ssh", words[0], [.. words.Skip(1).Where(word => word != "-N"), command], KeyTests.AskPass(lab.Folder.WriteAskPass("askpass" + Guid.NewGuid().ToString("N"), password)));
    }
}
