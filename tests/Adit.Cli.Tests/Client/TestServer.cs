using System.Net;
using System.Net.Sockets;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;

namespace Adit.Cli.Tests.Client;

/// <summary>A server of our own in this process, which lets "alice" in with a password and forwards everywhere, and an echo service behind it.</summary>
internal sealed class TestServer : IAsyncDisposable, IUserAuthenticator, IForwardingPolicy
{
    public const string Password = "correct horse";

    private readonly TcpListener _echo = new(IPAddress.Loopback, 0);
    private readonly PrivateKey _hostKey = PrivateKey.Generate("ed25519");
    private readonly SshServer _server;
    private readonly Task _echoing;

    private TestServer()
    {
        _server = new SshServer(new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { _hostKey },
            Authenticator = this,
            ForwardingPolicy = this,
        });
        _echo.Start();
        _echoing = EchoAsync();
    }

    public int Port => _server.BoundEndpoints[0].Port;

    public int EchoPort => ((IPEndPoint)_echo.LocalEndpoint).Port;

    public PublicKey HostKey => _hostKey.PublicKey;

    /// <summary>A key that lets "alice" in.</summary>
    public PublicKey? UserKey { get; set; }

    /// <summary>The keys and certificates it was asked about, in order.</summary>
    public List<PublicKey> Asked { get; } = [];

    /// <summary>Whether passwords are taken through keyboard-interactive.</summary>
    public bool Interactive { get; set; }

    /// <summary>Where it is to answer nothing about forwards: completes with the first that is asked for.</summary>
    public TaskCompletionSource? Silence { get; set; }

    public static async Task<TestServer> StartAsync()
    {
        var server = new TestServer();
        await server._server.StartAsync();
        return server;
    }

    public Task StopAsync() => _server.StopAsync(TimeSpan.Zero);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _echo.Stop();
        await _echoing;
        _echo.Dispose();
        _hostKey.Dispose();
    }

    public async ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
    {
        if (request is PublicKeyRequest offer)
        {
            Asked.Add(offer.Key);
        }

        var good = request switch
        {
            PasswordRequest password => !Interactive && password.Password == Password,
            PublicKeyRequest key => key.Key.Equals(UserKey),
            KeyboardInteractiveAuthenticationRequest interactive => Interactive && (await interactive.Prompt.AskAsync(
                "Second factor", "Look at your token.", [new("Password: ", false), new("Token: ", true)], cancellationToken)) is [Password, "123456"],
            _ => false,
        };
        return good && request.UserName == "alice"
            ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Method = "test" })
            : new AuthenticationDecision.Denied(["publickey", Interactive ? "keyboard-interactive" : "password"]);
    }

    public async ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken)
    {
        if (Silence is { } silence)
        {
            silence.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }

        return ForwardingDecision.Allow;
    }

    private async Task EchoAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(EchoAsync(await _echo.AcceptSocketAsync()));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await Task.WhenAll(connections);
        }
    }

    private static async Task EchoAsync(Socket socket)
    {
        using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            await stream.CopyToAsync(stream);
        }
        catch (IOException)
        {
            // The test is over.
        }
    }
}
