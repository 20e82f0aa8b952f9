using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Forwarding.X11Lab;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>The client's side of X11 forwarding, towards servers that go too far (INVARIANTS 27).</summary>
public class X11ForwardTests
{
    private const string Wrong = "X11 connection rejected because of wrong authentication.", Expired = "Rejected X11 connection after ForwardX11Timeout expired";

    [Fact]
    public async Task The_server_gets_a_random_cookie_and_the_screen()
    {
        await using var lab = await ConnectAsync();
        var (one, cookie) = await lab.AskAsync();
        await using var first = one;
        var (type, data, wantReply) = lab.Requests.Single();
        Assert.Equal(("x11-req", true), (type, wantReply));
        var request = ReadRequest(data);
        Assert.Equal((false, Protocol, 2u, lab.Cookie.Length), (request.Single, request.Protocol, request.Screen, request.Cookie.Length));
        Assert.NotEqual(lab.Cookie, cookie);
        Assert.Matches("^[0-9a-f]{32}$", System.Text.Encoding.ASCII.GetString(data)[27..59]);
        // Every session of the connection has the same, and no other connection has.
        var (two, again) = await lab.AskAsync();
        await using var second = two;
        Assert.Equal(cookie, again);
        await using var other = await ConnectAsync();
        var (three, otherCookie) = await other.AskAsync();
        await using var third = three;
        Assert.NotEqual(cookie, otherCookie);
    }

    [Fact]
    public async Task Bytes_go_both_ways_once_the_cookie_was_right()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        var (program, xServer) = await lab.OpenAsync(cookie);
        await using var near = program;
        await using var far = xServer;
        byte[] large = new byte[3 << 20]; // more than a window
        Random.Shared.NextBytes(large);
        var writing = program.WriteAsync(large).AsTask();
        Assert.Equal(large, await ReadAsync(xServer, large.Length));
        await writing.WaitAsync(Deadline);
        writing = xServer.WriteAsync(large).AsTask();
        Assert.Equal(large, await ReadAsync(program, large.Length));
        await writing.WaitAsync(Deadline);
        Assert.Equal(1, lab.Pair.Client.ActiveConnections);
        Assert.Equal(16 * 1024, lab.Opened!.MaxData);
        Assert.Contains("client_request_x11: request from 192.0.2.1 4711", lab.Log.Texts);
    }

    [Fact]
    public async Task The_setup_may_come_byte_by_byte_and_with_what_follows()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        await using var program = await lab.OpenAsync();
        await using var xServer = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        byte[] sent = [.. X11SetupTests.Bytes('B', Protocol, cookie), 7, 8, 9];
        for (int i = 0; i < 40; i++)
            await program.WriteAsync(sent.AsMemory(i, 1)).AsTask().WaitAsync(Deadline);
        Assert.Equal(0, xServer.Socket.Available);
        await program.WriteAsync(sent.AsMemory(40)).AsTask().WaitAsync(Deadline);
        Assert.Equal([.. X11SetupTests.Bytes('B', Protocol, lab.Cookie), 7, 8, 9], await ReadAsync(xServer, sent.Length));
    }

    [Fact]
    public async Task A_server_that_was_not_asked_gets_no_display()
    {
        await using var lab = await ConnectAsync();
        await using var session = await lab.Pair.Client.OpenSessionAsync().WaitAsync(Deadline);
        for (int i = 0; i < 3; i++)
            await IsRefusedAsync(lab);
        Assert.Equal(
            [(LogLevel.Error, "Warning: ssh server tried X11 forwarding."), (LogLevel.Error, "Warning: this is probably a break-in attempt by a malicious server.")],
            lab.Log.Lines.Where(line => line.Level >= LogLevel.Error));
    }

    [Theory]
    [InlineData("a cookie of the same length")]
    [InlineData("a short cookie")]
    [InlineData("the display's own cookie")]
    [InlineData("another protocol")]
    [InlineData("no X11 at all")]
    public async Task Nothing_of_a_connection_without_the_cookie_reaches_the_display(string shows)
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        await using var program = await lab.OpenAsync();
        await using var xServer = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        byte[] wrong = [.. cookie];
        wrong[^1] ^= 1;
        byte[] sent = shows switch
        {
            "a cookie of the same length" => X11SetupTests.Bytes('l', Protocol, wrong),
            "a short cookie" => X11SetupTests.Bytes('l', Protocol, cookie.AsSpan(0, 8)),
            "the display's own cookie" => X11SetupTests.Bytes('l', Protocol, lab.Cookie),
            "another protocol" => X11SetupTests.Bytes('l', "XDM-AUTHORIZATION-1", cookie),
            _ => "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
        };
        await program.WriteAsync((byte[])[.. sent, .. new byte[1000]]).AsTask().WaitAsync(Deadline);
        await EndsAsync(program);
        await EndsAsync(xServer);
        await lab.LogsAsync(Wrong);
        // One that knows it still may.
        var (good, server) = await lab.OpenAsync(cookie);
        await good.DisposeAsync();
        await EndsAsync(server);
        await server.DisposeAsync();
    }

    [Fact]
    public async Task A_connection_that_shows_nothing_holds_nobody_up()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        await using var silent = await lab.OpenAsync();
        await using var waiting = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        await silent.WriteAsync(X11SetupTests.Bytes('l', Protocol, cookie).AsMemory(0, 11)).AsTask().WaitAsync(Deadline);
        var (program, xServer) = await lab.OpenAsync(cookie);
        await program.WriteAsync("x"u8.ToArray()).AsTask().WaitAsync(Deadline);
        Assert.Equal("x"u8.ToArray(), await ReadAsync(xServer, 1));
        await program.DisposeAsync();
        await xServer.DisposeAsync();
    }

    [Fact]
    public async Task The_number_of_connections_is_bounded_and_those_that_end_make_room()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        var open = new List<(SshStream Program, NetworkStream XServer)>();
        for (int i = 0; i < 256; i++)
            open.Add(await lab.OpenAsync(cookie));
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
        Assert.Equal(OpenFailureReason.ResourceShortage, e.OpenFailureReason);
        foreach (var (program, xServer) in open)
        {
            await xServer.DisposeAsync();
            await EndsAsync(program);
            await program.DisposeAsync();
        }
        await lab.Pair.Client.WhenNoConnectionsAsync().WaitAsync(Deadline);
        await using var next = await lab.OpenAsync();
        (await lab.AcceptAsync()).Dispose();
    }

    [Theory]
    [InlineData("a right cookie")]
    [InlineData("a wrong cookie")]
    [InlineData("the end")]
    public async Task Few_connections_that_show_nothing_are_made_at_once_and_the_others_wait_for_their_turn(string then)
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        var silent = new List<(SshStream Program, NetworkStream XServer)>();
        for (int i = 0; i < 16; i++)
            silent.Add((await lab.OpenAsync(), new NetworkStream(await lab.AcceptAsync(), ownsSocket: true)));
        var opening = lab.OpenAsync();
        await lab.LogsAsync("X11 forwarding: 16 connections have not shown their cookie yet, the next one waits");
        Assert.False(lab.IsCalled);
        var (first, firstServer) = silent[3];
        if (then == "the end")
            await first.DisposeAsync();
        else
            await first.WriteAsync(X11SetupTests.Bytes('l', Protocol, then == "a right cookie" ? cookie : new byte[16])).AsTask().WaitAsync(Deadline);
        await using var next = await opening;
        (await lab.AcceptAsync()).Dispose();
        if (then == "a right cookie")
            Assert.Equal(X11SetupTests.Bytes('l', Protocol, lab.Cookie), await ReadAsync(firstServer, 48));
        else
            await EndsAsync(firstServer);
        foreach (var (program, xServer) in silent)
        {
            await program.DisposeAsync();
            await xServer.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_connection_that_shows_nothing_ends_after_a_while_and_one_that_did_stays()
    {
        var time = new SteppedTime();
        await using var lab = await ConnectAsync(time);
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        var (program, xServer) = await lab.OpenAsync(cookie);
        await using var near = program;
        await using var far = xServer;
        await using var silent = await lab.OpenAsync();
        await using var waiting = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        await using var slow = await lab.OpenAsync();
        await using var slowServer = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        byte[] setup = X11SetupTests.Bytes('l', Protocol, cookie);
        await silent.WriteAsync(setup.AsMemory(0, 47)).AsTask().WaitAsync(Deadline);
        await slow.WriteAsync(setup.AsMemory(0, 47)).AsTask().WaitAsync(Deadline);
        time.Pass(29);
        await slow.WriteAsync(setup.AsMemory(47)).AsTask().WaitAsync(Deadline);
        await ReadAsync(slowServer, 48);
        time.Pass(1);
        await EndsAsync(silent);
        await EndsAsync(waiting);
        await lab.LogsAsync("X11 connection rejected because it showed no authentication within 30 s.");
        await program.WriteAsync("still"u8.ToArray()).AsTask().WaitAsync(Deadline);
        Assert.Equal("still"u8.ToArray(), await ReadAsync(xServer, 5));
    }

    [Fact]
    public async Task The_end_of_one_direction_is_the_end_of_both()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync();
        await using var held = session;
        var (program, xServer) = await lab.OpenAsync(cookie);
        await program.WriteAsync("last"u8.ToArray()).AsTask().WaitAsync(Deadline);
        await program.CompleteWritesAsync().AsTask().WaitAsync(Deadline);
        Assert.Equal("last"u8.ToArray(), await ReadAsync(xServer, 4));
        await EndsAsync(xServer);
        await EndsAsync(program); // though the X server has closed nothing
        await lab.Pair.Client.WhenNoConnectionsAsync().WaitAsync(Deadline);
        await program.DisposeAsync();
        await xServer.DisposeAsync();

        (program, xServer) = await lab.OpenAsync(cookie);
        await xServer.DisposeAsync();
        await EndsAsync(program);
        await program.DisposeAsync();
        await lab.Pair.Client.WhenNoConnectionsAsync().WaitAsync(Deadline);
    }

    [Fact]
    public async Task After_the_timeout_nobody_new_comes_and_who_is_there_stays()
    {
        var time = new SteppedTime();
        await using var lab = await ConnectAsync(time);
        var (session, cookie) = await lab.AskAsync(lab.Display with { Timeout = TimeSpan.FromMinutes(20) });
        await using var held = session;
        var (program, xServer) = await lab.OpenAsync(cookie);
        time.Pass(18 * 60);
        Assert.DoesNotContain(lab.Log.Texts, text => text.StartsWith("X11 forwarding:", StringComparison.Ordinal));
        time.Pass(119);
        Assert.Single(lab.Log.Lines, (LogLevel.Information, "X11 forwarding: in 60 s new programs get no display any more (ForwardX11Timeout); windows that are open stay."));
        var (second, secondServer) = await lab.OpenAsync(cookie);
        await second.DisposeAsync();
        await secondServer.DisposeAsync();
        await using var late = await lab.OpenAsync(); // and shows its cookie when the time is over
        await using var lateServer = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);

        time.Pass(1);
        await IsRefusedAsync(lab);
        Assert.Single(lab.Log.Lines, (LogLevel.Information, Expired));
        await late.WriteAsync(X11SetupTests.Bytes('l', Protocol, cookie)).AsTask().WaitAsync(Deadline);
        await EndsAsync(late);
        await EndsAsync(lateServer);
        Assert.DoesNotContain(Wrong, lab.Log.Texts);
        await program.WriteAsync("still"u8.ToArray()).AsTask().WaitAsync(Deadline);
        Assert.Equal("still"u8.ToArray(), await ReadAsync(xServer, 5));
        await program.DisposeAsync();
        await xServer.DisposeAsync();
        Assert.Single(lab.Log.Texts, text => text.StartsWith("X11 forwarding:", StringComparison.Ordinal));

        // Asked anew, with a display that was found anew, it goes on, with a cookie of its own.
        var (again, other) = await lab.AskAsync(lab.Display with { Timeout = TimeSpan.FromMinutes(20) });
        await using var heldToo = again;
        Assert.NotEqual(cookie, other);
        (program, xServer) = await lab.OpenAsync(other);
        await program.DisposeAsync();
        await xServer.DisposeAsync();
    }

    [Fact]
    public async Task Who_had_no_window_is_not_told_of_the_timeout()
    {
        var time = new SteppedTime();
        await using var lab = await ConnectAsync(time);
        var (session, _) = await lab.AskAsync(lab.Display with { Timeout = TimeSpan.FromMinutes(20) });
        await using var held = session;
        time.Pass(21 * 60);
        Assert.DoesNotContain(lab.Log.Texts, text => text.StartsWith("X11 forwarding:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_cookie_of_its_own_the_display_is_shown_a_random_one()
    {
        await using var lab = await ConnectAsync();
        var (session, cookie) = await lab.AskAsync(lab.Display with { Cookie = default });
        await using var held = session;
        Assert.Equal(16, cookie.Length);
        await using var program = await lab.OpenAsync();
        await using var xServer = new NetworkStream(await lab.AcceptAsync(), ownsSocket: true);
        await program.WriteAsync(X11SetupTests.Bytes('l', Protocol, cookie)).AsTask().WaitAsync(Deadline);
        byte[] shown = (await ReadAsync(xServer, 48))[^16..];
        Assert.NotEqual(cookie, shown);
        Assert.NotEqual(new byte[16], shown);
    }

    [Fact]
    public async Task A_display_of_another_host_is_reached_by_its_port()
    {
        await using var lab = await ConnectAsync();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        var (session, cookie) = await lab.AskAsync(ForwardedDisplay.Parse($"127.0.0.1:{port - 6000}.1")! with { Cookie = lab.Cookie });
        await using var held = session;
        await using var program = await lab.OpenAsync();
        await using var xServer = new NetworkStream(await listener.AcceptAsync().WaitAsync(Deadline), ownsSocket: true);
        await program.WriteAsync(X11SetupTests.Bytes('l', Protocol, cookie)).AsTask().WaitAsync(Deadline);
        Assert.Equal(X11SetupTests.Bytes('l', Protocol, lab.Cookie), await ReadAsync(xServer, 48));
        listener.Dispose();
        await IsRefusedAsync(lab);
        Assert.Contains((LogLevel.Error, $"connect 127.0.0.1 port {port}: Connection refused"), lab.Log.Lines);
    }

    [Fact]
    public async Task A_refusal_is_told()
    {
        await using var lab = await ConnectAsync();
        lab.Grants = false;
        await using var session = await lab.Pair.Client.OpenSessionAsync().WaitAsync(Deadline);
        Assert.False(await session.RequestX11Async(lab.Display).WaitAsync(Deadline));
    }

    private static async Task IsRefusedAsync(X11Lab lab)
    {
        var e = await Assert.ThrowsAsync<SshException>(() => lab.OpenAsync());
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, e.OpenFailureReason);
        Assert.EndsWith(": open failed", e.Message, StringComparison.Ordinal);
    }
}
