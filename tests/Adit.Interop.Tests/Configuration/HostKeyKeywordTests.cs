using Adit.Interop.Tests.Errors;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Configuration;

/// <summary>The keywords about host keys, beside OpenSSH: the same lines, the same files, the same answers.</summary>
public sealed class HostKeyKeywordTests
{
    private static readonly string[] ThreeKeys = ["ed25519", "ecdsa-256", "rsa"];

    public static TheoryData<string, string> Pairs { get; } = new() { { "Adit", "OpenSsh" }, { "OpenSsh", "Adit" }, { "Adit", "Adit" } };

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task Keys_that_a_known_server_proves_are_learned_and_old_ones_go(string client, string server) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Enum.Parse<Peer>(server), new ServerOptions { HostKeyTypes = ThreeKeys });
        string before = $"# mine\nexample.com {there.HostKeys[0]}\n".Replace(there.HostKeys[0], (await Keys.UserAsync()).TypeAndBlob);
        string obsolete = (await Keys.MakeAsync(lab.Folder["old"])).TypeAndBlob;
        string known = lab.Folder.Write("known", $"{before}[127.0.0.1]:{there.Port} {there.HostKeys[0]}\n[127.0.0.1]:{there.Port} {obsolete}\n");
        ManagedProcess here = await StartAsync(lab, Enum.Parse<Peer>(client), there, known, "yes");

        await here.WaitForLineAsync("Deprecating obsolete hostkey: ED25519", lab.Deadline);
        await Until.TrueAsync(() => !File.ReadAllText(known).Contains(obsolete, StringComparison.Ordinal), lab.Deadline); // it is told ahead of being done
        here.Signal(ManagedProcess.SigTerm);
        await here.WaitForExitAsync(lab.Deadline);
        Assert.Equal(2, here.CountLines("Learned new hostkey: "));
        string after = await File.ReadAllTextAsync(known);
        Assert.StartsWith(before, after, StringComparison.Ordinal);
        Assert.All(there.HostKeys, key => Assert.Contains($"[127.0.0.1]:{there.Port} {key}\n", after, StringComparison.Ordinal));
        Assert.DoesNotContain(obsolete, after, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(known));
    });

    [Theory]
    [InlineData("[127.0.0.1]:PORT,alias KEY\n", "yes")] // more than one name
    [InlineData("[127.0.0.*]:PORT KEY\n", "yes")]
    [InlineData("[127.0.0.1]:PORT KEY\nelsewhere OTHER\n", "yes")] // a key that others have too
    [InlineData("[127.0.0.1]:PORT KEY\n", "no")]
    [InlineData("[127.0.0.1]:PORT KEY\n", "ask")] // in batch mode nobody can be asked
    public Task Files_that_are_not_plain_stay_as_they_are(string file, string update) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { HostKeyTypes = ThreeKeys });
        string text = file.Replace("PORT", $"{there.Port}").Replace("KEY", there.HostKeys[0]).Replace("OTHER", there.HostKeys[1]);
        string known = lab.Folder.Write("known", text);
        ManagedProcess here = await StartAsync(lab, Peer.Adit, there, known, update);
        await here.WaitForLineAsync("Authenticated to ", lab.Deadline);

        // What the server says about its keys comes right behind the login, ahead of the answer to what is asked then.
        await here.WaitForLineAsync(update == "yes" ? "skipping UserKnownHostsFile update" : "Allocated port ", lab.Deadline);
        here.Signal(ManagedProcess.SigTerm);
        await here.WaitForExitAsync(lab.Deadline);
        Assert.Equal(0, here.CountLines("Learned new hostkey"));
        Assert.Equal(text, await File.ReadAllTextAsync(known));
    });

    [Theory]
    [InlineData("text")]
    [InlineData("list")]
    [InlineData("missing")]
    public Task Revoked_keys_are_refused_and_so_is_everything_where_the_list_cannot_be_read(string kind) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string key = lab.Folder.Write("revoked.pub", there.HostKeys[0] + "\n"), list = lab.Folder["revoked.krl"];
        if (kind == "list")
        {
            await lab.MustAsync(Machine.Tool("ssh-keygen"), "-k", "-f", list, key);
        }

        string file = kind == "text" ? key : list;
        await Compare.ClientsAsync(
            lab, there, new ClientOptions { Arguments = ["-o", $"RevokedHostKeys={file}"] }, kind == "missing" ? "in revoked keys file" : "revoked by file");
    });

    [Fact]
    public Task A_list_that_revokes_something_else_changes_nothing() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string key = lab.Folder.Write("revoked.pub", (await Keys.UserAsync()).PublicLine + "\n");
        await using Service echo = Service.Echo(lab.Deadline);
        await lab.StartClientAsync(Peer.Adit, there, new ClientOptions { Arguments = ["-o", $"RevokedHostKeys={key}"], Targets = [echo.Port] });
    });

    [Fact]
    public Task A_command_tells_what_is_known_and_is_asked_the_same() => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        string lines = lab.Folder.Write("lines", there.KnownHosts());
        string script = lab.Folder.WriteProgram("command", $"echo \"$@\" >> \"$1\"\ncat {lines}");
        var asked = new List<string>();
        foreach (Peer peer in new[] { Peer.OpenSsh, Peer.Adit })
        {
            string record = lab.Folder[$"asked.{peer}"];
            ProcessResult result = await lab.RunSshAsync(peer, there, new ClientOptions
            {
                KnownHosts = "",
                Arguments = ["-o", $"KnownHostsCommand={script} {record} %I %H %t %f %K %h %p %n '%%'", "-W", "127.0.0.1:1"],
            });
            Assert.Contains("open failed: connect failed: Connection refused", result.FirstErrorLine, StringComparison.Ordinal);
            asked.Add((await File.ReadAllTextAsync(record)).Replace(record, "", StringComparison.Ordinal));
        }

        Assert.Contains("HOSTNAME", asked[0], StringComparison.Ordinal);
        Assert.Equal(asked[0], asked[1]);
    });

    [Theory]
    [InlineData("FingerprintHash=md5")]
    [InlineData("FingerprintHash=sha256")]
    public Task A_host_key_is_drawn(string hash) => Lab.RunAsync(async lab =>
    {
        Server there = await lab.StartServerAsync(Peer.OpenSsh);
        var options = new ClientOptions { Identity = "", Arguments = ["-i", "/nowhere", "-o", "IdentityAgent=none", "-o", "VisualHostKey=yes", "-o", hash] };
        ProcessResult theirs = await lab.RunSshAsync(Peer.OpenSsh, there, options), ours = await lab.RunSshAsync(Peer.Adit, there, options);
        Assert.Contains(theirs.ErrorLines, line => line.StartsWith("Host key fingerprint is ", StringComparison.Ordinal));
        Assert.Equal(theirs.ErrorLines, ours.ErrorLines.Where(line => !line.StartsWith("adit: ", StringComparison.Ordinal)));
    });

    private static async Task<ManagedProcess> StartAsync(Lab lab, Peer peer, Server there, string known, string update)
    {
        IReadOnlyList<string> command = await Clients.SshCommandAsync(
            lab, peer, there, new ClientOptions { Arguments = ["-v", "-o", $"UserKnownHostsFile={known}", "-o", $"UpdateHostKeys={update}", "-R", "0:127.0.0.1:1"] }, []);
        return lab.Start($"client ({peer})", command[0], command.Skip(1));
    }
}
