using Adit.Ssh.Authentication;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Our client logs in at our server over memory.</summary>
internal sealed class LoginHarness
{
    public LoginHarness()
    {
        (Client, Server) = MemoryExchange.Pair(Time);
        Client.Extensions = new PeerExtensions { ServerSignatureAlgorithms = TestKeys.DefaultAlgorithms, HostBoundPublicKey = true };
    }

    public FakeTime Time { get; } = new();

    public MemoryExchange Client { get; }

    public MemoryExchange Server { get; }

    public ListLogger ClientLog { get; } = new();

    public ListLogger ServerLog { get; } = new();

    public List<string> Banners { get; } = [];

    public string UserName { get; init; } = "alice";

    public string[] Preferred { get; init; } = ["publickey", "keyboard-interactive", "password"];

    public string[] ClientAlgorithms { get; init; } = TestKeys.DefaultAlgorithms;

    public string[] ServerAlgorithms { get; init; } = TestKeys.DefaultAlgorithms;

    public string? Banner { get; init; }

    public int MaxAuthTries { get; init; } = 6;

    public static AuthenticationPeer Peer { get; } = new("192.0.2.7", 50022, "192.0.2.1", 22, "SSH-2.0-test", 1);

    public ServerAuthenticationOptions ServerOptions => new()
    {
        Peer = Peer,
        PubkeyAcceptedAlgorithms = ServerAlgorithms,
        MaxAuthTries = MaxAuthTries,
        Banner = Banner,
        Logger = ServerLog,
        TimeProvider = Time,
    };

    public ClientAuthenticationOptions ClientOptions(params Credential[] credentials) => new()
    {
        UserName = UserName,
        Host = "bastion",
        Credentials = credentials,
        PreferredAuthentications = Preferred,
        PubkeyAcceptedAlgorithms = ClientAlgorithms,
        Banner = Banners.Add,
        Logger = ClientLog,
        TimeProvider = Time,
    };

    public static async Task<T> WithinAsync<T>(Task<T> task) => await task.WaitAsync(TimeSpan.FromSeconds(30));

    /// <summary>Runs the server; when it throws, its peer sees the disconnect that the facade would send.</summary>
    public async Task<SshPrincipal> RunServerAsync(IUserAuthenticator authenticator, CancellationToken cancellationToken = default)
    {
        try
        {
            return await WithinAsync(ServerAuthenticator.RunAsync(Server, authenticator, ServerOptions, cancellationToken));
        }
        catch (SshException e)
        {
            Server.End(new SshException(SshError.Disconnected, $"Received disconnect from 192.0.2.7 port 50022:{(int)e.DisconnectReason}: {e.Message}")
            {
                DisconnectReason = e.DisconnectReason,
            });
            throw;
        }
    }

    public async Task<ClientAuthenticationResult> RunClientAsync(params Credential[] credentials)
    {
        try
        {
            return await WithinAsync(ClientAuthenticator.AuthenticateAsync(Client, ClientOptions(credentials), CancellationToken.None));
        }
        catch (SshException e)
        {
            Client.End(new SshException(SshError.Disconnected, e.Message));
            throw;
        }
    }

    /// <summary>Both succeed.</summary>
    public async Task<(ClientAuthenticationResult Client, SshPrincipal Server)> LoginAsync(IUserAuthenticator authenticator, params Credential[] credentials)
    {
        var server = RunServerAsync(authenticator);
        var client = RunClientAsync(credentials);
        return (await client, await server);
    }

    /// <summary>Both fail; returns the client's and the server's errors.</summary>
    public async Task<(SshException Client, SshException Server)> FailAsync(IUserAuthenticator authenticator, params Credential[] credentials)
    {
        var server = RunServerAsync(authenticator);
        var client = RunClientAsync(credentials);
        var clientError = await Assert.ThrowsAsync<SshException>(() => client);
        var serverError = await Assert.ThrowsAsync<SshException>(() => server);
        Assert.False(Server.IsComplete);
        return (clientError, serverError);
    }
}
