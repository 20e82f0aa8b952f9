using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Cli.CommandLine;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Cli.Demo;

/// <summary>Builds the demo piece by piece, telling each as it stands: keys, page, server, client, tunnel; then fetches the page through it.</summary>
internal sealed class DemoRun(DemoOptions options, DemoConsole console)
{
    private const string UserName = "demo";

    /// <summary>The port people are shown when nothing else has it.</summary>
    private const int FavouritePort = 8080;

    private static readonly TimeSpan FetchDeadline = TimeSpan.FromSeconds(10);

    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public async Task<int> RunAsync()
    {
        using var interrupted = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, interrupted));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, interrupted));
        try
        {
            return await RunAsync(interrupted.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            console.Line();
            return ExitCode.Failure;
        }
    }

    private static void Stop(PosixSignalContext context, CancellationTokenSource interrupted)
    {
        context.Cancel = !interrupted.IsCancellationRequested; // the second one is not argued with
        interrupted.Cancel();
    }

    private async Task<int> RunAsync(CancellationToken interrupted)
    {
        console.Line();
        console.Line("  A server, a web page and an SSH tunnel to it, all in this process and on this machine only.");
        console.Line();

        using var hostKey = PrivateKey.Generate("ed25519");
        using var userKey = PrivateKey.Generate("ed25519");
        Step("keys", $"made a host key and a user key, in memory only ({hostKey.PublicKey.Fingerprint})");

        var traffic = new DemoTraffic();
        await using var page = new DemoPage(traffic);
        page.Start();
        Step("page", $"listens on {page.Endpoint}");

        await using var server = new SshServer(new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { hostKey },
            Authenticator = new DemoAuthenticator(UserName, userKey.PublicKey),
            ForwardingPolicy = new DemoPolicy(page, traffic),
        });
        await server.StartAsync(interrupted).ConfigureAwait(false);
        var serverEndpoint = server.BoundEndpoints[0];
        Step("server", $"speaks SSH on {serverEndpoint}");

        await using var client = await SshClient.ConnectAsync(
            new SshClientOptions
            {
                Host = serverEndpoint.Address.ToString(),
                Port = serverEndpoint.Port,
                UserName = UserName,
                Credentials = { Credential.Key(userKey) },
                HostKeyVerifier = new PinnedHostKey(hostKey.PublicKey),
                ConnectTimeout = TimeSpan.FromSeconds(10),
            },
            interrupted).ConfigureAwait(false);
        Step("client", $"connected, checked the host key, logged in as {UserName} with its key");

        await using var forward = await ListenAsync(client, page.Endpoint, interrupted).ConfigureAwait(false);
        var tunnel = new IPEndPoint(IPAddress.Loopback, forward.Bound[0].Port);
        Step("tunnel", $"-L {tunnel}:{page.Endpoint}");
        (string, string)[] boxes = [("browser", "you"), ("adit client", $"{tunnel}"), ("adit server", $"{serverEndpoint}"), ("web page", $"{page.Endpoint}")];
        page.Path = DemoPicture.Draw(boxes, encrypted: 1, unicode: true);

        var started = _clock.Elapsed;
        var (status, body) = await FetchAsync(tunnel, interrupted).ConfigureAwait(false);
        if (!body.Contains(page.Token, StringComparison.Ordinal) || traffic.Connections != 1)
        {
            throw new SshException(SshError.Unknown, $"adit demo: what came through the tunnel is not the page: {PeerText.Escape(status.Length > 0 ? status : "nothing")}");
        }

        var took = (_clock.Elapsed - started).TotalMilliseconds;
        Step("fetched", string.Create(CultureInfo.InvariantCulture, $"the page through the tunnel: {status}, {body.Length} bytes, {took:0.0} ms {console.Tick}"));
        console.Line();
        console.Line(DemoPicture.Draw(boxes, encrypted: 1, console.Unicode), indent: 2);
        console.Line();
        if (options.Once)
        {
            console.Line($"  It works. Run it without --once and the page stays at http://{tunnel}/");
            return ExitCode.Success;
        }

        console.Line($"  Open   {console.Bold($"http://{tunnel}/")}");
        console.Line();
        console.Line("  Next   the same with a server of your own; its localhost:5432 becomes yours:");
        console.Line("           adit -N -L 5433:localhost:5432 you@server");
        console.Line($"         or look at it from a shell:  curl http://{tunnel}/traffic");
        console.Line();
        console.Line("  Ctrl-C ends it.");
        console.Line();
        return await StayAsync(client, traffic, interrupted).ConfigureAwait(false);
    }

    /// <summary>The port asked for, or else the favourite one, or else any.</summary>
    private async Task<Forward> ListenAsync(SshClient client, IPEndPoint page, CancellationToken cancellationToken)
    {
        var destination = ForwardAddress.Tcp(page.Address.ToString(), page.Port);
        var loopback = IPAddress.Loopback.ToString();
        if (options.Port is { } port)
        {
            return await client.ForwardLocalAsync(ForwardAddress.Tcp(loopback, port), destination, cancellationToken).ConfigureAwait(false);
        }

        if (!options.Once)
        {
            try
            {
                return await client.ForwardLocalAsync(ForwardAddress.Tcp(loopback, FavouritePort), destination, cancellationToken).ConfigureAwait(false);
            }
            catch (SshException e) when (e.Error == SshError.ForwardFailed)
            {
                // Somebody else likes it too.
            }
        }

        return await client.ForwardLocalAsync(ForwardAddress.Tcp(loopback, 0), destination, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One GET, as a browser would send it. Returns the status without "HTTP/1.1" and the body.</summary>
    private static async Task<(string Status, string Body)> FetchAsync(IPEndPoint tunnel, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(FetchDeadline);
        try
        {
            using var socket = new Socket(tunnel.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(tunnel, deadline.Token).ConfigureAwait(false);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {tunnel}\r\nConnection: close\r\n\r\n"), deadline.Token).ConfigureAwait(false);
            using var answer = new MemoryStream();
            await using var stream = new NetworkStream(socket);
            await stream.CopyToAsync(answer, deadline.Token).ConfigureAwait(false);
            var text = Encoding.UTF8.GetString(answer.ToArray());
            var head = text.IndexOf("\r\n", StringComparison.Ordinal);
            var body = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            return head < 0 || body < 0 ? ("", "") : (text[..head].Replace("HTTP/1.1 ", "", StringComparison.Ordinal), text[(body + 4)..]);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new SshException(SshError.Timeout, $"adit demo: the page did not come through the tunnel in {FetchDeadline.TotalSeconds:0} seconds");
        }
    }

    /// <summary>Shows the traffic as it grows, until Ctrl-C or until the connection dies.</summary>
    private async Task<int> StayAsync(SshClient client, DemoTraffic traffic, CancellationToken interrupted)
    {
        traffic.Changed = () => console.Status($"  Through the tunnel: {traffic.Summary}");
        traffic.Changed();
        try
        {
            await client.Completion.WaitAsync(interrupted).ConfigureAwait(false);
            return ExitCode.Failure;
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        finally
        {
            traffic.Changed = null;
            console.EndStatus($"  Through the tunnel: {traffic.Summary}");
        }
    }

    private void Step(string what, string text) => console.Line(string.Create(
        CultureInfo.InvariantCulture, $"  {_clock.Elapsed.TotalMilliseconds,6:0.0} ms  {what,-8} {text}"));
}
