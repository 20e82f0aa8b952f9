using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Forwarding;

/// <summary>Our server and our client over loopback sockets, logged in by key, with a -L forward to a listener of the test.</summary>
internal sealed class TunnelPair : IAsyncDisposable
{
    private static readonly PrivateKey HostKey = PrivateKey.Generate("ssh-ed25519");
    private static readonly PrivateKey UserKey = PrivateKey.Generate("ssh-ed25519");

    public required SshServer Server { get; init; }

    public required SshClient Client { get; init; }

    public required Forward Forward { get; init; }

    /// <summary>Where the forward ends.</summary>
    public required Socket Target { get; init; }

    public IPEndPoint Entrance => new(IPAddress.Loopback, Forward.Bound[0].Port);

    public static async Task<TunnelPair> ConnectAsync(IForwardingPolicy? policy = null, Action<SshClientOptions>? client = null, Action<SshServerOptions>? server = null)
    {
        var serverOptions = new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { HostKey },
            Authenticator = new OneKey(UserKey.PublicKey),
            ForwardingPolicy = policy ?? new AllowAll(),
            MaxStartupsBegin = 100,
        };
        server?.Invoke(serverOptions);
        var sshd = new SshServer(serverOptions);
        await sshd.StartAsync();
        var ssh = await ConnectAsync(sshd, client);
        var target = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        target.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        target.Listen(1024);
        var forward = await ssh.ForwardLocalAsync(ForwardAddress.Tcp("127.0.0.1", 0), ForwardAddress.Tcp("127.0.0.1", ((IPEndPoint)target.LocalEndPoint!).Port));
        return new TunnelPair { Server = sshd, Client = ssh, Forward = forward, Target = target };
    }

    /// <summary>A second client of the same server.</summary>
    public Task<SshClient> ConnectAnotherAsync() => ConnectAsync(Server, null);

    /// <summary>One connection through the tunnel: this side's socket and the other's.</summary>
    public async Task<(Socket Near, Socket Far)> OpenAsync()
    {
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await near.ConnectAsync(Entrance);
        var far = await Target.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(30));
        return (near, far);
    }

    public async ValueTask DisposeAsync()
    {
        Target.Dispose();
        await Client.DisposeAsync();
        await Server.DisposeAsync();
    }

    private static Task<SshClient> ConnectAsync(SshServer server, Action<SshClientOptions>? configure)
    {
        var options = new SshClientOptions
        {
            Host = "127.0.0.1",
            Port = server.BoundEndpoints[0].Port,
            UserName = "test",
            Credentials = { Credential.Key(UserKey) },
            HostKeyVerifier = new Trust(HostKey.PublicKey),
        };
        configure?.Invoke(options);
        return SshClient.ConnectAsync(options);
    }

    private sealed class AllowAll : IForwardingPolicy
    {
        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) => new(ForwardingDecision.Allow);
    }

    private sealed class Trust(PublicKey key) : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [key.KeyType];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) =>
            context.Key.Equals(key) ? ValueTask.CompletedTask : throw new SshException(SshError.HostKeyUnknown, "Host key verification failed.");
    }

    private sealed class OneKey(PublicKey key) : IUserAuthenticator
    {
        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            new(request is PublicKeyRequest { Key: var offered } && offered.Equals(key)
                ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Key = key, Method = "publickey" })
                : new AuthenticationDecision.Denied(["publickey"]));
    }
}
