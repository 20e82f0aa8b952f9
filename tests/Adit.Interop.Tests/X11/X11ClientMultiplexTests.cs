using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Multiplexing;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.X11;

/// <summary>Windows over a shared connection: they show on the master's display, ours and OpenSSH's in both places.</summary>
public sealed class X11ClientMultiplexTests
{
    public static TheoryData<Peer, Peer> Pairs => Sharing.Pairs;

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_passengers_windows_show_on_the_masters_display(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        (string path, _) = await StartMasterAsync(lab, x11, master, X11ClientLab.Flag(true));

        // Two at once, since they share one cookie; the display that they have set is not used.
        var environment = new Dictionary<string, string?> { ["DISPLAY"] = ":59000", ["TMPDIR"] = x11.Temporary };
        ProcessResult[] results = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => x11.RunAsync(client, ["-S", path, "-Y"], environment, "xdpyinfo | grep -c XTEST")));
        Assert.All(results, result => Assert.True((result.ExitCode, result.Output) == (0, "1\n"), result.ToString()));
        ProcessResult without = await x11.RunAsync(client, ["-S", path, "-x"], "echo ${DISPLAY:-none}");
        Assert.Equal((0, "none\n"), (without.ExitCode, without.Output));
        Assert.Equal(1, x11.Server.Process.CountLines("Accepted publickey"));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_master_without_X11_forwards_no_windows_of_others(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        (string path, _) = await StartMasterAsync(lab, x11, master, ["-x", "-A"]);
        ProcessResult result = await x11.RunAsync(client, ["-S", path, "-Y"], "echo ${DISPLAY:-none}");
        Assert.Equal((0, "none\n"), (result.ExitCode, result.Output));
    });

    [Theory]
    [MemberData(nameof(Pairs))]
    public Task A_refusal_is_told_to_the_passenger(Peer master, Peer client) => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab, forwards: false);
        (string path, ManagedProcess process) = await StartMasterAsync(lab, x11, master, ["-Y"]);
        ProcessResult result = await x11.RunAsync(client, ["-S", path, "-Y"], "echo on; exit 3");
        Assert.Equal((3, "on\n"), (result.ExitCode, result.Output));
        Assert.Equal(["X11 forwarding request failed"], result.ErrorLines);
        Assert.Equal("", process.Errors); // which has no session (-N), so that it has asked for none
    });

    // OpenSSH's master would ask for the display with its first cookie, whose time is over.
    [Fact]
    public Task A_session_after_the_timeout_gets_the_full_time_anew() => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        (string path, _) = await StartMasterAsync(lab, x11, Peer.Adit, [.. X11ClientLab.Flag(false), "-o", "ForwardX11Timeout=5s"]);
        ProcessResult first = await x11.RunAsync(Peer.Adit, ["-S", path, "-X"], "xdpyinfo >/dev/null && echo there; for n in $(seq 300); do xdpyinfo >/dev/null 2>&1 || break; sleep 0.2; done");
        Assert.Equal((0, "there\n"), (first.ExitCode, first.Output));
        ProcessResult second = await x11.RunAsync(Peer.Adit, ["-S", path, "-X"], "xdpyinfo >/dev/null && echo there");
        Assert.Equal((0, "there\n"), (second.ExitCode, second.Output));
    });

    private static async Task<(string Path, ManagedProcess Process)> StartMasterAsync(Lab lab, X11ClientLab x11, Peer kind, string[] options)
    {
        string path = lab.Folder["master"];
        ManagedProcess master = x11.Start(kind, ["-M", "-N", "-S", path, .. options]);
        await Net.WaitUntilAsync(() => File.Exists(path) || master.HasExited, "the control socket", TimeSpan.FromSeconds(30));
        return (path, master);
    }
}
