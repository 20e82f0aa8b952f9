using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Adit.Interop.Tests.Harness;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Ssh;
using Adit.Ssh.Connection;
using static Adit.Server.Tests.Sessions.X11RequestTests;

namespace Adit.Server.Tests.Sessions;

[SupportedOSPlatform("linux")]
public sealed class X11ForwardingTests : IDisposable
{
    private const string Protocol = X11RequestTests.Protocol, Cookie = X11RequestTests.Cookie;

    private static readonly TimeSpan Deadline = SessionLab.Deadline;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task AProgramFindsADisplayThatIsThereAsLongAsItsSession()
    {
        await using var lab = await StartAsync();
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request(screen: 3)));
        Assert.True(await session.ExecuteAsync("echo $DISPLAY; cat ~/args ~/input; cat").WaitAsync(Deadline));
        using var reader = new StreamReader(session.Output);
        var display = (await reader.ReadLineAsync().WaitAsync(Deadline))!;
        Assert.Matches("^localhost:[0-9]+\\.3$", display);
        var name = display.Replace("localhost", "unix", StringComparison.Ordinal);
        Assert.Equal("-q -", await reader.ReadLineAsync().WaitAsync(Deadline));
        Assert.Equal($"remove {name}", await reader.ReadLineAsync().WaitAsync(Deadline));
        Assert.Equal($"add {name} {Protocol} {Cookie}", await reader.ReadLineAsync().WaitAsync(Deadline));

        var port = PortOf(display);
        Assert.All(Listening(port), address => Assert.True(IPAddress.IsLoopback(address)));
        Assert.Contains(IPAddress.Loopback, Listening(port));
        session.CompleteInput();
        await session.Completion.WaitAsync(Deadline);
        await UntilAsync(() => Listening(port).Count == 0);
    }

    [Theory]
    [InlineData("X11Forwarding no", "", "X11 forwarding disabled in server configuration file. (X11Forwarding no)")]
    [InlineData("", "", "X11 forwarding disabled in server configuration file. (X11Forwarding no)")]
    [InlineData("X11Forwarding yes\nDisableForwarding yes", "", "X11 forwarding disabled in server configuration file. (DisableForwarding yes)")]
    [InlineData("X11Forwarding yes", "no-X11-forwarding", "X11 forwarding disabled by key options. (")]
    [InlineData("X11Forwarding yes", "restrict", "X11 forwarding disabled by key options. (")]
    [InlineData("X11Forwarding yes\nXAuthLocation /nowhere/xauth", "", "No xauth program; cannot forward X11.")]
    [InlineData("X11Forwarding yes\nXAuthLocation none", "", "No xauth program; cannot forward X11.")]
    [InlineData("X11Forwarding yes\nXAuthLocation /bin/sh\nChrootDirectory /", "", "X11 forwarding is not possible with ChrootDirectory: xauth is not run there.")]
    [InlineData("X11Forwarding yes\nXAuthLocation /bin/sh\nX11DisplayOffset 59536", "", "Failed to allocate internet-domain X11 display socket.")]
    public async Task ItIsRefusedWhereItMayNotOrCannotBe(string config, string options, string reason)
    {
        await using var lab = await SessionLab.StartAsync(config, options);
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.False(await AskAsync(session, Request()));
        Assert.Contains(lab.Log.Lines, line => line.Contains(reason, StringComparison.Ordinal));
        Assert.True(await session.ExecuteAsync("true").WaitAsync(Deadline) || config.Contains("Chroot", StringComparison.Ordinal));
    }

    // Each search is a thousand attempts.
    [Fact]
    public async Task ASessionThatFoundNoDisplayIsNotSearchedForAgain()
    {
        await using var lab = await StartAsync("X11DisplayOffset 59536");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.False(await AskAsync(session, Request()));
        Assert.False(await AskAsync(session, Request()));
        Assert.Single(lab.Log.Lines, line => line == "Failed to allocate internet-domain X11 display socket.");
        await using var other = await lab.Client.OpenSessionAsync();
        Assert.False(await AskAsync(other, Request()));
        Assert.Equal(2, lab.Log.Lines.Count(line => line == "Failed to allocate internet-domain X11 display socket."));
    }

    // A client may leave the opening of channels unanswered, and programs go on connecting.
    [Fact]
    public async Task ADisplayHasSoManyConnectionsAndNoMore()
    {
        SshConnection? server = null;
        await using var lab = await StartAsync(features: scope =>
        {
            server = scope.Service.Connection;
            return new X11ForwardingFeature(scope, TimeProvider.System);
        });
        await using var client = await lab.ConnectAsync(DeafClient.ConnectAsync);
        await using var session = await client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        var port = PortOf(await DisplayAsync(session));
        var programs = new List<Socket>();
        try
        {
            using (await DeafClient.BeginAsync(session.Channel.Connection, server!))
            {
                var before = server!.ChannelsOpened;
                for (var i = 0; i <= X11Display.MostConnections + 1; i++)
                {
                    programs.Add(new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
                    await programs[^1].ConnectAsync(IPAddress.Loopback, port).WaitAsync(Deadline);
                }

                Assert.Equal(0, await ReceiveAsync(programs[^2]));
                Assert.Equal(0, await ReceiveAsync(programs[^1]));
                await UntilAsync(() => server.ChannelsOpened == before + X11Display.MostConnections);
                Assert.Single(lab.Log.Lines, line => line.EndsWith($"has {X11Display.MostConnections} connections: no more are taken", StringComparison.Ordinal));
            }

            // The client takes none of them, and there is room again.
            foreach (var program in programs.Take(X11Display.MostConnections))
            {
                Assert.Equal(0, await ReceiveAsync(program));
            }

            var opened = server.ChannelsOpened;
            using var late = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await late.ConnectAsync(IPAddress.Loopback, port).WaitAsync(Deadline);
            await UntilAsync(() => server.ChannelsOpened > opened);
        }
        finally
        {
            programs.ForEach(program => program.Dispose());
        }
    }

    [Fact]
    public async Task WithRestrictItCanBeAllowedByName()
    {
        await using var lab = await StartAsync(options: "restrict,X11-forwarding");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
    }

    [Fact]
    public async Task OneSessionHasOneDisplayAndBadDataNone()
    {
        await using var lab = await StartAsync();
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.False(await AskAsync(session, Request(cookie: "00\nsource /etc/shadow")));
        Assert.Contains("Invalid X11 forwarding data", lab.Log.Lines);
        Assert.True(await AskAsync(session, Request()));
        Assert.False(await AskAsync(session, Request()));
        Assert.Contains("session_x11_req: x11 forwarding already active", lab.Log.Lines);

        // Another session's is its own.
        await using var other = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(other, Request()));
        var displays = await Task.WhenAll(DisplayAsync(session), DisplayAsync(other));
        Assert.NotEqual(displays[0], displays[1]);

        // Once its program runs it is too late.
        await using var late = await lab.Client.OpenSessionAsync();
        Assert.True(await late.ExecuteAsync("cat").WaitAsync(Deadline));
        Assert.False(await AskAsync(late, Request()));
    }

    // With one of the addresses somebody else's, programs would bring that one their cookies.
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task ADisplayThatIsTakenOnOneAddressIsTaken(string address)
    {
        using var other = new Socket(IPAddress.Parse(address).AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        var taken = Enumerable.Range(20_000, 1000).First(port =>
        {
            try
            {
                other.Bind(new IPEndPoint(IPAddress.Parse(address), port));
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
        other.Listen();
        await using var lab = await StartAsync($"X11DisplayOffset {taken - 6000}");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        var display = await DisplayAsync(session);
        Assert.InRange(PortOf(display), taken + 1, taken + 999);
        Assert.Equal([IPAddress.Parse(address)], Listening(taken));
    }

    [Fact]
    public async Task OneConnectionIsTakenAndNoOtherWhereOneWasAskedFor()
    {
        await using var lab = await StartAsync();
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request(single: true)));
        var port = PortOf(await DisplayAsync(session));
        using var program = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await program.ConnectAsync(IPAddress.Loopback, port).WaitAsync(Deadline);
        await UntilAsync(() => Listening(port).Count == 0);

        // This client did not ask by its own means, so it takes no such channel.
        Assert.Equal(0, await ReceiveAsync(program));
        Assert.Contains("single_connection: closing X11 listener.", lab.Log.Lines);
        Assert.Contains(lab.Log.Lines, line => line.StartsWith("X11 forwarding: channel ", StringComparison.Ordinal) && line.Contains("open failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AConnectionThatEndsTakesItsDisplaysWithIt()
    {
        await using var lab = await StartAsync();
        await using (var client = await lab.ConnectAsync())
        {
            var session = await client.OpenSessionAsync();
            Assert.True(await AskAsync(session, Request()));
            Assert.True(await session.ExecuteAsync("echo $DISPLAY > ~/display; exec sleep 60").WaitAsync(Deadline));
            await UntilAsync(() => File.Exists(Path.Combine(lab.Home, "display")) && new FileInfo(Path.Combine(lab.Home, "display")).Length > 0);
            Assert.NotEmpty(Listening(PortOf(await File.ReadAllTextAsync(Path.Combine(lab.Home, "display")))));
        }

        var port = PortOf(await File.ReadAllTextAsync(Path.Combine(lab.Home, "display")));
        await UntilAsync(() => Listening(port).Count == 0);
    }

    [Fact]
    public async Task AProgramStartsThoughXauthFailsAndThatIsSaid()
    {
        await using var lab = await StartAsync(xauth: "#!/bin/sh\nprintf 'locked\\033[2J\\n' >&2\nexit 3\n");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        Assert.StartsWith("localhost:", await DisplayAsync(session), StringComparison.Ordinal);
        Assert.Contains(lab.Log.Lines, line => line.EndsWith("xauth -q - for alice: exit status 3: locked\\033[2J", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AnXauthThatHangsEndsWithTheSession()
    {
        await using var lab = await StartAsync(xauth: "#!/bin/sh\necho $$ > ~/made && mv ~/made ~/pid\nexec sleep 100\n");
        var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        var started = session.ExecuteAsync("true");
        var file = Path.Combine(lab.Home, "pid");
        await UntilAsync(() => File.Exists(file));
        Assert.False(started.IsCompleted);
        var process = $"/proc/{(await File.ReadAllTextAsync(file)).Trim()}";
        Assert.True(Directory.Exists(process));
        await session.DisposeAsync();
        await UntilAsync(() => !Directory.Exists(process));

        // Others go on meanwhile, and the connection's next one is as good as the first.
        Assert.Equal("x\n", (await lab.RunAsync("echo x")).Output);
        await started.ContinueWith(static _ => { }, TaskScheduler.Default).WaitAsync(Deadline);
    }

    // SetEnv, ~/.ssh/environment: what counts for the program counts for xauth.
    [Fact]
    public async Task XauthHasTheProgramsEnvironment()
    {
        await using var lab = await StartAsync("SetEnv XAUTHORITY=/somewhere/else", xauth: "#!/bin/sh\necho $XAUTHORITY $DISPLAY $USER > ~/environment\n");
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        var display = await DisplayAsync(session);
        Assert.Equal($"/somewhere/else {display} alice\n", await File.ReadAllTextAsync(Path.Combine(lab.Home, "environment")));
    }

    // INVARIANTS 23.
    [Fact]
    public async Task WhatIsNotAllowedAnyMoreIsClosedAndNothingNewComes()
    {
        var accepted = new Acceptor();
        await using var lab = await StartAsync(features: scope =>
        {
            scope.Service.Connection.Handle("x11", accepted); // a stand-in for a channel that the client took
            return new X11ForwardingFeature(scope, TimeProvider.System);
        });
        await using var session = await lab.Client.OpenSessionAsync();
        Assert.True(await AskAsync(session, Request()));
        var port = PortOf(await DisplayAsync(session));
        var sink = new Sink();
        await session.Channel.Connection.OpenAsync("x11", default, sink, CancellationToken.None).WaitAsync(Deadline);
        Assert.Equal(0, await lab.Server.ReviewForwardsAsync());

        await File.WriteAllTextAsync(lab.KeysFile, "no-X11-forwarding " + await File.ReadAllTextAsync(lab.KeysFile));
        using (var timer = new CancellationTokenSource(Deadline))
        {
            while (await lab.Server.ReviewForwardsAsync() == 0)
            {
                await Task.Delay(50, timer.Token); // the file is looked at once a second
            }
        }

        await sink.Closed.Task.WaitAsync(Deadline);
        using var program = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await program.ConnectAsync(IPAddress.Loopback, port).WaitAsync(Deadline);
        Assert.Equal(0, await ReceiveAsync(program));
        Assert.Contains(lab.Log.Lines, line => line.StartsWith("refused connection to display localhost:", StringComparison.Ordinal) && line.Contains("X11 forwarding disabled by key options.", StringComparison.Ordinal));
        Assert.DoesNotContain(lab.Log.Lines, line => line.StartsWith("X11 connection requested", StringComparison.Ordinal));

        // And nothing new is asked for.
        await using var other = await lab.Client.OpenSessionAsync();
        Assert.False(await AskAsync(other, Request()));
    }

    private async Task<SessionLab> StartAsync(string config = "", string options = "", string xauth = "#!/bin/sh\necho \"$@\" > ~/args\nexec cat > ~/input\n",
        params Func<SessionScope, ISessionFeature>[] features)
    {
        var file = _folder["xauth"];
        ScriptFile.Write(file, xauth);
        return await SessionLab.StartAsync($"{config}\nX11Forwarding yes\nXAuthLocation {file}", options, features);
    }

    private static Task<bool> AskAsync(SshSession session, byte[] request) => session.Channel.RequestAsync(X11Request.Name, request).WaitAsync(Deadline);

    /// <summary>DISPLAY of a program in the session, which goes on.</summary>
    private static async Task<string> DisplayAsync(SshSession session)
    {
        Assert.True(await session.ExecuteAsync("echo $DISPLAY; exec cat").WaitAsync(Deadline));
        return (await new StreamReader(session.Output).ReadLineAsync().WaitAsync(Deadline))!;
    }

    private static int PortOf(string display) => 6000 + int.Parse(display.Split(':', '.')[1], CultureInfo.InvariantCulture);

    private static List<IPAddress> Listening(int port) =>
        [.. IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners().Where(endpoint => endpoint.Port == port).Select(endpoint => endpoint.Address)];

    private static async Task<int> ReceiveAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).WaitAsync(Deadline);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var timer = new CancellationTokenSource(Deadline);
        while (!condition())
        {
            await Task.Delay(10, timer.Token);
        }
    }

    private sealed class Acceptor : IChannelHandler
    {
        public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
        {
            request.Accept(new Sink());
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Sink : IChannelSink
    {
        private SshChannel? _channel;

        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void OnOpened(SshChannel channel) => _channel = channel;

        public void OnData(ReadOnlyMemory<byte> data) => _channel!.Credit(data.Length);

        public void OnBatchEnd()
        {
        }

        public void OnEof()
        {
        }

        public void OnClosed(SshException? reason)
        {
            _channel!.Close();
            Closed.TrySetResult();
        }
    }
}
