using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Forwarding;

/// <summary>A configuration file that knows the way to some servers. What several machines in a row need to be logged in to comes from there: a jump host gets
/// nothing of the command line but -F and -v.</summary>
internal static class Route
{
    public static async Task<string> WriteAsync(Lab lab, IEnumerable<Server> servers, string more = "")
    {
        string knownHosts = lab.Folder.Write("known_hosts.route", string.Concat(servers.Select(server => server.KnownHosts())));
        return lab.Folder.Write("ssh_config.route", $"""
            {more}
            Host *
                IdentityFile {(await Keys.UserAsync()).Path}
                IdentitiesOnly yes
                UserKnownHostsFile {knownHosts}
                GlobalKnownHostsFile /dev/null
                StrictHostKeyChecking yes
                BatchMode yes
                ExitOnForwardFailure yes
            """ + "\n");
    }

    /// <summary>How a server is named on a command line with -J.</summary>
    public static string Hop(Server server) => $"{server.User}@{server.Host}:{server.Port}";

    /// <summary>"adit ssh -F config … -p port user@host".</summary>
    public static string[] Arguments(string config, Server server, params string[] more) =>
        ["ssh", "-F", config, .. more, "-p", Daemons.Text(server.Port), $"{server.User}@{server.Host}"];

    /// <summary>Runs a line of shell that has to succeed, and returns what it prints.</summary>
    public static async Task<string> ShellAsync(Lab lab, string line)
    {
        ProcessResult result = await lab.RunAsync("sh", "/bin/sh", ["-c", line]);
        Assert.True(result.ExitCode == 0, $"{line}: {result}");
        return result.Output;
    }

    /// <summary>Words for a shell.</summary>
    public static string Quote(params string[] words) => string.Join(' ', words.Select(word => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
}
