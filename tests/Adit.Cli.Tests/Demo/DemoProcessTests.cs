using Adit.Cli.Tests.Client;
using Adit.Cli.Tests.Terminal;
using Adit.Interop.Tests.Harness;

namespace Adit.Cli.Tests.Demo;

public class DemoProcessTests
{
    [Fact]
    public async Task Once_is_enough()
    {
        var (exitCode, output, errors) = await AditProcess.RunAsync("demo", "--once");
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.Contains("the page through the tunnel: 200 OK", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_in_use_is_a_reason_and_a_failure()
    {
        await using var server = await TestServer.StartAsync();
        var (exitCode, _, errors) = await AditProcess.RunAsync("demo", "--once", "--port", $"{server.Port}");
        Assert.Equal(1, exitCode);
        Assert.StartsWith($"bind [127.0.0.1]:{server.Port}: Address already in use\n", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_stays_until_it_is_told_to_go()
    {
        var port = FreePorts.Take();
        await using var person = new PseudoTerminal();
        await using var demo = AditProcess.StartOn(person, "demo", "--port", $"{port}");
        await person.WaitForAsync("Ctrl-C ends it.");
        Assert.StartsWith("HTTP/1.1 404", await demo.EchoAsync(port, "GET /nothing HTTP/1.1\r\n\r\n"), StringComparison.Ordinal);
        await person.WaitForAsync("Through the tunnel: 2 connections");
        person.Type("\u0003");
        Assert.Equal(0, await demo.WaitAsync());
    }

    [Theory]
    [InlineData(2, "demo", "--twice")]
    [InlineData(2, "dmeo")]
    [InlineData(0, "demo", "--help")]
    [InlineData(0, "help", "demo")]
    [InlineData(0, "--help")]
    [InlineData(0, "--version")]
    [InlineData(0, "ssh", "--help")]
    [InlineData(0, "-Q", "cipher")]
    [InlineData(255, "-Q", "nonsense")]
    [InlineData(255, "ssh")]
    public async Task Exit_codes(int expected, params string[] arguments) => Assert.Equal(expected, (await AditProcess.RunAsync(arguments)).ExitCode);
}
