using System.Globalization;
using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Peers;

internal sealed record ClientOptions
{
    /// <summary>What OpenSSH's client and ours are told; other clients keep their defaults.</summary>
    public Algorithms Algorithms { get; init; } = Algorithms.Default;

    /// <summary>The services to reach, one -L each.</summary>
    public IReadOnlyList<int> Targets { get; init; } = [];

    public string TargetHost { get; init; } = "127.0.0.1";

    /// <summary>The private key; the shared ed25519 user key by default, none when empty.</summary>
    public string? Identity { get; init; }

    /// <summary>More arguments for OpenSSH's client and ours. They come first, so they win.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    public bool Compression { get; init; }

    /// <summary>Rekey after that many bytes, where the client can be told.</summary>
    public int? RekeyBytes { get; init; }

    /// <summary>Where to connect to when something lies between client and server.</summary>
    public int? ConnectPort { get; init; }

    public string? User { get; init; }

    /// <summary>known_hosts; the server's true keys by default.</summary>
    public string? KnownHosts { get; init; }

    public string StrictHostKeyChecking { get; init; } = "yes";

    public bool BatchMode { get; init; } = true;

    public IReadOnlyDictionary<string, string?>? Environment { get; init; }

    /// <summary>What to run the client with (ip netns exec …).</summary>
    public IReadOnlyList<string> Prefix { get; init; } = [];
}

/// <summary>A running client; <paramref name="Ports"/> lead to the targets, in their order.</summary>
internal sealed record Client(Peer Kind, ManagedProcess Process, IReadOnlyList<int> Ports)
{
    public int Port => Ports[0];
}

internal static class Clients
{
    /// <summary>Starts a client and waits until all its forwards listen.</summary>
    public static async Task<Client> StartClientAsync(this Lab lab, Peer kind, Server server, ClientOptions options)
    {
        int[] ports = [.. options.Targets.Select(_ => Net.FreePort())];
        string[] forwards = [.. ports.Zip(options.Targets, (port, target) => $"127.0.0.1:{port}:{options.TargetHost}:{target}")];
        IReadOnlyList<string> command = kind switch
        {
            Peer.Adit or Peer.OpenSsh => await SshCommandAsync(lab, kind, server, options, forwards),
            Peer.Dropbear => await DbClientCommandAsync(lab, server, options, forwards),
            Peer.Plink => await PlinkCommandAsync(lab, server, options, forwards),
            Peer.AsyncSsh => await PythonCommandAsync("asyncssh", server, options, forwards),
            Peer.Paramiko => await PythonCommandAsync("paramiko", server, options, forwards),
            _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
        };
        var environment = new Dictionary<string, string?>(options.Environment ?? new Dictionary<string, string?>());
        if (kind is not (Peer.Adit or Peer.OpenSsh))
        {
            environment["HOME"] = lab.Folder.FullPath; // these keep files there
        }

        ManagedProcess process = lab.Start($"client ({kind})", command[0], command.Skip(1), environment);
        foreach (int port in ports)
        {
            await Net.WaitForListenerAsync(process, port, lab.Deadline);
        }

        return new Client(kind, process, ports);
    }

    /// <summary>Runs OpenSSH's client or ours to its end, which has to come soon: for everything that shall fail.</summary>
    public static async Task<ProcessResult> RunSshAsync(this Lab lab, Peer kind, Server server, ClientOptions options, params string[] forwards)
    {
        IReadOnlyList<string> command = await SshCommandAsync(lab, kind, server, options, forwards);
        ManagedProcess process = lab.Start($"client ({kind})", command[0], command.Skip(1), options.Environment);
        return await process.WaitForExitAsync(lab.Deadline).WaitAsync(TimeSpan.FromSeconds(45));
    }

    public static async Task<IReadOnlyList<string>> SshCommandAsync(Lab lab, Peer kind, Server server, ClientOptions options, IReadOnlyList<string> forwards)
    {
        List<string> command = [.. options.Prefix, .. Program(kind), "-F", "none", "-N", .. options.Arguments];
        foreach (string forward in forwards)
        {
            command.AddRange(["-L", forward]);
        }

        command.AddRange(options.Algorithms.ConfigLines().SelectMany(line => new[] { "-o", line.Replace(' ', '=') }));
        if (options.Compression)
        {
            command.Add("-C");
        }

        if (options.RekeyBytes is int bytes)
        {
            command.AddRange(["-o", $"RekeyLimit={bytes}"]);
        }

        string identity = options.Identity ?? (await Keys.UserAsync()).Path;
        if (identity.Length > 0)
        {
            command.AddRange(["-i", identity]);
        }

        string knownHosts = lab.Folder[$"known_hosts.{Guid.NewGuid():N}"];
        await File.WriteAllTextAsync(knownHosts, options.KnownHosts ?? server.KnownHosts(options.ConnectPort));
        command.AddRange(
        [
            "-o", $"UserKnownHostsFile={knownHosts}",
            "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", $"StrictHostKeyChecking={options.StrictHostKeyChecking}",
            "-o", $"BatchMode={(options.BatchMode ? "yes" : "no")}",
            "-o", "ExitOnForwardFailure=yes",
            "-p", (options.ConnectPort ?? server.Port).ToString(CultureInfo.InvariantCulture),
            $"{options.User ?? server.User}@{server.Host}",
        ]);
        return command;
    }

    /// <summary>The words that start a client: <c>adit ssh</c> or <c>ssh</c>.</summary>
    public static IReadOnlyList<string> Program(Peer kind) => kind == Peer.Adit ? [Machine.Adit, "ssh"] : [Machine.Tool("ssh")];

    private static async Task<IReadOnlyList<string>> DbClientCommandAsync(Lab lab, Server server, ClientOptions options, string[] forwards)
    {
        string key = lab.Folder["dbclient_key"];
        await lab.MustAsync(Machine.Tool("dropbearconvert"), "openssh", "dropbear", options.Identity ?? (await Keys.UserAsync()).Path, key);
        return
        [
            Machine.Tool("dbclient"), "-N", "-y", "-y", "-W", "2097152", "-i", key, "-p", Port(server, options),
            .. forwards.SelectMany(forward => new[] { "-L", forward }),
            $"{options.User ?? server.User}@{server.Host}",
        ];
    }

    private static async Task<IReadOnlyList<string>> PlinkCommandAsync(Lab lab, Server server, ClientOptions options, string[] forwards)
    {
        string plink = Machine.Tool("plink");
        string key = lab.Folder["plink.ppk"];
        await lab.MustAsync(Machine.Tool("puttygen"), options.Identity ?? (await Keys.UserAsync()).Path, "-O", "private", "-o", key);
        return
        [
            plink, "-ssh", "-batch", "-N", "-i", key, "-hostkey", server.Fingerprint, "-P", Port(server, options),
            .. options.Compression ? ["-C"] : Array.Empty<string>(),
            .. forwards.SelectMany(forward => new[] { "-L", forward }),
            $"{options.User ?? server.User}@{server.Host}",
        ];
    }

    private static async Task<IReadOnlyList<string>> PythonCommandAsync(string module, Server server, ClientOptions options, string[] forwards) =>
    [
        Machine.Python(module), "-W", "ignore", Machine.Here($"Peers/{module}_client.py"),
        server.Host, Port(server, options), options.User ?? server.User, options.Identity ?? (await Keys.UserAsync()).Path,
        server.HostKeys[0], options.Compression ? "zlib@openssh.com" : "none", (options.RekeyBytes ?? 0).ToString(CultureInfo.InvariantCulture),
        .. forwards,
    ];

    private static string Port(Server server, ClientOptions options) => (options.ConnectPort ?? server.Port).ToString(CultureInfo.InvariantCulture);
}
