using System.Text;
using Adit.Cli.Background;

namespace Adit.Cli.Tests.Background;

public sealed class BackgroundLauncherTests
{
    [Theory]
    [InlineData("adit", null, "adit ssh -N host")]
    [InlineData("/usr/bin/ssh", null, "/usr/bin/ssh -N host")]
    [InlineData("/usr/bin/dotnet", "/opt/adit.dll", "/usr/bin/dotnet /opt/adit.dll ssh -N host")]
    public void The_client_is_called_as_this_process_was(string name, string? assembly, string expected) =>
        Assert.Equal(expected, string.Join(' ', BackgroundLauncher.Ssh(Encoding.UTF8.GetBytes(name), assembly, ["-N", "host"]).Select(Encoding.UTF8.GetString)));

    [Fact]
    public void Only_the_runtimes_process_needs_to_be_told_the_assembly()
    {
        Assert.Null(BackgroundLauncher.Assembly("/usr/bin/adit"));
        Assert.True(File.Exists(BackgroundLauncher.Assembly("/usr/lib/dotnet/dotnet")));
    }
}
