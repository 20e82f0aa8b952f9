using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.X11;

/// <summary>X11 forwarding at our server, with OpenSSH's client and real programs.</summary>
public class X11ServerTests
{
    [Fact]
    public Task Fixture() => Lab.RunAsync(async lab =>
    {
        VirtualDisplay display = await VirtualDisplay.StartAsync(lab, 2);
        Assert.Equal(1, await display.ColoursAsync());
        ManagedProcess clock = lab.Start("xclock", Machine.Tool("xclock"), ["-title", "hello"], display.Environment);
        await display.WaitForWindowAsync("\"hello\"");
        await display.WaitForPictureAsync();
        Assert.NotEqual(0, (await lab.RunAsync("xdpyinfo", Machine.Tool("xdpyinfo"), [], new Dictionary<string, string?>(display.Environment) { ["XAUTHORITY"] = await display.AuthorityFileAsync(new string('0', 32)) })).ExitCode);
        clock.Signal(ManagedProcess.SigTerm);
        await display.WaitForNoWindowAsync("\"hello\"");
    });
}
