using Adit.Cli.Tests.Terminal;
using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Sessions;

/// <summary>OpenSSH's server, and a client to compare with: whatever one of the two clients does, the other does.</summary>
internal sealed class ClientSessionLab
{
    private readonly Lab _lab;
    private readonly string _config;

    private ClientSessionLab(Lab lab, Server server, string config) => (_lab, Server, _config) = (lab, server, config);

    public Server Server { get; }

    /// <summary>The host's name in the configuration.</summary>
    public static string Host => "there";

    public static async Task<ClientSessionLab> CreateAsync(Lab lab, params string[] serverLines)
    {
        Server server = await lab.StartServerAsync(Peer.OpenSsh, new ServerOptions { Lines = [.. serverLines, "Subsystem sftp internal-sftp", "PrintMotd no", "PrintLastLog no"] });
        string config = await Route.WriteAsync(lab, [server], $"Host {Host}\n    HostName 127.0.0.1\n    Port {server.Port}\n    User {server.User}\n");
        return new ClientSessionLab(lab, server, config);
    }

    /// <summary>"ssh -F config" of one of the two.</summary>
    public string[] Command(Peer kind, params string[] arguments) => [.. Clients.Program(kind), "-F", _config, .. arguments];

    /// <summary>The program under a link named ssh: what sftp, scp and git start.</summary>
    public string Link()
    {
        string link = _lab.Folder["ssh"];
        if (!File.Exists(link))
        {
            File.CreateSymbolicLink(link, Machine.Adit);
        }

        return link;
    }

    public string Config => _config;

    public Task<ProcessResult> RunAsync(Peer kind, IReadOnlyDictionary<string, string?>? environment = null, string? input = null, params string[] arguments)
    {
        string[] command = Command(kind, arguments);
        return _lab.RunAsync($"client ({kind})", command[0], command[1..], environment, input);
    }

    /// <summary>Runs it on a terminal of its own, which the test holds the other side of.</summary>
    public ManagedProcess StartOn(PseudoTerminal terminal, Peer kind, params string[] arguments) =>
        _lab.Start($"client ({kind})", "/bin/sh", ["-c", "exec setsid -c \"$@\" <\"$0\" >\"$0\" 2>\"$0\"", terminal.Path, .. Command(kind, arguments)], new Dictionary<string, string?> { ["TERM"] = "xterm" });

    /// <summary>The same over a line of shell in which $ssh is the client.</summary>
    public Task<ProcessResult> ShellAsync(Peer kind, string line) =>
        _lab.RunAsync($"shell ({kind})", "/bin/bash", ["-c", $"ssh=({Route.Quote(Command(kind))}); {line}"]);
}
