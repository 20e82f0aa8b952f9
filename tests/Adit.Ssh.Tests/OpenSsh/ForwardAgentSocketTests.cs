using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

public sealed class ForwardAgentSocketTests
{
    [Theory]
    [InlineData("", null)]
    [InlineData("ForwardAgent no", null)]
    [InlineData("ForwardAgent yes", "/run/usual")]
    [InlineData("ForwardAgent yes\nIdentityAgent /run/other", "/run/other")]
    [InlineData("ForwardAgent yes\nIdentityAgent none", null)]
    [InlineData("ForwardAgent $AGENT\nIdentityAgent none", "/run/agent")]
    [InlineData("ForwardAgent $UNSET", null)]
    [InlineData("ForwardAgent /run/%h/${VAR}", "/run/host/value")]
    public void The_agent_to_forward_is_the_usual_one_or_another(string config, string? socket)
    {
        using var folder = new OpenSshTestFolder();
        var context = new SshConfigContext
        {
            GetVariable = name => name switch { "VAR" => "value", "AGENT" => "/run/agent", "SSH_AUTH_SOCK" => "/run/usual", _ => null },
        };
        Assert.Equal(socket, SshConfig.Resolve("host", [], SshConfigFiles.Only(folder.Write("config", config)), context).ForwardAgentSocket);
    }
}
