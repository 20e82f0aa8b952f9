using System.Text.RegularExpressions;
using Adit.Interop.Tests.Authentication;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>What the server logs, line by line beside OpenSSH's, of the same logins by the same client: fail2ban, log readers and people look for these words.</summary>
public sealed partial class ServerLogTests
{
    /// <summary>What happens to a server.</summary>
    /// <param name="Lines">More lines of sshd_config.</param>
    /// <param name="Keys">What stands in authorized_keys; {KEY} is the user's key.</param>
    /// <param name="Act">What the clients do.</param>
    private sealed record Scenario(string[] Lines, string[] Keys, Func<Lab, Server, Task> Act)
    {
        /// <summary>Lines that one of the two has alone, in this scenario; docs/compatibility.md tells why.</summary>
        public Regex? Own { get; init; }
    }

    public static TheoryData<string> Cases() => new(All.Keys);

    private static Dictionary<string, Scenario> All { get; } = new(StringComparer.Ordinal)
    {
        ["key accepted, a command"] = Of([], (lab, there) => RunAsync(lab, there, "true")),
        ["key accepted, a subsystem"] = Of(["Subsystem echo /bin/echo"], (lab, there) => RunAsync(lab, there, "echo", "-s")),
        ["key accepted, a terminal"] = Of([], (lab, there) => RunAsync(lab, there, "true", "-tt")),
        ["key accepted, fingerprints in MD5"] = Of(["FingerprintHash md5"], (lab, there) => RunAsync(lab, there, "true")),
        ["key refused"] = Of([], async (lab, there) => await LogInAsync(lab, there, new ClientOptions { Identity = (await Keys.UserAsync("ecdsa-256")).Path })),
        ["password accepted"] = Of(["PasswordAuthentication yes"], (lab, there) => PasswordAsync(lab, there, right: true)),
        ["password wrong"] = Of(["PasswordAuthentication yes"], (lab, there) => PasswordAsync(lab, there, right: false)),
        ["passwords until there are too many"] = Of(["PasswordAuthentication yes", "MaxAuthTries 2"], (lab, there) => PasswordAsync(lab, there, right: false, tries: 5)),
        ["keys until there are too many"] = Of(["MaxAuthTries 2"], ManyKeysAsync),
        ["user unknown, key"] = Of([], (lab, there) => LogInAsync(lab, there, new ClientOptions { User = "nobody-of-that-name" })),
        ["user unknown, password"] = Of(["PasswordAuthentication yes"], (lab, there) => PasswordAsync(lab, there, right: false, user: "nobody-of-that-name")),
        ["certificate accepted"] = Of([], ["cert-authority {KEY}"], CertificateAsync),
        ["certificate of a trusted authority"] = Of(["TrustedUserCAKeys {CA}"], ["# none"], CertificateAsync),
        ["certificate for another name"] = Of([], ["cert-authority,principals=\"somebody\" {KEY}"], CertificateAsync),
        ["root refused, key"] = Of(["PermitRootLogin no"], (lab, there) => RunAsync(lab, there, "true")) with { Own = new Regex("^Accepted key|^Postponed") },
        ["root refused, password"] = Of(["PermitRootLogin no", "PasswordAuthentication yes"], (lab, there) => PasswordAsync(lab, there, right: false, user: "root")),
        ["root with a forced command only"] = Of(["PermitRootLogin forced-commands-only"], ["command=\"true\" {KEY}"], (lab, there) => RunAsync(lab, there, "true")),
        ["not among AllowUsers"] = Of(["AllowUsers somebody"], (lab, there) => RunAsync(lab, there, "true")),
        ["among DenyUsers"] = Of(["DenyUsers root"], (lab, there) => RunAsync(lab, there, "true")),
        ["not among AllowGroups"] = Of(["AllowGroups somebody"], (lab, there) => RunAsync(lab, there, "true")),
        ["among DenyGroups"] = Of(["DenyGroups root"], (lab, there) => RunAsync(lab, there, "true")),
        ["key from elsewhere"] = Of([], ["from=\"192.0.2.1\" {KEY}"], (lab, there) => RunAsync(lab, there, "true")),
        ["key expired"] = Of([], ["expiry-time=\"20200101\" {KEY}"], (lab, there) => RunAsync(lab, there, "true")),
        ["key with a command"] = Of([], ["command=\"true\" {KEY}"], (lab, there) => RunAsync(lab, there, "something else")),
        ["command of the server's"] = Of(["ForceCommand true"], (lab, there) => RunAsync(lab, there, "something else")),
        ["forward that the key forbids"] = Of([], ["no-port-forwarding {KEY}"], (lab, there) => RunAsync(lab, there, "true", "-W", "127.0.0.1:9")),
        ["forward elsewhere than the key allows"] = Of([], ["permitopen=\"localhost:1\" {KEY}"], (lab, there) => RunAsync(lab, there, "true", "-W", "127.0.0.1:9")),
        ["forward that the server forbids"] = Of(["AllowTcpForwarding no"], (lab, there) => RunAsync(lab, there, "true", "-W", "127.0.0.1:9")),
        ["forward to where nobody listens"] = Of([], (lab, there) => RunAsync(lab, there, "true", "-W", $"127.0.0.1:{Net.FreePort()}")),
        ["listening that the key forbids"] = Of([], ["no-port-forwarding {KEY}"], (lab, there) => RunAsync(lab, there, "true", "-N", "-R", $"{Net.FreePort()}:127.0.0.1:9")) with { Own = new Regex("^Received request") },
        ["listening elsewhere than the server allows"] = Of(["PermitListen 1"], (lab, there) => RunAsync(lab, there, "true", "-N", "-R", $"{Net.FreePort()}:127.0.0.1:9")),
        ["two steps"] = Of(["PasswordAuthentication yes", "AuthenticationMethods publickey,password"], (lab, there) => PasswordAsync(lab, there, right: true, key: true)),
        ["authorized_keys that others can write"] = Of(["StrictModes yes"], (lab, there) => RunAsync(lab, there, "true")),
        ["nothing in common"] = Of(["Ciphers aes128-ctr"], (lab, there) => RunAsync(lab, there, "true", "-c", "aes256-ctr")),
        ["hangs up at once"] = Of([], (lab, there) => RawAsync(lab, there, "")),
        ["hangs up after its version"] = Of([], (lab, there) => RawAsync(lab, there, "SSH-2.0-probe\r\n")),
        ["speaks another protocol"] = Of([], (lab, there) => RawAsync(lab, there, "GET / HTTP/1.0\r\n\r\n")),
        ["speaks an old protocol"] = Of([], (lab, there) => RawAsync(lab, there, "SSH-1.5-probe\r\n")),
        ["takes too long"] = Of(["LoginGraceTime 1"], (lab, there) => RawAsync(lab, there, "SSH-2.0-probe\r\n", wait: true)),
        ["dies in the middle of a command"] = Of([], DieAsync),
        ["no sessions allowed"] = Of(["MaxSessions 0"], (lab, there) => RunAsync(lab, there, "true")),
        ["banner and environment"] = Of(["AcceptEnv LC_*", "PermitUserEnvironment yes"], ["environment=\"A=b\" {KEY}"], (lab, there) => RunAsync(lab, there, "true", "-o", "SetEnv=LC_X=1 OTHER=2")),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_log_is_the_same(string name)
    {
        Need.Root(); // accounts, and whoever can refuse root
        string[] levels = ["INFO", "VERBOSE"];
        string[][] logs = await Task.WhenAll(levels.SelectMany(level => new[] { LogOfAsync(Peer.OpenSsh, name, level), LogOfAsync(Peer.Adit, name, level) }));
        for (int i = 0; i < levels.Length; i++)
        {
            string[] theirs = logs[2 * i], ours = logs[(2 * i) + 1];
            Assert.NotEmpty(theirs);
            Assert.True(
                theirs.Order(StringComparer.Ordinal).SequenceEqual(ours.Order(StringComparer.Ordinal)),
                $"{levels[i]}\nOpenSSH:\n  {string.Join("\n  ", theirs)}\nAdit:\n  {string.Join("\n  ", ours)}\n");
        }
    }

    // fail2ban's own filter counts the same failures in both.
    [Theory]
    [InlineData("normal")]
    [InlineData("aggressive")]
    public async Task Fail2ban_counts_the_same(string mode)
    {
        Need.Root();
        Need.Tools("fail2ban-regex");
        Need.That(File.Exists("/etc/fail2ban/filter.d/sshd.conf"), "fail2ban's filter for sshd");
        string[] names = mode == "normal"
            ? ["password wrong", "passwords until there are too many", "user unknown, password", "not among AllowUsers", "key accepted, a command"]
            : ["nothing in common", "speaks another protocol", "hangs up after its version", "key refused", "user unknown, key"];
        string[] counts = await Task.WhenAll(CountAsync(Peer.OpenSsh), CountAsync(Peer.Adit));
        Assert.Equal(counts[0], counts[1]);
        Assert.DoesNotContain(" 0 matched", counts[0], StringComparison.Ordinal);

        async Task<string> CountAsync(Peer kind)
        {
            using var folder = new TempFolder();
            var lines = new List<string>();
            for (int i = 0; i < names.Length; i++)
            {
                // As the system's log has them: each connection with its process.
                string[] log = await LogOfAsync(kind, names[i], "INFO");
                lines.AddRange(log.Select(line => $"{DateTime.Now:MMM dd HH:mm:ss} host sshd[{1000 + i}]: {line.Replace("port N", "port 4242", StringComparison.Ordinal)}"));
            }

            ProcessResult result = await ManagedProcess.RunAsync(
                "fail2ban-regex", Machine.Tool("fail2ban-regex"), [folder.Write("log", string.Join('\n', lines) + "\n"), $"sshd[mode={mode}]"], TimeSpan.FromSeconds(60));
            return Regex.Match(result.Output, @"\d+ ignored, \d+ matched").Value is { Length: > 0 } found ? found : result.ToString();
        }
    }

    private static async Task<string[]> LogOfAsync(Peer kind, string name, string level)
    {
        string[] lines = [];
        await Lab.RunAsync(async lab => lines = await LogOfAsync(lab, kind, All[name], level));
        return lines;
    }

    private static async Task<string[]> LogOfAsync(Lab lab, Peer kind, Scenario scenario, string level)
    {
        string key = (await Keys.UserAsync()).PublicLine, authority = (await Keys.UserAsync()).Path + ".pub";
        Server there = await lab.StartServerAsync(kind, new ServerOptions
        {
            Lines = [.. scenario.Lines.Select(line => line.Replace("{CA}", authority, StringComparison.Ordinal)), "PasswordAuthentication no", "KbdInteractiveAuthentication no"],
            AuthorizedKeys = [.. scenario.Keys.Select(line => line.Replace("{KEY}", key, StringComparison.Ordinal))],
            LogLevel = level,
        });
        await scenario.Act(lab, there);

        there.Process.Signal(ManagedProcess.SigTerm);
        ProcessResult result = await there.Process.WaitForExitAsync(lab.Deadline);
        return [.. result.ErrorLines
            .Select(line => Rule().Replace(OfThisRun().Replace(Number().Replace(line, "$1N"), "X"), "$1"))
            .Where(line => !Chosen().IsMatch(line) && scenario.Own?.IsMatch(line) != true)];
    }

    /// <summary>Lines that only one of the two has; docs/compatibility.md tells why.</summary>
    [GeneratedRegex("""
        ^User\ child\ is\ on\ pid\ | ^Transferred:\ | ^Closing\ connection\ to\  |
        ^Connection\ closed\ by\ (user\ \S+\ )?[\d.]+\ port\ N$ |
        ^Could\ not\ get\ shadow\ information\ for\ NOUSER | ^syslogin_perform_logout: |
        ^ROOT\ LOGIN\ REFUSED\ .*\[preauth\]$ | ^Root\ login\ accepted\ for\ forced\ command | ^monitor_read:\ unsupported\ request |
        ^Timeout\ before\ authentication\ for\  |
        ^Close\ session:  # OpenSSH's has it where the program ends before the client hangs up
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Chosen();

    /// <summary>Which rule it was that denied a forward, which OpenSSH does not say.</summary>
    [GeneratedRegex(@"^((?:refused|Received request).*?)(?: \(.*\))$")]
    private static partial Regex Rule();

    private static Scenario Of(string[] lines, Func<Lab, Server, Task> act) => new(lines, ["{KEY}"], act);

    private static Scenario Of(string[] lines, string[] keys, Func<Lab, Server, Task> act) => new(lines, keys, act);

    private static async Task RunAsync(Lab lab, Server there, string command, params string[] more)
    {
        List<string> words = [.. await Clients.SshCommandAsync(lab, Peer.OpenSsh, there, new ClientOptions { Arguments = [.. more, "-o", "IdentitiesOnly=yes"] }, [])];
        words.Remove("-N");
        await lab.RunAsync("client", words[0], [.. words.Skip(1), .. more.Contains("-W") ? Array.Empty<string>() : [command]]);
    }

    private static async Task LogInAsync(Lab lab, Server there, ClientOptions options)
    {
        List<string> words = [.. await Clients.SshCommandAsync(lab, Peer.OpenSsh, there, options with { Arguments = [.. options.Arguments, "-o", "IdentitiesOnly=yes"] }, [])];
        words.Remove("-N");
        await lab.RunAsync("client", words[0], [.. words.Skip(1), "true"], options.Environment);
    }

    private static async Task PasswordAsync(Lab lab, Server there, bool right, int tries = 2, string? user = null, bool key = false)
    {
        TemporaryUser account = await TemporaryUser.GetAsync();
        await LogInAsync(lab, there, new ClientOptions
        {
            User = user ?? account.Name,
            Identity = key ? null : "",
            BatchMode = false,
            Arguments = ["-o", $"PreferredAuthentications={(key ? "publickey," : "")}password", "-o", $"NumberOfPasswordPrompts={tries}"],
            Environment = KeyTests.AskPass(lab.Folder.WriteAskPass("askpass", right ? account.Password : "wrong")),
        });
    }

    private static async Task CertificateAsync(Lab lab, Server there)
    {
        KeyPair authority = await Keys.UserAsync();
        string path = lab.Folder["certified"];
        if (!File.Exists(path))
        {
            await Keys.MakeAsync(path);
            await Keys.RunKeygenAsync("-q", "-s", authority.Path, "-I", "the-id", "-n", there.User, "-z", "7", path + ".pub");
        }

        await LogInAsync(lab, there, new ClientOptions { Identity = path });
    }

    private static async Task ManyKeysAsync(Lab lab, Server there)
    {
        var identities = new List<string>();
        foreach (string type in new[] { "ecdsa-256", "ecdsa-384", "ecdsa-521" })
        {
            identities.AddRange(["-i", (await Keys.UserAsync(type)).Path]);
        }

        await LogInAsync(lab, there, new ClientOptions { Identity = "", Arguments = identities });
    }

    private static async Task RawAsync(Lab lab, Server there, string text, bool wait = false)
    {
        using System.Net.Sockets.Socket socket = await Net.ConnectAsync(there.Port, lab.Deadline);
        await Net.ReceiveExactlyAsync(socket, new byte[8], lab.Deadline);
        await Net.SendAllAsync(socket, System.Text.Encoding.ASCII.GetBytes(text), lab.Deadline);
        if (!wait)
        {
            socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        }

        try
        {
            await Net.ReceiveToEndAsync(socket, lab.Deadline);
        }
        catch (System.Net.Sockets.SocketException)
        {
            // It may end the connection that hard.
        }
    }

    private static async Task DieAsync(Lab lab, Server there)
    {
        List<string> words = [.. await Clients.SshCommandAsync(lab, Peer.OpenSsh, there, new ClientOptions(), [])];
        words.Remove("-N");
        ManagedProcess client = lab.Start("client", words[0], [.. words.Skip(1), "echo begun; exec sleep 30"]);
        await client.WaitForLineAsync("begun", lab.Deadline);
        client.Signal(ManagedProcess.SigKill);
        await client.WaitForExitAsync(lab.Deadline);
    }

    /// <summary>Keys and folders that each run makes for itself, and terminals.</summary>
    [GeneratedRegex("SHA256:[A-Za-z0-9+/]{43}|/tmp/adit-[^/]+|pts/[0-9]+")]
    private static partial Regex OfThisRun();

    [GeneratedRegex(@"(port |pid |\]:|originator \S+ port |, received |Transferred: sent )\d+")]
    private static partial Regex Number();
}
