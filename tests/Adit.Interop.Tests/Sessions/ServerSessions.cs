using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>Other people's clients with sessions at our server, or OpenSSH's.</summary>
internal static class ServerSessions
{
    /// <summary>The words of an ssh command without what is to run there.</summary>
    public static async Task<List<string>> SshWordsAsync(this Lab lab, Server server, string? user = null, params string[] options)
    {
        IReadOnlyList<string> words = await Clients.SshCommandAsync(lab, Peer.OpenSsh, server, new ClientOptions { User = user, Arguments = options }, []);
        return [.. words.Where(word => word != "-N")];
    }

    /// <summary>Runs a command with OpenSSH's client; its input is empty unless given.</summary>
    public static async Task<ProcessResult> SshAsync(this Lab lab, Server server, string command, string? user = null, string? input = null, params string[] options)
    {
        List<string> words = await lab.SshWordsAsync(server, user, ["-o", "LogLevel=ERROR", .. options]);
        if (command.Length > 0)
        {
            words.Add(command);
        }

        return await lab.RunAsync("ssh", words[0], words.Skip(1), input: input);
    }

    /// <summary>Runs the same command at OpenSSH's server and at ours, side by side. What it prints and its exit code have to be the same.</summary>
    /// <param name="lab">The test's.</param>
    /// <param name="start">Starts the server of that kind.</param>
    /// <param name="user">Who logs in.</param>
    /// <param name="options">The client's, in a row.</param>
    /// <param name="command">What runs there.</param>
    /// <param name="input">What it reads; nothing unless given.</param>
    public static async Task<(ProcessResult Theirs, ProcessResult Ours)> SameAtBothAsync(
        this Lab lab, Func<Peer, Task<Server>> start, TemporaryUser user, string options, string command, string? input = null)
    {
        ProcessResult[] results = await Task.WhenAll(new[] { Peer.OpenSsh, Peer.Adit }.Select(async kind =>
            await lab.SshAsync(await start(kind), command, user.Name, input, options.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.Equal(results[0].Output, results[1].Output);
        Assert.Equal(results[0].ExitCode, results[1].ExitCode);
        return (results[0], results[1]);
    }

    /// <summary>One scenario of asyncssh_session.py.</summary>
    public static async Task PlayAsync(this Lab lab, string scenario, Server server, string? user = null)
    {
        string python = Machine.Python("asyncssh");
        string folder = lab.Folder["files"];
        Directory.CreateDirectory(folder);
        string[] arguments =
        [
            "-W", "ignore", Machine.Here("Sessions/asyncssh_session.py"), scenario, server.Host, server.Port.ToString(CultureInfo.InvariantCulture), user ?? server.User,
            (await Keys.UserAsync()).Path, server.HostKeys[0], folder,
        ];
        ProcessResult result = await lab.RunAsync("asyncssh", python, arguments);
        Assert.Equal("ok\n", result.Output);
    }

    /// <summary>One word for a shell.</summary>
    public static string Quote(string word) => "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    public static string Quote(IEnumerable<string> words) => string.Join(' ', words.Select(Quote));

    /// <summary>A file with a link to the user's shell for whoever wants "ssh" as one program (rsync -e, GIT_SSH, scp -S).</summary>
    public static async Task<string> SshScriptAsync(this Lab lab, Server server, string? user = null)
    {
        List<string> words = await lab.SshWordsAsync(server, user);
        words.RemoveAt(words.Count - 1); // the destination is the caller's
        string script = lab.Folder.WriteProgram("ssh.sh", $"exec {Quote(words)} \"$@\"");
        return script;
    }
}
