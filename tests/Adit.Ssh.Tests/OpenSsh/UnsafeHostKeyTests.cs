using System.Net;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;

namespace Adit.Ssh.Tests.OpenSsh;

/// <summary>StrictHostKeyChecking no with a changed key: the connection goes on, but nothing that a server in the middle could use.</summary>
public sealed class UnsafeHostKeyTests : IDisposable
{
    private readonly OpenSshTestFolder _folder = new();
    private readonly ISigner _hostKey = PrivateKey.Generate("ed25519");
    private readonly Recorder _recorder = new();

    public void Dispose() => _folder.Dispose();

    private async Task<SshServer> StartAsync()
    {
        var options = new SshServerOptions { Authenticator = _recorder };
        options.Endpoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        options.HostKeys.Add(_hostKey);
        var server = new SshServer(options);
        await server.StartAsync();
        return server;
    }

    private Task<SshClient> ConnectAsync(SshServer server, string? alias, params Credential[] credentials)
    {
        var options = new SshClientOptions
        {
            Host = "127.0.0.1",
            Port = server.BoundEndpoints[0].Port,
            UserName = "alice",
            HostKeyAlias = alias,
            HostKeyVerifier = KnownHosts.OpenSsh(new KnownHostsOptions { Policy = HostKeyPolicy.No, UserFiles = [_folder["known_hosts"]], GlobalFiles = [] }),
        };
        foreach (var credential in credentials)
            options.Credentials.Add(credential);
        return SshClient.ConnectAsync(options).WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task No_password_goes_to_a_server_with_the_wrong_key()
    {
        await using var server = await StartAsync();
        _folder.Write("known_hosts", $"[127.0.0.1]:{server.BoundEndpoints[0].Port} {TestKeys.OtherEd25519.ToText()}\n");
        var error = await Assert.ThrowsAsync<SshException>(() => ConnectAsync(server, null, Credential.Password("secret")));
        Assert.Equal(SshError.AuthenticationFailed, error.Error);
        Assert.DoesNotContain(_recorder.Requests, request => request is PasswordRequest);
    }

    [Fact]
    public async Task Nothing_is_forwarded_over_a_server_with_the_wrong_key()
    {
        await using var server = await StartAsync();
        _folder.Write("known_hosts", $"[127.0.0.1]:{server.BoundEndpoints[0].Port} {TestKeys.OtherEd25519.ToText()}\n");
        var key = PrivateKey.Generate("ed25519");
        await using var client = await ConnectAsync(server, null, Credential.Key(key));
        Assert.True(client.IsHostKeyUnsafe);
        var error = await Assert.ThrowsAsync<SshException>(() => client.ForwardLocalAsync("127.0.0.1:0", "127.0.0.1:1"));
        Assert.Equal((SshError.PolicyDenied, "Port forwarding is disabled to avoid man-in-the-middle attacks."), (error.Error, error.Message));
        Assert.Equal(error.Message, (await Assert.ThrowsAsync<SshException>(() => client.ForwardRemoteAsync("0", "127.0.0.1:1"))).Message);
        var agent = Assert.Throws<SshException>(() => client.ForwardAgent(null!, new ForwardedAgent("/nowhere")));
        Assert.Equal((SshError.PolicyDenied, "Agent forwarding is disabled to avoid man-in-the-middle attacks."), (agent.Error, agent.Message));
        var proxy = await Assert.ThrowsAsync<SshException>(() => client.CarryProxyAsync(Stream.Null)); // another process would forward, and not know
        Assert.Equal((SshError.PolicyDenied, "Proxy mode is disabled to avoid man-in-the-middle attacks."), (proxy.Error, proxy.Message));
    }

    [Fact]
    public async Task A_new_key_is_no_wrong_key_and_an_alias_has_no_port()
    {
        await using var server = await StartAsync();
        await using var client = await ConnectAsync(server, "Alias", Credential.Password("secret"));
        Assert.False(client.IsHostKeyUnsafe);
        Assert.Contains(_recorder.Requests, request => request is PasswordRequest);
        Assert.Equal($"alias {_hostKey.PublicKey.ToText()}\n", _folder.Read("known_hosts"));
    }

    /// <summary>Accepts keys and passwords, offers both, and remembers what it was asked.</summary>
    private sealed class Recorder : IUserAuthenticator
    {
        public List<UserAuthenticationRequest> Requests { get; } = [];

        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
        {
            lock (Requests)
                Requests.Add(request);
            return ValueTask.FromResult<AuthenticationDecision>(request is PublicKeyRequest or PasswordRequest
                ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName })
                : new AuthenticationDecision.Denied(["publickey", "password", "keyboard-interactive"]));
        }
    }
}
