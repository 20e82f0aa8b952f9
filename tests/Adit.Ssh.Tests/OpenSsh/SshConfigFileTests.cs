using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>Which files a client's config is read from, and what they include.</summary>
public sealed class SshConfigFileTests : IDisposable
{
    private readonly SshConfigLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData("0622")]
    [InlineData("0602")]
    public void A_user_file_that_others_may_write_is_refused(string mode)
    {
        string file = _lab.Folder.Write("user", "Port 2\n", mode);
        var error = Assert.Throws<SshException>(() => SshConfig.Resolve("host", [], new SshConfigFiles(file, null), _lab.Context));
        Assert.Equal((SshError.FileAccess, $"Bad owner or permissions on {file}"), (error.Error, error.Message));
        Assert.Equal(2, SshConfig.Resolve("host", [], SshConfigFiles.Only(file), _lab.Context).Port);
        Assert.Equal(2, SshConfig.Resolve("host", [], new SshConfigFiles(null, file), _lab.Context).Port);
    }

    [Fact]
    public void A_named_file_must_be_there()
    {
        var error = Assert.Throws<SshException>(() => SshConfig.Resolve("host", [], SshConfigFiles.Only("/nonexistent"), _lab.Context));
        Assert.Equal((SshError.FileAccess, "Can't open user config file /nonexistent: No such file or directory"), (error.Error, error.Message));
        Assert.Equal(SshConfigFiles.None, SshConfigFiles.Only("NONE"));
    }

    [Fact]
    public void Relative_includes_are_in_the_user_s_or_the_system_s_folder()
    {
        Directory.CreateDirectory(_lab.Folder[".ssh"]);
        Directory.CreateDirectory(_lab.Folder["etc"]);
        _lab.Folder.Write(".ssh/x", "User user\n");
        _lab.Folder.Write("etc/x", "Port 3\n");
        string user = _lab.Folder.Write("user", "Include x ~/.ssh/x\n"), system = _lab.Folder.Write("system", "Include x\n");
        var values = SshConfig.Resolve("host", [], new SshConfigFiles(user, system), _lab.Context);
        Assert.Equal(("user", 3), (values.User, values.Port));
        _lab.Folder.Write("system", "Include ~/x\n");
        Assert.Contains("bad include path ~/x.", _lab.LogAfter(() => Assert.Throws<SshException>(() => SshConfig.Resolve("host", [], new SshConfigFiles(user, system), _lab.Context))));
    }

    [Fact]
    public void Includes_take_tokens_and_variables()
    {
        _lab.Folder.Write("host-value", "Port 5\n");
        Assert.Equal(5, _lab.Resolve("Include ~/%h-${VAR}").Port);
        Assert.Contains("env var ${NOPE} has no value", _lab.LogAfter(() => _lab.Fails("Include ~/${NOPE}")));
    }

    [Fact]
    public void Includes_go_sixteen_deep()
    {
        for (int i = 0; i <= 17; i++)
            _lab.Folder.Write($"deep{i}", $"Include {_lab.Folder[$"deep{i + 1}"]}\n");
        Assert.Equal("Too many recursive configuration includes", _lab.Fails($"Include {_lab.Folder["deep0"]}\n").Message);
        _lab.Folder.Write("deep15", "Port 5\n");
        Assert.Equal(5, _lab.Resolve($"Include {_lab.Folder["deep0"]}\n").Port);
    }

    [Theory]
    [InlineData("a.conf", "*.conf", true)]
    [InlineData(".a.conf", "*.conf", false)]
    [InlineData(".a.conf", ".*.conf", true)]
    [InlineData("b1", "[ab][!2-9]", true)]
    [InlineData("b3", "[ab][!2-9]", false)]
    [InlineData("[", "[", true)]
    [InlineData("]", "[]]", true)]
    [InlineData("*", "\\*", true)]
    [InlineData("x", "\\*", false)]
    public void File_patterns(string name, string pattern, bool expected) => Assert.Equal(expected, FileGlob.Matches(name, pattern));
}
