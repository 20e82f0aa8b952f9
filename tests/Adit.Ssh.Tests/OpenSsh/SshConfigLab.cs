using System.Net;
using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>A user with a home of their own and no other file, on a machine whose name and addresses are known.</summary>
internal sealed class SshConfigLab : IDisposable
{
    public SshConfigLab() => Context = new SshConfigContext
    {
        LocalUser = "me",
        UserId = 1000,
        HomeDirectory = Folder.Path,
        LocalHostName = "desk.example.com",
        SystemFolder = Folder["etc"],
        GetVariable = name => name switch { "VAR" => "value", "AGENT" => "/run/agent", "SSH_AUTH_SOCK" => "/run/usual", _ => null },
        GetLocalAddresses = () => [IPAddress.Parse("10.1.2.3"), IPAddress.Parse("2001:db8::7")],
        ResolveName = _ => null,
        Logger = Log,
    };

    public OpenSshTestFolder Folder { get; } = new();

    public ListLogger Log { get; } = new();

    public SshConfigContext Context { get; set; }

    public void Dispose() => Folder.Dispose();

    /// <summary>What holds for "host" with this config and these options of the command line.</summary>
    public SshConfigValues Resolve(string config, params string[] options) => Resolve("host", config, options);

    public SshConfigValues Resolve(string host, string config, string[] options) =>
        SshConfig.Resolve(host, options, SshConfigFiles.Only(Folder.Write("config", config)), Context);

    public SshException Fails(string config, params string[] options) => Assert.Throws<SshException>(() => Resolve(config, options));

    /// <summary>All that has been logged once this has run.</summary>
    public string LogAfter(Action action)
    {
        action();
        return string.Join('\n', Log.Lines.Select(line => line.Text));
    }
}
