using System.Security.Cryptography;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>Sessions at our server, as the user that it runs as.</summary>
public class ServerSessionTests
{
    private static readonly ServerOptions Options = new() { Lines = ["Subsystem sftp internal-sftp", "Subsystem hello /bin/echo hello there"], LogLevel = "VERBOSE" };

    [Theory]
    [InlineData("terminal")]
    [InlineData("redraw")]
    [InlineData("hangup")]
    [InlineData("signals")]
    [InlineData("breaks")]
    [InlineData("many")]
    [InlineData("apart")]
    [InlineData("files")]
    public Task Asyncssh(string scenario) => Lab.RunAsync(async lab =>
    {
        Need.Tools("less");
        await lab.PlayAsync(scenario, await lab.StartServerAsync(Peer.Adit, Options));
    });

    [Fact]
    public Task OpenSshsClientGetsStatusOutputAndErrors() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.Adit, Options);
        ProcessResult result = await lab.SshAsync(server, "echo out; echo err >&2; exit 42");
        Assert.Equal((42, "out\n", "err\n"), (result.ExitCode, result.Output, result.Errors));
        Assert.Equal(255, (await lab.SshAsync(server, "kill -KILL $$")).ExitCode);
        Assert.Equal("from the pipe\n", (await lab.SshAsync(server, "cat", input: "from the pipe\n")).Output);
        Assert.Equal("hello there\n", (await lab.SshAsync(server, "hello", options: ["-s"])).Output);
        Assert.Equal("subsystem request failed on channel 0", (await lab.SshAsync(server, "none", options: ["-s"])).FirstErrorLine);
        Assert.Equal("shell\n", (await lab.SshAsync(server, "", input: "echo shell\nexit 3\n")).Output);
        result = await lab.SshAsync(server, "tty; echo err >&2; exit 5", options: ["-tt"]);
        Assert.StartsWith("/dev/pts/", result.Output, StringComparison.Ordinal);
        Assert.EndsWith("\nerr\n", result.Output, StringComparison.Ordinal); // the terminal's: errors come with the rest
        Assert.Equal(5, result.ExitCode);
        string user = Machine.UserName;
        await server.Process.WaitForLineAsync($"Starting session: command for {user} from 127.0.0.1 port ", lab.Deadline);
        await server.Process.WaitForLineAsync("Starting session: subsystem 'hello' for ", lab.Deadline);
        await server.Process.WaitForLineAsync("Starting session: command on pts/", lab.Deadline);
        await server.Process.WaitForLineAsync($"Close session: user {user} from 127.0.0.1 port ", lab.Deadline);
    });

    // A reader at this end that stops ends the program over there, which would write for ever. OpenSSH's client tells this to servers whose name begins as its own does.
    [Theory]
    [InlineData(Peer.OpenSsh, Peer.OpenSsh)]
    [InlineData(Peer.OpenSsh, Peer.Adit)]
    [InlineData(Peer.Adit, Peer.OpenSsh)]
    [InlineData(Peer.Adit, Peer.Adit)]
    public Task AProgramHearsThatNobodyReads(Peer client, Peer kind) => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(kind, Options);
        List<string> words = [.. (await Clients.SshCommandAsync(lab, client, server, new ClientOptions { Arguments = ["-o", "LogLevel=ERROR"] }, [])).Where(word => word != "-N")];
        ProcessResult result = await lab.RunAsync("pipeline", "/bin/bash", ["-c", $"{ServerSessions.Quote([.. words, "yes"])} | head -n 2; echo ${{PIPESTATUS[0]}}"]);
        Assert.Equal("y\ny\n255\n", result.Output);
    });

    // A reader at the far end that stops, say head, ends the writer and not the other way round.
    [Fact]
    public Task AClientHearsThatNobodyReads() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.Adit, Options);
        List<string> words = await lab.SshWordsAsync(server);
        string pipeline = $"cat /dev/zero | {ServerSessions.Quote([.. words, "head -c 1000000 | wc -c; exec 0<&-; sleep 0.2; exit 6"])}; echo $?";
        ProcessResult result = await lab.RunAsync("pipeline", "/bin/sh", ["-c", pipeline]);
        Assert.Equal("1000000\n6\n", result.Output);
    });

    [Fact]
    public Task ALotGoesThroughBothWaysUnchanged() => Lab.RunAsync(async lab =>
    {
        Server server = await lab.StartServerAsync(Peer.Adit, Options);
        string file = lab.Folder["bulk"];
        var bulk = new byte[32 * 1024 * 1024];
        new Random(1).NextBytes(bulk);
        const int times = 32; // 1 GiB
        using (var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256))
        await using (FileStream stream = File.Create(file))
        {
            for (int i = 0; i < times; i++)
            {
                bulk[0] = (byte)i;
                hash.AppendData(bulk);
                await stream.WriteAsync(bulk, lab.Deadline);
            }

            await stream.FlushAsync(lab.Deadline);
            List<string> words = await lab.SshWordsAsync(server);
            string expected = Convert.ToHexStringLower(hash.GetHashAndReset()) + "  -\n";
            string ssh = ServerSessions.Quote([.. words, "cat"]);
            Assert.Equal(expected, (await lab.RunAsync("both ways", "/bin/sh", ["-c", $"{ssh} < {file} | sha256sum"])).Output);
        }
    });

    [Fact]
    public Task ScpSftpRsyncAndGitWork() => Lab.RunAsync(async lab =>
    {
        Need.Tools("scp", "sftp", "rsync", "git");
        Server server = await lab.StartServerAsync(Peer.Adit, Options);
        string script = await lab.SshScriptAsync(server), place = $"{server.User}@{server.Host}";
        string content = lab.Folder.Write("some file", string.Concat(Enumerable.Range(0, 50000).Select(line => $"line {line}\n")));
        string[] byScp = ["-S", script, "-q"];
        await lab.MustAsync(Machine.Tool("scp"), [.. byScp, content, $"{place}:{lab.Folder["copy"]}"]);
        await lab.MustAsync(Machine.Tool("scp"), [.. byScp, "-O", $"{place}:{lab.Folder["copy"]}", lab.Folder["copy of copy"]]); // the old protocol
        Assert.Equal(await File.ReadAllTextAsync(content), await File.ReadAllTextAsync(lab.Folder["copy of copy"]));

        string batch = lab.Folder.Write("batch", $"put \"{content}\" {lab.Folder["put"]}\nget {lab.Folder["put"]} {lab.Folder["got"]}\nls -l {lab.Folder["put"]}\n");
        await lab.MustAsync(Machine.Tool("sftp"), "-q", "-S", script, "-b", batch, place);
        Assert.Equal(await File.ReadAllTextAsync(content), await File.ReadAllTextAsync(lab.Folder["got"]));

        Directory.CreateDirectory(lab.Folder["tree/a/b"]);
        lab.Folder.Write("tree/a/b/leaf", "leaf\n");
        await lab.MustAsync(Machine.Tool("rsync"), "-a", "-e", script, lab.Folder["tree/"], $"{place}:{lab.Folder["mirror"]}/");
        Assert.Equal("leaf\n", await File.ReadAllTextAsync(lab.Folder["mirror/a/b/leaf"]));

        string repository = lab.Folder["repository.git"], clone = lab.Folder["clone"];
        var environment = new Dictionary<string, string?> { ["GIT_SSH"] = script, ["GIT_SSH_VARIANT"] = "ssh", ["HOME"] = lab.Folder.FullPath, ["GIT_CONFIG_NOSYSTEM"] = "1" };
        await GitAsync(lab, environment, "init", "-q", "--bare", repository);
        await GitAsync(lab, environment, "clone", "-q", $"{place}:{repository}", clone);
        lab.Folder.Write("clone/file", "content\n");
        await GitAsync(lab, environment, "-C", clone, "add", "file");
        await GitAsync(lab, environment, "-C", clone, "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "one");
        await GitAsync(lab, environment, "-C", clone, "push", "-q", "origin", "HEAD:refs/heads/main");
        Assert.Contains("refs/heads/main", (await GitAsync(lab, environment, "ls-remote", $"{place}:{repository}")).Output, StringComparison.Ordinal);
    });

    [Fact]
    public Task PlinkRunsACommand() => Lab.RunAsync(async lab =>
    {
        Need.Tools("plink", "puttygen");
        Server server = await lab.StartServerAsync(Peer.Adit, Options);
        string key = lab.Folder["plink.ppk"];
        await lab.MustAsync(Machine.Tool("puttygen"), (await Keys.UserAsync()).Path, "-O", "private", "-o", key);
        ProcessResult result = await lab.RunAsync("plink", Machine.Tool("plink"),
            ["-ssh", "-batch", "-i", key, "-hostkey", server.Fingerprint, "-P", $"{server.Port}", $"{server.User}@{server.Host}", "echo out; echo err >&2; exit 9"]);
        Assert.Equal((9, "out\n"), (result.ExitCode, result.Output));
        Assert.Contains("err\n", result.Errors, StringComparison.Ordinal);
    });

    private static async Task<ProcessResult> GitAsync(Lab lab, Dictionary<string, string?> environment, params string[] arguments)
    {
        ProcessResult result = await lab.RunAsync("git", Machine.Tool("git"), ["-c", "init.defaultBranch=main", "-c", "safe.directory=*", .. arguments], environment);
        Assert.True(result.ExitCode == 0, $"git {string.Join(' ', arguments)}: {result}");
        return result;
    }
}
