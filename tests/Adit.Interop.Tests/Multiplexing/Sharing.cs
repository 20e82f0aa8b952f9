using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Multiplexing;

/// <summary>A server, a master connected to it, and the words to use its connection.</summary>
internal sealed record Sharing(Lab Lab, Server Server, string Config, string Path, ManagedProcess? Master)
{
    /// <summary>The pairs that matter: our master with OpenSSH's client, the other way round, and ours with ours.</summary>
    public static TheoryData<Peer, Peer> Pairs => PeerPairs.WithOurs;

    /// <summary>Starts OpenSSH's server, and a master in the foreground; null for none.</summary>
    public static async Task<Sharing> StartAsync(Lab lab, Peer? master, IReadOnlyList<string>? serverLines = null, params string[] more)
    {
        Need.Tools("ssh", "sshd");
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = ["Subsystem sftp internal-sftp", "AcceptEnv ADIT_*", .. serverLines ?? []] });
        string config = await Route.WriteAsync(lab, [server]), path = lab.Folder["master"];
        var sharing = new Sharing(lab, server, config, path, null);
        if (master is not { } kind)
        {
            return sharing;
        }

        string[] command = sharing.Words(kind, ["-M", "-N", .. more]);
        ManagedProcess process = lab.Start($"master ({kind})", command[0], command[1..]);
        await Net.WaitUntilAsync(() => File.Exists(path) || process.HasExited, "the control socket", TimeSpan.FromSeconds(30));
        return sharing with { Master = process };
    }

    /// <summary>"ssh -F config -S path … -p port user@host".</summary>
    public string[] Words(Peer client, string[] options, params string[] command) =>
        [.. Clients.Program(client), "-F", Config, "-S", Path, .. options, "-p", Daemons.Text(Server.Port), $"{Server.User}@{Server.Host}", .. command];

    /// <summary>The same for a shell.</summary>
    public string Line(Peer client, string[] options, params string[] command) => Route.Quote(Words(client, options, command));

    public Task<ProcessResult> RunAsync(Peer client, string[] options, params string[] command) => RunAsync(client, options, command, null);

    public Task<ProcessResult> RunAsync(Peer client, string[] options, string[] command, string? input)
    {
        string[] words = Words(client, options, command);
        return Lab.RunAsync($"client ({client})", words[0], words[1..], input: input);
    }

    /// <summary>-O: has to succeed.</summary>
    public async Task<ProcessResult> AskAsync(Peer client, params string[] options)
    {
        ProcessResult result = await RunAsync(client, ["-O", .. options]);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result;
    }
}
