using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.X11;

/// <summary>OpenSSH's server that forwards X11, an X server at our side, and a client between them.</summary>
internal sealed class X11ClientLab
{
    private readonly Lab _lab;

    private X11ClientLab(Lab lab, VirtualDisplay display, Server server, string config, string temporary)
    {
        (_lab, Display, Server, Config, Temporary) = (lab, display, server, config, temporary);
        Environment = new Dictionary<string, string?>(display.Environment) { ["TMPDIR"] = temporary };
    }

    public VirtualDisplay Display { get; }

    public Server Server { get; }

    /// <summary>A configuration that knows the way.</summary>
    public string Config { get; }

    /// <summary>The client's temporary folder.</summary>
    public string Temporary { get; }

    /// <summary>Where a cookie for untrusted programs is made, while it is made.</summary>
    public IEnumerable<string> CookieFolders => Directory.GetDirectories(Temporary);

    /// <summary>Finds the display.</summary>
    public Dictionary<string, string?> Environment { get; }

    public static async Task<X11ClientLab> StartAsync(Lab lab, bool forwards = true)
    {
        Need.Tools("sshd");
        VirtualDisplay display = await VirtualDisplay.StartAsync(lab);
        Server server = await ServeAsync(lab, forwards);
        string temporary = lab.Folder["tmp"];
        Directory.CreateDirectory(temporary);
        return new X11ClientLab(lab, display, server, await Route.WriteAsync(lab, [server]), temporary);
    }

    /// <summary>A server whose users' cookies stay in the test's folder.</summary>
    public static Task<Server> ServeAsync(Lab lab, bool forwards = true) => lab.StartServerAsync(Peer.OpenSsh, new ServerOptions
    {
        Lines = [$"X11Forwarding {(forwards ? "yes" : "no")}", $"SetEnv XAUTHORITY={lab.Folder.Write($"Xauthority.{Guid.NewGuid():N}", "")} {Servers.Home(lab)}", "PrintMotd no", "PrintLastLog no"],
    });

    /// <summary>"-X" or "-Y" in a way that Debian's client understands as OpenSSH's own.</summary>
    public static string[] Flag(bool trusted) => trusted ? ["-Y"] : ["-X", "-o", "ForwardX11Trusted=no"];

    public string[] Words(Peer client, string[] options, params string[] command) =>
        [.. Clients.Program(client), "-F", Config, .. options, "-p", Daemons.Text(Server.Port), $"{Server.User}@{Server.Host}", .. command];

    public Task<ProcessResult> RunAsync(Peer client, string[] options, params string[] command) => RunAsync(client, options, Environment, command);

    public Task<ProcessResult> RunAsync(Peer client, string[] options, IReadOnlyDictionary<string, string?> environment, params string[] command)
    {
        string[] words = Words(client, options, command);
        return _lab.RunAsync($"client ({client})", words[0], words[1..], environment);
    }

    public ManagedProcess Start(Peer client, string[] options, params string[] command)
    {
        string[] words = Words(client, options, command);
        return _lab.Start($"client ({client})", words[0], words[1..], Environment);
    }
}
