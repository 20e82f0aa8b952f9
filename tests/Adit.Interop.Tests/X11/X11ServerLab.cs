using System.Globalization;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;
using Adit.Interop.Tests.Sessions;

namespace Adit.Interop.Tests.X11;

/// <summary>A server that forwards X11, OpenSSH's client, and the display of that client.</summary>
internal sealed class X11ServerLab
{
    private readonly Lab _lab;
    private readonly string? _user;

    private X11ServerLab(Lab lab, VirtualDisplay display, Server server, string? user) => (_lab, Display, Server, _user) = (lab, display, server, user);

    /// <summary>Where windows shall be.</summary>
    public VirtualDisplay Display { get; }

    public Server Server { get; }

    /// <summary>Who logs in.</summary>
    public string User => _user ?? Server.User;

    /// <param name="lab">The test.</param>
    /// <param name="kind">Whose server.</param>
    /// <param name="lines">sshd_config lines that come first.</param>
    /// <param name="lastLines">Those that come last.</param>
    /// <param name="options">In front of the key in authorized_keys.</param>
    /// <param name="user">A temporary user, with the usual ~/.ssh/authorized_keys and ~/.Xauthority; whoever runs the tests, with files of the test's, for null.</param>
    /// <param name="screens">The display's.</param>
    public static async Task<X11ServerLab> StartAsync(
        Lab lab, Peer kind, IReadOnlyList<string>? lines = null, IReadOnlyList<string>? lastLines = null, string options = "", string? user = null, int screens = 1)
    {
        Need.Tools("xclock", "xwd");
        VirtualDisplay display = await VirtualDisplay.StartAsync(lab, screens);
        string own = user is null ? $"SetEnv XAUTHORITY={lab.Folder["Xauthority.there"]} {Servers.Home(lab)}" : "AuthorizedKeysFile .ssh/authorized_keys";
        Server server = await lab.StartServerAsync(kind, new ServerOptions
        {
            AuthorizedKeys = [$"{options} {(await Keys.UserAsync()).PublicLine}".TrimStart()],
            Lines = [.. lines ?? [], "X11Forwarding yes", own],
            LastLines = lastLines ?? [],
        });
        return new X11ServerLab(lab, display, server, user);
    }

    /// <summary>The port behind a display's name.</summary>
    public static int PortOf(string display) => 6000 + int.Parse(display.Split(':')[1].Split('.')[0], CultureInfo.InvariantCulture);

    /// <summary>Begins a command at the server.</summary>
    public async Task<ManagedProcess> StartAsync(string command, params string[] options)
    {
        List<string> words = await WordsAsync(options);
        return _lab.Start("ssh", words[0], [.. words.Skip(1), command], Display.Environment);
    }

    /// <summary>Runs a command at the server to its end.</summary>
    public Task<ProcessResult> RunAsync(string command, params string[] options) => RunAsync(command, 0, options);

    /// <inheritdoc cref="RunAsync(string, string[])"/>
    public async Task<ProcessResult> RunAsync(string command, int screen, params string[] options)
    {
        List<string> words = await WordsAsync(options);
        var environment = new Dictionary<string, string?>(Display.Environment) { ["DISPLAY"] = string.Create(CultureInfo.InvariantCulture, $"{Display.Name}.{screen}") };
        return await _lab.RunAsync("ssh", words[0], [.. words.Skip(1), command], environment);
    }

    private Task<List<string>> WordsAsync(string[] options) => _lab.SshWordsAsync(Server, _user, ["-Y", "-o", $"XAuthLocation={Machine.Tool("xauth")}", .. options]);
}
