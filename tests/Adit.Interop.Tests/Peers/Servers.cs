using Adit.Interop.Tests.Harness;

namespace Adit.Interop.Tests.Peers;

internal sealed record ServerOptions
{
    /// <summary>What OpenSSH's server and ours are told; dropbear gets the host key of that type and keeps its defaults.</summary>
    public Algorithms Algorithms { get; init; } = Algorithms.Default;

    /// <summary>More sshd_config lines. They come first, so they win.</summary>
    public IReadOnlyList<string> Lines { get; init; } = [];

    /// <summary>sshd_config lines that come last: Match blocks.</summary>
    public IReadOnlyList<string> LastLines { get; init; } = [];

    /// <summary>The keys that may log in, as lines of authorized_keys; by default the shared ed25519 user key.</summary>
    public IReadOnlyList<string>? AuthorizedKeys { get; init; }

    /// <summary>Types of host keys; by default the one that <see cref="Algorithms"/> asks for.</summary>
    public IReadOnlyList<string>? HostKeyTypes { get; init; }

    /// <summary>What to run the server with (ip netns exec …).</summary>
    public IReadOnlyList<string> Prefix { get; init; } = [];

    public string ListenAddress { get; init; } = "127.0.0.1";

    /// <summary>OpenSSH's LogLevel.</summary>
    public string LogLevel { get; init; } = "INFO";
}

/// <summary>A running SSH server and what a client needs to know of it.</summary>
internal sealed record Server(Peer Kind, ManagedProcess Process, int Port, string User, IReadOnlyList<string> HostKeys, string Fingerprint)
{
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>known_hosts lines that make the server known under <paramref name="port"/> (a relay's, where one lies between).</summary>
    public string KnownHosts(int? port = null) => string.Concat(HostKeys.Select(key => $"[{Host}]:{port ?? Port} {key}\n"));
}

internal static class Servers
{
    public static Task<Server> StartServerAsync(this Lab lab, Peer kind, ServerOptions? options = null) => kind switch
    {
        Peer.Adit => StartSshdAsync(lab, kind, Machine.Adit, ["sshd"], options ?? new()),
        Peer.OpenSsh => StartSshdAsync(lab, kind, Machine.Tool("sshd"), [], options ?? new()),
        Peer.Dropbear => StartDropbearAsync(lab, options ?? new()),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a server"),
    };

    /// <summary>Writes a configuration for OpenSSH's sshd or ours; the port is the caller's.</summary>
    public static async Task<string> WriteSshdConfigAsync(Lab lab, Peer kind, int port, ServerOptions options)
    {
        string authorizedKeys = lab.Folder.Write("authorized_keys", string.Join('\n', options.AuthorizedKeys ?? [(await Keys.UserAsync()).PublicLine]) + "\n");
        List<string> lines = [.. options.Lines];
        if (kind is Peer.Adit or Peer.OpenSsh)
        {
            lines.AddRange(options.Algorithms.ConfigLines());
        }

        lines.AddRange(
        [
            $"Port {port}",
            $"ListenAddress {options.ListenAddress}",
            $"AuthorizedKeysFile {authorizedKeys}",
            "StrictModes no", // the folder lies below /tmp
            "PermitRootLogin yes",
            "UsePAM no",
            "PidFile none",
            $"LogLevel {options.LogLevel}",
        ]);
        foreach (string type in HostKeyTypes(options))
        {
            lines.Add("HostKey " + (await Keys.HostAsync(type)).Path);
        }

        lines.AddRange(options.LastLines);
        if (!lines.Any(line => line.StartsWith("SetEnv ", StringComparison.Ordinal)))
        {
            lines.AddRange([$"Match User {Machine.UserName}", $"    SetEnv {Home(lab)}"]);
        }

        return lab.Folder.Write($"sshd_config.{port}", string.Join('\n', lines) + "\n");
    }

    /// <summary>For SetEnv, where whoever runs the tests logs in: a home of the test's own. bash reads ~/.bashrc for commands over SSH too, and what people have there takes long,
    /// waits for locks (pyenv's for a minute) and writes lines of its own.</summary>
    public static string Home(Lab lab) => "HOME=" + Directory.CreateDirectory(lab.Folder["home"]).FullName;

    private static IReadOnlyList<string> HostKeyTypes(ServerOptions options) =>
        options.HostKeyTypes ?? [Keys.TypeFor(options.Algorithms.HostKey)];

    private static async Task<Server> StartSshdAsync(Lab lab, Peer kind, string program, string[] leading, ServerOptions options)
    {
        if (kind == Peer.OpenSsh && Machine.IsRoot)
        {
            Directory.CreateDirectory("/run/sshd"); // where its unprivileged half lives; the package's service makes it
        }

        int port = Net.FreePort();
        string config = await WriteSshdConfigAsync(lab, kind, port, options);
        string[] command = [.. options.Prefix, program, .. leading, "-D", "-e", "-f", config];
        ManagedProcess process = lab.Start($"server ({kind})", command[0], command[1..]);
        await Net.WaitForListenerAsync(process, port, lab.Deadline);
        KeyPair[] hostKeys = await Task.WhenAll(HostKeyTypes(options).Select(Keys.HostAsync));
        return new Server(kind, process, port, Machine.UserName, [.. hostKeys.Select(key => key.TypeAndBlob)], hostKeys[0].Fingerprint);
    }

    // dropbear reads authorized_keys from the user's home only: it logs a temporary user in, not whoever runs the tests.
    private static async Task<Server> StartDropbearAsync(Lab lab, ServerOptions options)
    {
        Need.Tools("dropbear", "dropbearkey");
        TemporaryUser user = await TemporaryUser.GetAuthorizedAsync();

        string type = HostKeyTypes(options)[0];
        string path = lab.Folder["dropbear_host_key"];
        string[] kind = type.Split('-') is [var name, var bits] ? ["-t", name, "-s", bits] : type == "rsa" ? ["-t", "rsa", "-s", "2048"] : ["-t", type];
        string said = await lab.MustAsync(Machine.Tool("dropbearkey"), [.. kind, "-f", path]);
        string line = said.Split('\n').First(text => text.StartsWith("ssh-", StringComparison.Ordinal) || text.StartsWith("ecdsa-", StringComparison.Ordinal));

        int port = Net.FreePort();
        ManagedProcess process = lab.Start(
            "server (Dropbear)", Machine.Tool("dropbear"), ["-F", "-E", "-p", $"127.0.0.1:{port}", "-r", path, "-P", lab.Folder["dropbear.pid"]]);
        await Net.WaitForListenerAsync(process, port, lab.Deadline);
        return new Server(Peer.Dropbear, process, port, user.Name, [string.Join(' ', line.Split(' ').Take(2))], "");
    }
}
