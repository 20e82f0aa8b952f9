using Adit.Interop.Tests.Forwarding;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.X11;

/// <summary>adit ssh -X and -Y with OpenSSH's server, and real programs on an X server of the test's (INVARIANTS 24, 27).</summary>
public sealed class X11ClientTests
{
    private const string Wrong = "X11 connection rejected because of wrong authentication.";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public Task A_window_of_a_program_at_the_server_shows_here_and_goes_with_the_session(bool trusted) => Lab.RunAsync(async lab =>
    {
        Need.Tools("xclock");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        ManagedProcess client = x11.Start(Peer.Adit, X11ClientLab.Flag(trusted), "exec xclock -update 1");
        string window = await x11.Display.WaitForWindowAsync("\"xclock\"");
        Assert.Contains("164x164", window, StringComparison.Ordinal);
        await x11.Display.WaitForPictureAsync();
        Assert.Empty(x11.CookieFolders);
        client.Signal(ManagedProcess.SigTerm);
        await client.WaitForExitAsync(lab.Deadline);
        await x11.Display.WaitForNoWindowAsync("\"xclock\"");
        Assert.Equal("", client.Errors);
    });

    [Fact]
    public Task Many_windows_at_once() => Lab.RunAsync(async lab =>
    {
        Need.Tools("xclock");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        ProcessResult result = await x11.RunAsync(Peer.Adit, ["-X"],
            "for i in 1 2 3 4 5 6 7 8; do xclock -title clock$i & all=\"$all $!\"; done; for n in $(seq 300); do [ $(xwininfo -root -tree | grep -c '\"clock[1-8]\"') -ge 8 ] && echo all && break; sleep 0.1; done; kill $all");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Equal("all\n", result.Output);
    });

    [Fact]
    public Task An_untrusted_program_may_not_do_what_a_trusted_one_may() => Lab.RunAsync(async lab =>
    {
        Need.Tools("xwd", "xdpyinfo");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        const string Command = "xdpyinfo | grep -c XTEST; xwd -silent -root > /dev/null && echo seen";
        ProcessResult trusted = await x11.RunAsync(Peer.Adit, ["-Y"], Command);
        Assert.Equal((0, "1\nseen\n"), (trusted.ExitCode, trusted.Output));
        ProcessResult untrusted = await x11.RunAsync(Peer.Adit, ["-X"], Command); // -X is not trusted, as in OpenSSH itself
        Assert.NotEqual(0, untrusted.ExitCode);
        Assert.Equal("0\n", untrusted.Output);
        Assert.Contains("xwd", untrusted.Errors, StringComparison.Ordinal); // what it says depends on what it is refused first
        Assert.Equal(0, (await x11.RunAsync(Peer.Adit, ["-X", "-o", "ForwardX11Trusted=yes"], Command)).ExitCode);
        Assert.Equal(0, (await x11.RunAsync(Peer.Adit, ["-Y", "-x", "-X"], Command)).ExitCode); // the last of -x and -X wins, and -Y's trust stays
        Assert.Equal("none\n", (await x11.RunAsync(Peer.Adit, ["-Y", "-x"], "echo ${DISPLAY:-none}")).Output);
    });

    // The second client's display is the first one's: localhost:10.0, a port.
    [Fact]
    public Task Over_two_servers_and_a_display_that_is_a_port() => Lab.RunAsync(async lab =>
    {
        Need.Tools("xclock");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        Server second = await X11ClientLab.ServeAsync(lab);
        string config = await Route.WriteAsync(lab, [x11.Server, second]);
        string[] inner = [.. Clients.Program(Peer.Adit), "-F", config, "-Y", "-p", Daemons.Text(second.Port), $"{second.User}@{second.Host}", "echo $DISPLAY; exec xclock"];
        ManagedProcess client = x11.Start(Peer.Adit, ["-Y"], $"echo $DISPLAY; {Route.Quote(inner)}");
        await x11.Display.WaitForWindowAsync("\"xclock\"");
        Assert.Matches("^localhost:1[0-9]+\\.0\nlocalhost:1[0-9]+\\.0\n$", client.Output);
    });

    [Fact]
    public Task A_program_with_the_wrong_cookie_or_none_is_turned_away() => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        string file = lab.Folder["wrong"];
        ProcessResult result = await x11.RunAsync(Peer.Adit, ["-Y"],
            $"xauth -q -f {file} add $DISPLAY . 00112233445566778899aabbccddeeff 2>/dev/null; XAUTHORITY={file} xdpyinfo >/dev/null; XAUTHORITY=/dev/null xdpyinfo >/dev/null; exit 7");
        Assert.Equal(7, result.ExitCode);
        Assert.Equal(2, result.ErrorLines.Count(line => line == Wrong));
        Assert.Equal(2, result.ErrorLines.Count(line => line.Contains("unable to open display", StringComparison.Ordinal)));
    });

    [Fact]
    public Task After_ForwardX11Timeout_no_new_program_comes_and_those_there_stay() => Lab.RunAsync(async lab =>
    {
        Need.Tools("xclock");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        ProcessResult result = await x11.RunAsync(Peer.Adit, ["-v", "-X", "-o", "ForwardX11Timeout=6s"],
            "xclock & for n in $(seq 300); do xdpyinfo >/dev/null 2>&1 || break; sleep 0.2; done; kill $! && echo was there");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Equal("was there\n", result.Output);
        Assert.Contains("Rejected X11 connection after ForwardX11Timeout expired", result.ErrorLines);
        Assert.Single(result.ErrorLines, line => line.StartsWith("X11 forwarding: ", StringComparison.Ordinal) && line.EndsWith("(ForwardX11Timeout); windows that are open stay.", StringComparison.Ordinal));
        Assert.Equal(0, (await x11.RunAsync(Peer.Adit, ["-X", "-o", "ForwardX11Timeout=0"], "xdpyinfo >/dev/null")).ExitCode); // no end
    });

    public static TheoryData<string> Troubles => ["no display", "wrong display", "no xauth, trusted", "no xauth, untrusted", "no X server, untrusted", "no cookie", "refused", "host key"];

    // OpenSSH's client says the same in the same order; ours adds lines that begin with its own name.
    [Theory]
    [MemberData(nameof(Troubles))]
    public Task What_is_amiss_is_told_in_OpenSSHs_words_and_the_session_goes_on(string trouble) => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab, forwards: trouble != "refused");
        string[] noXauth = ["-o", "XAuthLocation=/nonexistent/xauth"];
        string other = lab.Folder.Write("known_hosts.other", $"[{x11.Server.Host}]:{x11.Server.Port} {(await Keys.HostAsync("ecdsa-256")).TypeAndBlob}\n");
        const string NoCookie = "Warning: No xauth data; using fake authentication data for X11 forwarding.";
        const string Untrusted = "Warning: untrusted X11 forwarding setup failed: xauth key data not generated";
        (string[] options, string? line) = trouble switch
        {
            "no display" => (["-Y"], null),
            "wrong display" => (["-Y"], "DISPLAY \"$(id):0\" invalid; disabling X11 forwarding"),
            "no xauth, trusted" => ([.. X11ClientLab.Flag(true), .. noXauth], NoCookie),
            "no xauth, untrusted" => ([.. X11ClientLab.Flag(false), .. noXauth], Untrusted),
            "no X server, untrusted" => (X11ClientLab.Flag(false), Untrusted),
            "no cookie" => (["-Y"], NoCookie),
            "refused" => (["-Y"], "X11 forwarding request failed on channel 0"),
            _ => ((string[] Options, string? Line))(["-Y", "-o", "StrictHostKeyChecking=no", "-o", $"UserKnownHostsFile={other}"], "X11 forwarding is disabled to avoid man-in-the-middle attacks."),
        };
        var environment = new Dictionary<string, string?>(x11.Environment);
        environment["DISPLAY"] = trouble switch
        {
            "no display" => null,
            "wrong display" => "$(id):0",
            "no X server, untrusted" => ":59000",
            _ => x11.Display.Name,
        };
        if (trouble == "no cookie")
        {
            environment["XAUTHORITY"] = lab.Folder.Write("empty", "");
        }

        foreach (Peer client in new[] { Peer.OpenSsh, Peer.Adit })
        {
            // ExitOnForwardFailure would end the run where the host key is wrong.
            ProcessResult result = await x11.RunAsync(client, [.. options, "-o", "ExitOnForwardFailure=no"], environment, "echo on; exit 3");
            Assert.True(result.ExitCode == 3, $"{client}: {result}");
            Assert.Equal("on\n", result.Output);
            string[] lines = [.. result.ErrorLines.Where(said => !said.StartsWith("adit: ", StringComparison.Ordinal))];
            if (trouble == "host key")
            {
                Assert.Contains(line, lines);
            }
            else
            {
                Assert.Equal(line is null ? [] : [line], lines);
            }
        }

        Assert.Empty(x11.CookieFolders);
    });

    [Fact]
    public Task A_cookie_that_is_not_there_gets_no_program_in() => Lab.RunAsync(async lab =>
    {
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        var environment = new Dictionary<string, string?>(x11.Environment) { ["XAUTHORITY"] = lab.Folder.Write("empty", "") };
        ProcessResult result = await x11.RunAsync(Peer.Adit, ["-Y"], environment, "xdpyinfo > /dev/null");
        Assert.Equal(1, result.ExitCode);
        Assert.DoesNotContain(Wrong, result.ErrorLines); // our end let it through, the X server did not
        Assert.Contains("unable to open display", result.Errors, StringComparison.Ordinal);
    });

    [Fact]
    public Task In_the_background_the_window_stays_and_the_shell_is_free() => Lab.RunAsync(async lab =>
    {
        Need.Tools("xclock");
        X11ClientLab x11 = await X11ClientLab.StartAsync(lab);
        string file = lab.Folder["pid"];
        ProcessResult result = await x11.RunAsync(Peer.Adit, ["-f", "-X"], $"echo $$ > {file}; exec xclock");
        Assert.True(result.ExitCode == 0, result.ToString());
        await x11.Display.WaitForWindowAsync("\"xclock\"");
        ProcessIdentity clock = ProcessIdentity.Of(int.Parse(await File.ReadAllTextAsync(file, lab.Deadline), System.Globalization.CultureInfo.InvariantCulture))!;
        clock.Signal(ManagedProcess.SigTerm); // and with it the session and the client
        await x11.Display.WaitForNoWindowAsync("\"xclock\"");
        await x11.Server.Process.WaitForLineAsync("Disconnected from user", lab.Deadline);
    });
}
