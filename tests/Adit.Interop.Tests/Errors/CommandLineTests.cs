using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.Errors;

/// <summary>Command lines that cannot be right, on both sides.</summary>
public sealed class CommandLineTests
{
    [Theory]
    [InlineData("Bad local forwarding specification 'nonsense'", "-N -L nonsense host")]
    [InlineData("Bad local forwarding specification '0:host:80'", "-N -L 0:host:80 host")]
    [InlineData("Bad local forwarding specification '1:2:3:4:5'", "-N -L 1:2:3:4:5 host")]
    [InlineData("Bad local forwarding specification '70000:host:80'", "-N -L 70000:host:80 host")]
    [InlineData("Bad port '0'", "-N -p 0 host")]
    [InlineData("Bad port '65536'", "-N -p 65536 host")]
    [InlineData("Unknown cipher type 'rot13'", "-N -c rot13 host")]
    [InlineData("Unknown mac type 'sum'", "-N -m sum host")]
    [InlineData("command-line: line 0: Bad configuration option: nosuchoption", "-N -o nosuchoption=1 host")]
    [InlineData("command-line", "-N -o Port=abc host")]
    [InlineData("command-line", "-N -o StrictHostKeyChecking=perhaps host")]
    [InlineData("command-line", "-N -o RekeyLimit=1 host")]
    [InlineData("Unsupported KEX algorithm \"nosuchkex\"", "-N -o KexAlgorithms=nosuchkex host")]
    [InlineData("Can't open user config file /nowhere: No such file or directory", "-N -F /nowhere host")]
    [InlineData("usage: ssh ", "-N")]
    [InlineData("usage: ssh ", "ssh://host:22/path")]
    [InlineData("unknown option -- ", "-N -j host")]
    [InlineData("option requires an argument -- p", "-N -p")]
    public Task Client(string expected, string arguments) => Lab.RunAsync(async lab =>
    {
        string[] words = arguments.Split(' ');
        await Compare.CommandLinesAsync(lab, expected, arguments.Contains("-F") ? words : ["-F", "none", .. words]);
    });

    [Theory]
    [InlineData("NoSuchKeyword yes", "Bad configuration option: NoSuchKeyword")]
    [InlineData("Port abc", "Badly formatted port number.")]
    [InlineData("StrictModes perhaps", "unsupported option \"perhaps\"")]
    [InlineData("PermitRootLogin perhaps", "unsupported option \"perhaps\"")]
    [InlineData("Ciphers rot13", "Bad SSH2 cipher spec 'rot13'.")]
    [InlineData("KexAlgorithms rot13", "Bad SSH2 KexAlgorithms 'rot13'.")]
    [InlineData("ClientAliveInterval", "no argument after keyword \"ClientAliveInterval\"")]
    [InlineData("StrictModes yes please", "keyword StrictModes extra arguments at end of line")]
    public Task Server_configuration(string line, string expected) => Lab.RunAsync(async lab =>
    {
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.OpenSsh, Net.FreePort(), new ServerOptions { Lines = ["# a comment", line] });
        await CompareAsync(lab, expected, ["-D", "-e", "-f", config]);
    });

    [Fact]
    public Task Server_without_host_keys() => Lab.RunAsync(async lab =>
    {
        string config = lab.Folder.Write("sshd_config", $"Port {Net.FreePort()}\nListenAddress 127.0.0.1\nPidFile none\nHostKey /nowhere/key\n");
        await CompareAsync(lab, "Unable to load host key", ["-D", "-e", "-f", config]);
    });

    [Fact]
    public Task Server_whose_port_is_taken() => Lab.RunAsync(async lab =>
    {
        await using Service taken = Service.Echo(lab.Deadline);
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.OpenSsh, taken.Port, new ServerOptions());
        await CompareAsync(lab, $"Bind to port {taken.Port} on 127.0.0.1 failed: Address already in use.", ["-D", "-e", "-f", config]);
    });

    [Fact]
    public Task Server_tests_a_good_configuration() => Lab.RunAsync(async lab =>
    {
        Directory.CreateDirectory("/run/sshd");
        string config = await Servers.WriteSshdConfigAsync(lab, Peer.OpenSsh, Net.FreePort(), new ServerOptions());
        ProcessResult result = await lab.RunAsync("server (Adit)", Machine.Adit, ["sshd", "-t", "-f", config]);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("", result.Errors);
    });

    [Theory]
    [InlineData("ssh", "--help")]
    [InlineData("sshd", "--help")]
    [InlineData("keygen", "--help")]
    [InlineData("demo", "--help")]
    [InlineData("--help", "")]
    [InlineData("--version", "")]
    public Task Helps(string word, string option) => Lab.RunAsync(async lab =>
    {
        ProcessResult result = await lab.RunAsync("adit", Machine.Adit, option.Length > 0 ? [word, option] : [word]);
        Assert.Equal(0, result.ExitCode);
        Assert.NotEqual("", result.Output);
        Assert.Equal("", result.Errors);
    });

    [Fact]
    public Task Says_its_version_on_stderr() => Lab.RunAsync(async lab =>
    {
        ProcessResult result = await lab.RunAsync("adit", Machine.Adit, ["ssh", "-V"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.NotEqual("", result.Errors);
    });

    private static async Task CompareAsync(Lab lab, string expected, string[] arguments)
    {
        if (Machine.IsRoot)
        {
            Directory.CreateDirectory("/run/sshd");
        }

        ProcessResult theirs = await lab.RunAsync("server (OpenSSH)", Machine.Tool("sshd"), arguments);
        ProcessResult ours = await lab.RunAsync("server (Adit)", Machine.Adit, ["sshd", .. arguments]);
        Assert.Contains(expected, theirs.Errors, StringComparison.Ordinal);
        Compare.SameFirstLine(theirs, ours);
        Assert.Equal(theirs.ExitCode, ours.ExitCode);
    }
}
