using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Agent;

/// <summary>OpenSSH's agent with a key of its own, and ways over several servers on which that key, in that agent, is all there is to log in with.</summary>
internal sealed class AgentLab
{
    public const string Comment = "adit test";

    private readonly Lab _lab;

    private AgentLab(Lab lab, string socket, KeyPair key)
    {
        (_lab, Socket, Key) = (lab, socket, key);
        Environment = new Dictionary<string, string?> { ["SSH_AUTH_SOCK"] = socket, ["DISPLAY"] = null };
    }

    /// <summary>The agent's socket.</summary>
    public string Socket { get; }

    /// <summary>The one key, which logs in everywhere.</summary>
    public KeyPair Key { get; }

    /// <summary>What the agent's programs need.</summary>
    public Dictionary<string, string?> Environment { get; }

    /// <param name="lab">The test.</param>
    /// <param name="constraints">ssh-add's arguments in front of the key's file.</param>
    public static async Task<AgentLab> StartAsync(Lab lab, params string[] constraints)
    {
        Need.Tools("ssh-agent", "ssh-add");
        string socket = lab.Folder["agent.sock"];
        ManagedProcess process = lab.Start("ssh-agent", Machine.Tool("ssh-agent"), ["-D", "-a", socket]);
        await process.WaitForLineAsync("SSH_AUTH_SOCK", lab.Deadline);
        var agent = new AgentLab(lab, socket, await Keys.UserAsync());
        await agent.AddAsync(constraints);
        return agent;
    }

    public async Task AddAsync(params string[] constraints)
    {
        ProcessResult added = await _lab.RunAsync("ssh-add", Machine.Tool("ssh-add"), ["-q", .. constraints, Key.Path], Environment);
        Assert.True(added.ExitCode == 0, "ssh-add: " + added);
    }

    /// <summary>A server with a host key of a type that the test's others do not have.</summary>
    public Task<Server> ServeAsync(Peer kind, string hostKeyType = "ed25519", ServerOptions? options = null) =>
        _lab.StartServerAsync(kind, (options ?? new ServerOptions()) with { HostKeyTypes = [hostKeyType] });

    /// <summary>The words that run a command at a server with the agent forwarded, and with no key but the agent's.</summary>
    public IReadOnlyList<string> Ssh(Peer client, Server server, string command, params string[] arguments)
    {
        string knownHosts = _lab.Folder[$"known_hosts.{server.Port}"];
        File.WriteAllText(knownHosts, server.KnownHosts());
        return
        [
            .. Clients.Program(client), "-F", "none", "-A", .. arguments,
            "-o", "IdentityFile=none", "-o", $"UserKnownHostsFile={knownHosts}", "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-p", server.Port.ToString(CultureInfo.InvariantCulture), $"{server.User}@{server.Host}", command,
        ];
    }

    /// <summary>Runs a command at the end of a way, each hop's client on the server before it.</summary>
    public async Task<ProcessResult> RunAsync(IReadOnlyList<(Peer Client, Server Server)> way, string command, params string[] firstArguments)
    {
        for (int i = way.Count - 1; i > 0; i--)
        {
            command = string.Join(' ', Ssh(way[i].Client, way[i].Server, command).Select(Quote));
        }

        IReadOnlyList<string> words = Ssh(way[0].Client, way[0].Server, command, firstArguments);
        return await _lab.RunAsync($"client ({way[0].Client})", words[0], words.Skip(1), Environment);
    }

    public static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
