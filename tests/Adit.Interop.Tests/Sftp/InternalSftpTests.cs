using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Sessions;

namespace Adit.Interop.Tests.Sftp;

/// <summary>internal-sftp as it is configured most, with real clients; where sshd serves the same, with the same results.</summary>
public class InternalSftpTests
{
    // Everything a client can see of an empty root folder, and no way out of it.
    [Fact]
    public Task AnEmptyRootFolderIsServedAsBySshd() => Lab.RunAsync(async lab =>
    {
        const string batch = """
            pwd
            ls -1a /
            cd up
            put content one
            rename one two
            ln two three
            symlink two four
            mkdir folder
            put content folder/five
            ls -1
            ls -n folder/..
            chmod 640 two
            -rmdir folder
            -get none
            -put content /not-mine
            -mkdir /not-mine
            symlink /etc/passwd passwd
            symlink ../../../../etc/passwd passwd2
            symlink .. above
            -get passwd stolen
            -get passwd2 stolen
            -get ../../../../etc/passwd stolen
            -ls -1 above/../..
            cd ../../..
            pwd
            ls -1
            get up/two back
            cd up
            rm two
            rm three
            rm four
            rm folder/five
            rm passwd
            rm passwd2
            rm above
            rmdir folder
            """;
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        string content = lab.Folder.Write("content", "some content\n");
        (string theirs, string ours) = (await PlayAsync(Peer.OpenSsh), await PlayAsync(Peer.Adit));
        Assert.Equal(theirs, ours);
        Assert.False(File.Exists(lab.Folder["stolen"]));

        async Task<string> PlayAsync(Peer kind)
        {
            SftpJail jail = await SftpJail.CreateAsync(lab, user);
            Server server = await lab.StartServerAsync(kind, Confined(jail, "internal-sftp"));
            string output = await SftpAsync(lab, server, user, batch);
            Assert.Equal(await File.ReadAllTextAsync(content), await File.ReadAllTextAsync(lab.Folder["back"]));
            File.Delete(lab.Folder["back"]);
            return System.Text.RegularExpressions.Regex.Replace(output, " [A-Z][a-z]{2} [ 0-9]{2} [0-9]{2}:[0-9]{2} ", " TIME ");
        }
    });

    [Fact]
    public Task ThereIsNothingButSftp() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        SftpJail jail = await SftpJail.CreateAsync(lab, user);
        Server server = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp"));
        foreach (string command in new[] { "id", "", "internal-sftp", "/bin/sh -c id" })
        {
            ProcessResult result = await lab.SshAsync(server, command, user.Name, input: "id\n", options: "-T");
            Assert.Equal((1, "This service allows sftp connections only.\n"), (result.ExitCode, result.Output));
        }

        Assert.NotEqual(0, (await ScpAsync(lab, server, user, "-O", lab.Folder.Write("file", "x"), $"{user.Name}@{server.Host}:/up/file")).ExitCode);
        Assert.False(File.Exists(jail["file"]));
        ProcessResult copied = await ScpAsync(lab, server, user, "-s", lab.Folder["file"], $"{user.Name}@{server.Host}:/up/file");
        Assert.True(copied.ExitCode == 0, copied.ToString());
        Assert.Equal("x", await File.ReadAllTextAsync(jail["file"]));
    });

    [Fact]
    public Task OptionsHold() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        SftpJail jail = await SftpJail.CreateAsync(lab, user);
        lab.Folder.Write("content", "x");
        Server server = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp -d /up -u 077 -l VERBOSE -f LOCAL3"));
        Assert.Contains("Remote working directory: /up\n", await SftpAsync(lab, server, user, "pwd\nput content made\nchmod 666 made\n-get none\n"), StringComparison.Ordinal);
        foreach (string line in new[]
        {
            $"]: session opened for local user {user.Name} from [127.0.0.1]", "]: open \"/up/made\" flags WRITE,CREATE,TRUNCATE mode 0600", "]: close \"/up/made\" bytes read 0 written 1", "]: set \"/up/made\" mode 0666",
            "]: sent status No such file", "]: -f LOCAL3 has no effect", $"]: session closed for local user {user.Name} from [127.0.0.1]",
        })
        {
            await server.Process.WaitForLineAsync(line, lab.Deadline);
        }

        Server reading = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp -R -d /up"));
        string output = await SftpAsync(lab, reading, user, "get made got\n-put content other\n-rm made\n-mkdir folder\n-rename made moved\n-chmod 600 made\nls -1\n");
        Assert.EndsWith("sftp> ls -1\nmade\n", output, StringComparison.Ordinal);
        Assert.True(File.Exists(lab.Folder["got"]));

        Server wrong = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp -Z"));
        ProcessResult refused = await lab.SshAsync(wrong, "sftp", user.Name, options: "-s");
        Assert.Equal((1, "usage: internal-sftp [-ehR] [-d start_directory] [-f log_facility] [-l log_level]"), (refused.ExitCode, refused.FirstErrorLine));
    });

    // TZ may name any file, which would be opened with root's rights: this pipe has nobody at its other end, and a folder around it that the user cannot enter.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task AUsersTimeZoneOpensNothingOfRoots(bool isConfined) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        SftpJail jail = await SftpJail.CreateAsync(lab, user);
        string pipe = Path.Combine(jail.Path, "roots", "pipe");
        Directory.CreateDirectory(Path.GetDirectoryName(pipe)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await lab.MustAsync(Machine.Tool("mkfifo"), pipe);
        ServerOptions options = Confined(jail, "internal-sftp -d /");
        Server server = await lab.StartServerAsync(Peer.Adit, options with { Lines = [.. options.Lines.Where(line => isConfined || !line.StartsWith("ChrootDirectory", StringComparison.Ordinal)), "AcceptEnv TZ"] });
        string script = await lab.SshScriptAsync(server, user.Name), batch = lab.Folder.Write("batch", "pwd\nls -l\n");
        ProcessResult result = await lab.RunAsync("sftp", Machine.Tool("sftp"), ["-q", "-o", $"SetEnv=TZ={pipe}", "-S", script, "-b", batch, $"{user.Name}@{server.Host}"]);
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("Remote working directory: /\n", result.Output, StringComparison.Ordinal);
    }, seconds: 40);

    // Nobody's encoding: what comes back is what went there.
    [Fact]
    public Task NamesAreBytes() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        SftpJail jail = await SftpJail.CreateAsync(lab, user);
        string script = lab.Folder.Write("make", "mkdir \"$1/odd\" \"$1/back\" && : > \"$1/odd/$(printf 'a\\377\\303b')\"");
        await lab.MustAsync("/bin/sh", script, lab.Folder.FullPath);
        Server server = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp"));
        await SftpAsync(lab, server, user, "put odd/* /up/\nget /up/* back/\n");
        await lab.MustAsync("/bin/sh", "-c", $"test -f \"{lab.Folder["back"]}/$(printf 'a\\377\\303b')\" && rm -r {lab.Folder["back"]} {lab.Folder["odd"]} {jail["a"]}*");
    });

    // Without another root folder names of users are known, and the process can be told from others.
    [Fact]
    public Task AnotherUsersFilesAreServedAsTheUser() => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        Server server = await lab.StartServerAsync(Peer.Adit, new ServerOptions { Lines = ["AuthorizedKeysFile .ssh/authorized_keys", "Subsystem sftp internal-sftp"] });
        lab.Folder.Write("content", "x");
        string name = $"sftp-{Guid.NewGuid():N}";
        string output = await SftpAsync(lab, server, user, $"pwd\nput content {name}\nls -l {name}\n-get /etc/shadow stolen\n!pgrep -af internal-sftp\n!grep -hE '^(Uid|CapEff|Groups)' $(pgrep -f internal-sftp | sed 's,.*,/proc/&/status,')\nrm {name}\n");
        Assert.Contains($"Remote working directory: {user.Home}\n", output, StringComparison.Ordinal);
        Assert.Matches($"-rw-[-r]+ .* {user.Name} +{user.Name} +1 .* {name}\n", output);
        Assert.Matches("session-start internal-sftp\n", output);
        Assert.Contains("CapEff:\t0000000000000000\n", output, StringComparison.Ordinal);
        Assert.False(File.Exists(lab.Folder["stolen"]));
    });

    [Fact]
    public Task SshfsMountsIt() => Lab.RunAsync(async lab =>
    {
        Need.Tools("sshfs", "fusermount3", "mountpoint");
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();
        SftpJail jail = await SftpJail.CreateAsync(lab, user);
        Server server = await lab.StartServerAsync(Peer.Adit, Confined(jail, "internal-sftp"));
        string place = lab.Folder["mount"], script = await lab.SshScriptAsync(server, user.Name);
        Directory.CreateDirectory(place);
        ProcessResult mounted = await lab.RunAsync("sshfs", Machine.Tool("sshfs"), [$"{user.Name}@{server.Host}:/up", place, "-o", $"ssh_command={script}"]);
        Need.That(mounted.ExitCode == 0 || !mounted.Errors.Contains("fuse", StringComparison.Ordinal), "FUSE");
        Assert.True(mounted.ExitCode == 0, mounted.ToString());
        try
        {
            string work = $"cd {place} && mkdir a && dd if=/dev/urandom of=a/big bs=1M count=8 2>/dev/null && sync && cp a/big a/copy && cmp a/big a/copy && echo more >> a/copy && truncate -s 5 a/big && mv a/copy b && ln -s b link && stat -c %s a/big b && readlink link && touch -d @1000 b && stat -c %Y b && chmod 600 b && rm -r a link b && ls -A | wc -l";
            Assert.Equal("5\n8388613\nb\n1000\n0\n", await lab.MustAsync("/bin/sh", "-c", work));
        }
        finally
        {
            await lab.MustAsync(Machine.Tool("fusermount3"), "-u", place);
        }
    });

    private static ServerOptions Confined(SftpJail jail, string command) => new()
    {
        Lines = ["AuthorizedKeysFile .ssh/authorized_keys", "Subsystem sftp internal-sftp", $"ForceCommand {command}", $"ChrootDirectory {jail.Path}"],
        LogLevel = "VERBOSE",
    };

    /// <summary>What sftp prints for a batch, in the test's own folder.</summary>
    private static async Task<string> SftpAsync(Lab lab, Server server, TemporaryUser user, string batch)
    {
        string script = await lab.SshScriptAsync(server, user.Name), file = lab.Folder.Write("batch", $"lcd {lab.Folder.FullPath}\n{batch}");
        return await lab.MustAsync(Machine.Tool("sftp"), "-q", "-S", script, "-b", file, $"{user.Name}@{server.Host}");
    }

    private static async Task<ProcessResult> ScpAsync(Lab lab, Server server, TemporaryUser user, params string[] arguments) =>
        await lab.RunAsync("scp", Machine.Tool("scp"), ["-q", "-S", await lab.SshScriptAsync(server, user.Name), .. arguments]);
}
