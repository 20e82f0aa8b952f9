using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Adit.Interop.Tests.Harness;
using Adit.Interop.Tests.Peers;

namespace Adit.Interop.Tests.X11;

/// <summary>X11 forwarding at our server, with OpenSSH's client and real programs; what can be compared is compared with real sshd.</summary>
public class X11ServerTests
{
    private const string Refused = "X11 forwarding request failed on channel 0";

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task A_program_at_the_server_shows_its_window_at_the_client(Peer kind) => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, kind);
        ManagedProcess session = await x11.StartAsync("echo display $DISPLAY; exec xclock -digital -title 'from there'");
        string display = (await session.WaitForLineAsync("display ", lab.Deadline)).Split(' ')[1];
        Assert.Matches("^localhost:[0-9]+\\.0$", display);
        await x11.Display.WaitForWindowAsync("\"from there\"");
        await x11.Display.WaitForPictureAsync();
        int port = X11ServerLab.PortOf(display);
        Assert.True(Net.IsListening(port));

        // The client goes without a word.
        session.Signal(ManagedProcess.SigKill);
        await x11.Display.WaitForNoWindowAsync("\"from there\"");
        await Net.WaitUntilAsync(() => !Net.IsListening(port), "the display is gone with the connection", TimeSpan.FromSeconds(20));
    });

    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Programs_find_their_display_and_their_cookie(Peer kind) => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, kind, screens: 2);
        ProcessResult result = await x11.RunAsync("echo $DISPLAY; xauth -n list; stat -c %a $XAUTHORITY; xdpyinfo | grep -E '^(name of display|number of screens|default screen)'", screen: 1, "-v");
        Assert.True(result.ExitCode == 0, result.ToString());
        string[] lines = result.Output.TrimEnd().Split('\n');
        string display = lines[0];
        Assert.EndsWith(".1", display, StringComparison.Ordinal);
        Assert.Matches($"^{Dns.GetHostName()}/unix:{X11ServerLab.PortOf(display) - 6000} +MIT-MAGIC-COOKIE-1 +[0-9a-f]{{32}}$", lines[1]);
        Assert.DoesNotContain(x11.Display.Cookie, result.Output, StringComparison.Ordinal);
        Assert.Matches("ctype x11 rchan [0-9]+ win 65536 max 16384\n", result.Errors);
        Assert.Matches("client_request_x11: request from (127\\.0\\.0\\.1|::1) [0-9]+\n", result.Errors);
        Assert.Equal("600", lines[2]);
        Assert.Equal([$"name of display:    {display}", "default screen number:    1", "number of screens:    2"], lines[3..]);
    });

    // X11UseLocalhost no: every address, and the machine's name.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task With_X11UseLocalhost_no_it_is_the_machines_display(Peer kind) => Lab.RunAsync(async lab =>
    {
        string host = Dns.GetHostName();
        Need.That(await IsKnownAsync(host), "an address for this machine's name");
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, kind, lines: ["X11UseLocalhost no"]);
        ProcessResult result = await x11.RunAsync("echo $DISPLAY; xdpyinfo | head -1; P=$(expr 6000 + $(echo $DISPLAY | sed 's/.*:\\([0-9]*\\).*/\\1/')); ss -Hltn | tr -s ' ' | cut -d' ' -f4 | grep \":$P\\$\" | sort");
        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.Matches($"^{host}:[0-9]+\\.0$", lines[0]);
        Assert.Equal($"name of display:    {lines[0]}", lines[1]);
        int port = X11ServerLab.PortOf(lines[0]);
        Assert.Equal(Socket.OSSupportsIPv6 ? [$"0.0.0.0:{port}", $"[::]:{port}"] : [$"0.0.0.0:{port}"], lines[2..]);
    });

    // INVARIANTS 24. With each, the line that OpenSSH's client shows from -v on, up to what only ours says.
    [Theory]
    [InlineData("X11Forwarding no", "", "X11 forwarding disabled in server configuration file. (X11Forwarding no)")]
    [InlineData("DisableForwarding yes", "", "X11 forwarding disabled in server configuration file. (DisableForwarding yes)")]
    [InlineData("Match User *\nX11Forwarding no", "", "X11 forwarding disabled in server configuration file. (X11Forwarding no)")]
    [InlineData("", "no-X11-forwarding", "X11 forwarding disabled by key options.")]
    [InlineData("", "restrict", "X11 forwarding disabled by key options.")]
    [InlineData("XAuthLocation /nowhere/xauth", "", "No xauth program; cannot forward X11.")]
    [InlineData("", "no-port-forwarding,no-agent-forwarding,no-pty", null)]
    [InlineData("", "restrict,x11-forwarding", null)]
    [InlineData("AllowTcpForwarding no\nPermitTTY no\nForceCommand echo \"[$DISPLAY]\"", "", null)]
    public Task It_is_refused_where_it_may_not_be(string configuration, string options, string? reason) => Lab.RunAsync(async lab =>
    {
        bool isMatch = configuration.StartsWith("Match", StringComparison.Ordinal);
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit, lines: isMatch || configuration.Length == 0 ? [] : [configuration], lastLines: isMatch ? [configuration] : [], options: options);
        ProcessResult result = await x11.RunAsync("echo \"[$DISPLAY]\"", "-v");
        Assert.True(result.ExitCode == 0, result.ToString());
        if (reason is null)
        {
            Assert.StartsWith("[localhost:", result.Output, StringComparison.Ordinal);
            return;
        }

        Assert.Equal("[]\n", result.Output);
        Assert.Contains(Refused, result.ErrorLines);
        Assert.Contains("debug1: Remote: " + reason, result.Errors, StringComparison.Ordinal);
    });

    [Fact]
    public Task A_certificate_has_to_permit_it() => Lab.RunAsync(async lab =>
    {
        KeyPair authority = await Keys.MakeAsync(lab.Folder["ca"]), user = await Keys.MakeAsync(lab.Folder["user"]);
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit, lines: [$"TrustedUserCAKeys {authority.Path}.pub"]);
        foreach (bool permitted in new[] { true, false })
        {
            string[] limits = permitted ? [] : ["-O", "no-x11-forwarding"];
            await Keys.RunKeygenAsync(["-q", "-s", authority.Path, "-I", "id", "-n", x11.User, .. limits, user.Path + ".pub"]);
            ProcessResult result = await x11.RunAsync("echo \"[$DISPLAY]\"", "-v", "-i", user.Path, "-o", "IdentitiesOnly=yes");
            Assert.Equal(permitted, result.Output.StartsWith("[localhost:", StringComparison.Ordinal));
            Assert.Equal(!permitted, result.Errors.Contains("debug1: Remote: X11 forwarding disabled by key options.", StringComparison.Ordinal));
        }
    });

    // The display's number is free, but one of its addresses is somebody else's: programs would bring that one their cookies.
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public Task A_taken_number_is_left_out(string address) => Lab.RunAsync(async lab =>
    {
        Need.That(address == "127.0.0.1" || Socket.OSSupportsIPv6, "IPv6");
        const int Tries = 20;
        int port = Net.FreePort(inARow: Tries); // the server takes one of those behind it
        using var other = new TcpListener(IPAddress.Parse(address), port);
        other.Start();
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit, lines: [$"X11DisplayOffset {port - 6000}"]);
        ProcessResult result = await x11.RunAsync("echo $DISPLAY; xdpyinfo | head -1");
        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.InRange(X11ServerLab.PortOf(lines[0]), port + 1, port + Tries - 1);
        Assert.Equal($"name of display:    {lines[0]}", lines[1]);
        Assert.False(other.Pending());
    });

    [Fact]
    public Task The_wrong_cookie_is_refused_by_the_client() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit);
        ProcessResult result = await x11.RunAsync($"xauth -q add $DISPLAY MIT-MAGIC-COOKIE-1 {new string('0', 32)}; xdpyinfo; echo ended $?");
        Assert.Contains("ended 1", result.Output, StringComparison.Ordinal);
        Assert.Contains("X11 connection rejected because of wrong authentication.", result.Errors, StringComparison.Ordinal);
    });

    // ssh(1): a session's end is not that of its windows, and the client waits for them.
    [Fact]
    public Task A_window_outlives_its_session_but_the_display_does_not() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit);
        ManagedProcess session = await x11.StartAsync("echo display $DISPLAY; xclock -title left >/dev/null 2>&1 & pid=$!; until xwininfo -name left >/dev/null 2>&1; do :; done; echo over $pid");
        string display = (await session.WaitForLineAsync("display ", lab.Deadline)).Split(' ')[1];
        int clock = int.Parse((await session.WaitForLineAsync("over ", lab.Deadline)).Split(' ')[1], CultureInfo.InvariantCulture);
        await Net.WaitUntilAsync(() => !Net.IsListening(X11ServerLab.PortOf(display)), "the display is gone with its session", TimeSpan.FromSeconds(20));
        await x11.Display.WaitForWindowAsync("\"left\"");
        Assert.False(session.HasExited);
        ProcessIdentity.Of(clock)!.Signal(ManagedProcess.SigTerm);
        Assert.Equal(0, (await session.WaitForExitAsync(lab.Deadline)).ExitCode);
    });

    [Fact]
    public Task Sessions_of_one_connection_have_displays_of_their_own() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit);
        string socket = lab.Folder["mux"];
        ManagedProcess master = await x11.StartAsync("echo display $DISPLAY; exec sleep 100", "-M", "-S", socket);
        string first = (await master.WaitForLineAsync("display ", lab.Deadline)).Split(' ')[1];
        ProcessResult second = await x11.RunAsync("echo $DISPLAY; xdpyinfo | head -1", "-S", socket);
        string[] lines = second.Output.TrimEnd().Split('\n');
        Assert.NotEqual(first, lines[0]);
        Assert.Equal($"name of display:    {lines[0]}", lines[1]);
        await Net.WaitUntilAsync(() => !Net.IsListening(X11ServerLab.PortOf(lines[0])), "the second session's display is gone with it", TimeSpan.FromSeconds(20));
        Assert.True(Net.IsListening(X11ServerLab.PortOf(first)));
    });

    [Fact]
    public Task Much_data_goes_both_ways() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit);
        ManagedProcess clock = lab.Start("xclock", Machine.Tool("xclock"), ["-title", "here", "-geometry", "640x480+0+0"], x11.Display.Environment);
        await x11.Display.WaitForWindowAsync("\"here\"");
        await x11.Display.WaitForPictureAsync();
        ProcessResult result = await x11.RunAsync("xwd -root -silent | wc -c; for i in 1 2 3 4; do xdpyinfo -queryExtensions & done | grep -c 'name of display'");
        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.InRange(int.Parse(lines[0], CultureInfo.InvariantCulture), 640 * 480 * 4, int.MaxValue);
        Assert.Equal("4", lines[1]);
        Assert.False(clock.HasExited);
    });

    // INVARIANTS 23: the display is still there, and each connection to it is a question of its own.
    [Fact]
    public Task A_key_that_may_no_longer_forwards_no_more() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit);
        ManagedProcess session = await x11.StartAsync("xdpyinfo | head -1; while xdpyinfo >/dev/null 2>&1; do sleep 0.2; done; echo refused");
        await session.WaitForLineAsync("name of display", lab.Deadline);
        string file = lab.Folder["authorized_keys"];
        await File.WriteAllTextAsync(file, "no-X11-forwarding " + await File.ReadAllTextAsync(file));
        await session.WaitForLineAsync("refused", lab.Deadline);
        Assert.Equal(0, (await session.WaitForExitAsync(lab.Deadline)).ExitCode);
        await x11.Server.Process.WaitForLineAsync("refused connection to display localhost:", lab.Deadline);
    });

    [Fact]
    public Task ChannelTimeout_counts_for_x11_connections() => Lab.RunAsync(async lab =>
    {
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, Peer.Adit, lines: ["ChannelTimeout x11-connection=2"]);
        ManagedProcess session = await x11.StartAsync("xclock -title idle; echo closed; exec sleep 100");
        await x11.Display.WaitForWindowAsync("\"idle\"");
        await session.WaitForLineAsync("closed", lab.Deadline);
        await x11.Display.WaitForNoWindowAsync("\"idle\"");
    });

    // As root, with two ordinary users: what is one's is not the other's.
    [Theory]
    [InlineData(Peer.OpenSsh)]
    [InlineData(Peer.Adit)]
    public Task Another_user_has_no_way_to_the_cookie_nor_the_display(Peer kind) => Lab.RunAsync(async lab =>
    {
        TemporaryUser user = await TemporaryUser.GetAsync(), other = await TemporaryUser.GetOtherAsync();
        Need.Tools("runuser");
        await user.AuthorizeAsync(await Keys.UserAsync());
        X11ServerLab x11 = await X11ServerLab.StartAsync(lab, kind, user: user.Name);
        ManagedProcess session = await x11.StartAsync("id -un; stat -c '%U %a' ~/.Xauthority; xdpyinfo | head -1; echo display $DISPLAY; exec sleep 100");
        string display = (await session.WaitForLineAsync("display ", lab.Deadline)).Split(' ')[1];
        Assert.Equal($"{user.Name}\n{user.Name} 600\nname of display:    {display}\ndisplay {display}\n", session.Output);

        string[] asOther = ["-u", other.Name, "--", "env", "-u", "XAUTHORITY", $"HOME={other.Home}", $"DISPLAY={display}"];
        ProcessResult stolen = await lab.RunAsync("cat as another", Machine.Tool("runuser"), [.. asOther, "cat", $"{user.Home}/.Xauthority"]);
        Assert.NotEqual(0, stolen.ExitCode);
        Assert.Contains("Permission denied", stolen.Errors, StringComparison.Ordinal);
        ProcessResult without = await lab.RunAsync("xdpyinfo as another", Machine.Tool("runuser"), [.. asOther, "xdpyinfo"]);
        Assert.NotEqual(0, without.ExitCode);
        await session.WaitForLineAsync("X11 connection rejected because of wrong authentication.", lab.Deadline);
        ProcessResult own = await lab.RunAsync("xdpyinfo as the user", Machine.Tool("runuser"), ["-u", user.Name, "--", "env", $"HOME={user.Home}", $"DISPLAY={display}", "xdpyinfo"]);
        Assert.True(own.ExitCode == 0, own.ToString());
    });

    private static async Task<bool> IsKnownAsync(string host)
    {
        try
        {
            return (await Dns.GetHostAddressesAsync(host)).Length > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
