using Adit.Interop.Tests.Errors;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.DropIn;

/// <summary>Both clients with the same mistake: the first line on stderr and the exit code are the same. What needs a server is in <see cref="ErrorTests"/> and
/// <see cref="ForwardMessageTests"/>.</summary>
public sealed class ClientMessageTests
{
    /// <summary>Rows that run at the same time.</summary>
    private const int Together = 4;

    /// <summary>Whole files; \n is a new line.</summary>
    private static readonly string[] Files =
    [
        "Host *\\n  NoSuchThing yes", "Host *\\n  Port abc", "Host *\\n Include", "Match nonsense x", "Host a\\n User \"unclosed", "Host *\\n Port", "Host *\\n Ciphers rot13",
        "Host *\\n StrictHostKeyChecking maybe", "Host *\\n ProxyJump a b", "Host *\\n LocalForward 1", "Host *\\n SendEnv", "Host *\\n Port 22 23", "Match user x all",
        "Host *\\n HostName %q", "IgnoreUnknown Foo\\nFoo bar\\nBar foo", "Host *\\n IdentityFile", "Match exec", "Host *\\n User \"a\" b", "Host *\\n ConnectTimeout -1",
        "Host *\\n UserKnownHostsFile ~x/%Z", "Host *\\n ProxyCommand", "Host *\\n RekeyLimit 1", "Host *\\n Match x", "Host",
    ];

    /// <summary>Words behind "-F none"; PORT is one where nobody listens, FOLDER the test's folder.</summary>
    private static readonly string[] CommandLines =
    [
        "-p abc h", "-o Port=0 h", "-e xx h", "-D abc h", "-R abc h", "-W abc h", "-Q nonsense", "-O nonsense h", "-o =x h", "-o BatchMode h", "-f h", "-s h", "-- -x true", "-l -x h", "u;ser@h",
        "-o LogLevel=bad h", "-o AddressFamily=x h", "-o RemoteCommand=x h y", "-o HostKeyAlgorithms=bad h", "-o PubkeyAcceptedAlgorithms=bad h", "-o MACs= h", "-o RekeyLimit=x h",
        "-o IPQoS=x h", "-o SetEnv=x h", "-o KexAlgorithms=+bad h", "-o FingerprintHash=x h", "-o ServerAliveInterval=x h", "-o PermitRemoteOpen=x h", "-o StreamLocalBindMask=9 h",
        "-o EscapeChar=xx h", "-L 1:a:b h", "-L /a:/b:/c h", "-o ExitOnForwardFailure=x h", "-w x h", "-E FOLDER/missing/log h", "-J user@host:bad h",
        "-p 22x h", "-p 0 h", "-J a/b h", "-J a,,b h", "-L 8080:a h", "-L 8080:a:0 h", "-R x:y:z h", "-e ^ab h", "-D x:y h",
        "-F FOLDER/missing h", "-E FOLDER h", "-E FOLDER/missing/log -Q nonsense", "-o User=-x h", "-o User=a;b h", "-N -s h", "-O check -O exit h", "-O check -W a:1 h", "-y -E FOLDER/log h", "-c rot13 h",
        "-S none -O check h", "-S FOLDER/nothing -O check h", "-S FOLDER/nothing -O exit h", "-S FOLDER/nothing -O forward -L 1:a:2 h",
    ];

    /// <summary>Words behind "-F none -G" that are taken. EMPTY is an empty word, _ a blank.</summary>
    private static readonly string[] Taken =
    [
        "-p _22 h", "-p +22 h", "-p ssh h", "-o Port=\"_22\" h", "ssh://h:", "ssh://h:http", "ssh://u@h:2222/", "-p 33 -l me ssh://u@h:22", "u@v@h", "EMPTY", "u@", "-l a -o User=b h",
        "-fNTL8080:a:1 -p 4 h -oPort=5", "-Nvv4 h", "-NvvL8080:a:22 h", "h -l x -- -p 3", "-oRequestTTY=yes -t h", "-oRequestTTY=no -t h", "-tt h", "-T -t h",
        "-oControlMaster=yes -M h", "-oControlMaster=auto -M h", "-MM h", "-S none h", "-c aes128-ctr, h", "-o Ciphers=aes128-ctr,, h", "-46 h", "-64 h", "-qqv h", "-J a@b:3,c h", "-J none h", "h cmd -v -p 1",
    ];

    /// <summary>What goes wrong on the way to a server.</summary>
    private static readonly string[] Connections =
    [
        "-p PORT 127.0.0.1 true", "no-such-host.invalid true", "-J no-such-host.invalid 127.0.0.1 true", "-J 127.0.0.1:PORT 127.0.0.1 true", "-o ProxyCommand=FOLDER/leaves h true",
        "-o ProxyCommand=/nonexistent/program h true", "-b no-such-host.invalid -p PORT 127.0.0.1 true", "-b 192.0.2.7 -p PORT 127.0.0.1 true",
        "-B nosuchif0 -p PORT 127.0.0.1 true", "-4 -p PORT ::1 true", "-6 -p PORT 127.0.0.1 true", "-t -T -p PORT 127.0.0.1 true", "-N -f -p PORT 127.0.0.1",
        "-W a:1 -N -p PORT 127.0.0.1 command", "-o IdentityFile=/nonexistent -p PORT 127.0.0.1 true", "-i /nonexistent -p PORT 127.0.0.1 true", "-i FOLDER -p PORT 127.0.0.1 true",
        "-o CanonicalizeHostname=yes -o CanonicalizeFallbackLocal=no -o CanonicalDomains=invalid h true", "-q -p PORT 127.0.0.1 true", "-N -L PORT:127.0.0.1:9 -p PORT 127.0.0.1",
    ];

    [Fact]
    public Task A_line_of_a_file_that_cannot_be_right() => Lab.RunAsync(lab => CompareAsync(lab, Files.Select((text, number) =>
        (text, (string[])["-F", lab.Folder.Write($"config{number}", text.Replace("\\n", "\n", StringComparison.Ordinal).Replace("%%", "%", StringComparison.Ordinal) + "\n"), "host.invalid", "true"]))));

    [Fact]
    public Task A_command_line_that_cannot_be_right() => Lab.RunAsync(lab => CompareAsync(lab, Words(lab, CommandLines)));

    [Fact]
    public Task A_command_line_that_looks_odd_and_is_right() => Lab.RunAsync(async lab =>
    {
        Need.Tools("ssh");
        var different = new List<string>();
        foreach ((string name, string[] arguments) in Words(lab, Taken))
        {
            // An argument that a script left empty cannot be written between blanks.
            string[] filled = [.. arguments.Select(word => word == "EMPTY" ? "" : word.Replace('_', ' '))];
            ProcessResult[] results = await Task.WhenAll(new[] { Peer.OpenSsh, Peer.Adit }.Select(peer =>
            {
                IReadOnlyList<string> program = Clients.Program(peer);
                return lab.RunAsync($"client ({peer})", program[0], [.. program.Skip(1), "-G", .. filled]);
            }));
            string theirs = Shown(results[0]), ours = Shown(results[1]);
            if (theirs != ours || results[0].ExitCode != 0)
            {
                different.Add($"{name}\n  {theirs}\n  {ours}");
            }
        }

        Assert.True(different.Count == 0, string.Join('\n', different));
    });

    /// <summary>What these command lines are about.</summary>
    private static string Shown(ProcessResult result) => string.Join(", ", result.Output.Split('\n').Where(line =>
        line.Split(' ')[0] is "user" or "hostname" or "port" or "requesttty" or "controlmaster" or "controlpath" or "localforward" or "addressfamily" or "sessiontype" or "loglevel" or "proxyjump").Append($"{result.ExitCode}"));

    [Fact]
    public Task A_server_that_cannot_be_reached() => Lab.RunAsync(async lab =>
    {
        // One that leaves before it has read anything ends OpenSSH's client in the one or the other way: by the write that fails, or by the end that it reads.
        lab.Folder.WriteProgram("leaves", "read line\nexit 1");
        await CompareAsync(lab, Words(lab, Connections));
    });

    private static IEnumerable<(string Name, string[] Arguments)> Words(Lab lab, string[] rows)
    {
        string port = $"{Net.FreePort()}";
        return rows.Select(row => (row, (string[])["-F", "none",
            .. row.Replace("PORT", port, StringComparison.Ordinal).Replace("FOLDER", lab.Folder.FullPath, StringComparison.Ordinal).Split(' ')]));
    }

    private static async Task CompareAsync(Lab lab, IEnumerable<(string Name, string[] Arguments)> rows)
    {
        var different = new List<string>();
        foreach ((string Name, string[] Arguments)[] batch in rows.Chunk(Together))
        {
            ProcessResult[] results = await Task.WhenAll(batch.SelectMany(row => new[] { Peer.OpenSsh, Peer.Adit }.Select(peer =>
            {
                IReadOnlyList<string> program = Clients.Program(peer);
                return lab.RunAsync($"client ({peer})", program[0], [.. program.Skip(1), .. row.Arguments]);
            })));
            for (int i = 0; i < batch.Length; i++)
            {
                ProcessResult theirs = results[2 * i], ours = results[(2 * i) + 1];
                if ((theirs.ExitCode, Compare.Normalise(theirs.FirstErrorLine)) != (ours.ExitCode, Compare.Normalise(ours.FirstErrorLine)) || theirs.ExitCode == 0)
                {
                    different.Add($"{batch[i].Name}\n  {theirs.ExitCode} {theirs.FirstErrorLine}\n  {ours.ExitCode} {ours.FirstErrorLine}");
                }
            }
        }

        Assert.True(different.Count == 0, string.Join('\n', different));
    }
}
