using System.Net;
using System.Net.Sockets;
using System.Text;
using Adit.Server.Hosting;
using Adit.Server.Tests.Support;
using Adit.Ssh;
using Adit.Ssh.Authentication;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Tests.Hosting;

public sealed class SshServerHostingTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly PrivateKey _hostKey = PrivateKey.Generate("ed25519");
    private readonly PrivateKey _userKey = PrivateKey.Generate("ed25519");
    private readonly CapturingLogger _log = new();

    public void Dispose()
    {
        _hostKey.Dispose();
        _userKey.Dispose();
    }

    private (IHost Host, SshServerService Service) Build(Action<SshServerBuilder> setUp, string listen = "127.0.0.1:0")
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<ILoggerFactory>(_log);
        builder.Services.AddSingleton(_userKey.PublicKey);
        setUp(builder.Services.AddSshServer(options =>
        {
            options.Listen(listen);
            options.HostKeys.Add(_hostKey);
        }));
        var host = builder.Build();
        return (host, host.Services.GetRequiredService<SshServerService>());
    }

    private Task<SshClient> ConnectAsync(IPEndPoint server) => SshClient.ConnectAsync(new SshClientOptions
    {
        Host = server.Address.ToString(),
        Port = server.Port,
        UserName = "tenant",
        Credentials = { Credential.Key(_userKey) },
        HostKeyVerifier = new Trust(_hostKey.PublicKey),
        ConnectTimeout = Deadline,
    });

    [Fact]
    public async Task A_hosted_server_lets_in_and_forwards_what_its_policy_allows()
    {
        var (host, service) = Build(server => server.AddAuthenticator<OneKey>().AddForwardingPolicy<OnlyEcho>());
        using var _ = host;
        await host.StartAsync();
        using var echo = new TcpListener(IPAddress.Loopback, 0);
        echo.Start();
        OnlyEcho.Port = ((IPEndPoint)echo.LocalEndpoint).Port;

        await using (var client = await ConnectAsync(service.BoundEndpoints[0]))
        {
            await using var stream = await client.OpenTcpAsync("127.0.0.1", OnlyEcho.Port);
            using var accepted = await echo.AcceptSocketAsync().WaitAsync(Deadline);
            await accepted.SendAsync(Encoding.ASCII.GetBytes("hello"));
            var buffer = new byte[5];
            await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(Deadline);
            Assert.Equal("hello", Encoding.ASCII.GetString(buffer));

            var refused = await Assert.ThrowsAsync<SshException>(() => client.OpenTcpAsync("127.0.0.1", 1));
            Assert.Equal(OpenFailureReason.AdministrativelyProhibited, refused.OpenFailureReason);
        }

        await host.StopAsync().WaitAsync(Deadline);
        Assert.Equal(0, service.ConnectionCount);
        Assert.Empty(service.BoundEndpoints);
    }

    [Fact]
    public async Task Stopping_frees_the_port_and_ends_what_does_not_end_by_itself()
    {
        var (host, service) = Build(server => server.AddAuthenticator<OneKey>().DrainTime = TimeSpan.FromMilliseconds(200));
        using var _ = host;
        await host.StartAsync();
        var endpoint = service.BoundEndpoints[0];
        await using var client = await ConnectAsync(endpoint);
        await host.StopAsync().WaitAsync(Deadline);
        await Assert.ThrowsAsync<SshException>(() => client.Completion.WaitAsync(Deadline));
        using var again = new TcpListener(endpoint);
        again.Start();
    }

    [Fact]
    public async Task A_port_has_one_server()
    {
        var (first, service) = Build(server => { });
        using var _ = first;
        await first.StartAsync();
        var (second, _) = Build(server => { }, service.BoundEndpoints[0].ToString());
        using var __ = second;
        var error = await Assert.ThrowsAsync<SshException>(() => second.StartAsync());
        Assert.Equal("Cannot bind any address.", error.Message);
        Assert.Contains($"Bind to port {service.BoundEndpoints[0].Port} on 127.0.0.1 failed: Address already in use.", _log.Errors);
    }

    [Fact]
    public async Task Without_an_authenticator_nobody_gets_in_and_without_a_policy_nothing_goes_on()
    {
        var (closed, service) = Build(server => { });
        using var _ = closed;
        await closed.StartAsync();
        await Assert.ThrowsAsync<SshException>(() => ConnectAsync(service.BoundEndpoints[0]));

        var (open, other) = Build(server => server.AddAuthenticator<OneKey>());
        using var __ = open;
        await open.StartAsync();
        await using var client = await ConnectAsync(other.BoundEndpoints[0]);
        await Assert.ThrowsAsync<SshException>(() => client.OpenTcpAsync("127.0.0.1", 22));
    }

    [Fact]
    public async Task A_configuration_file_can_stand_for_it_all()
    {
        using var login = new Login();
        login.Authorize(_userKey.PublicKey.ToText());
        var key = login.Home["host_key"];
        KeyFile.WritePrivateKey(key, _hostKey);
        var file = login.Write("sshd_config", $"ListenAddress 127.0.0.1:0\nHostKey {key}\nPermitOpen 127.0.0.1:1\nPasswordAuthentication no\nKbdInteractiveAuthentication no");

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<ILoggerFactory>(_log);
        builder.Services.AddSingleton<Adit.Server.Users.IUserDatabase>(login.Users);
        builder.Services.AddSshServer().UseSshdConfig(file);
        using var host = builder.Build();
        await host.StartAsync();
        var endpoint = host.Services.GetRequiredService<SshServerService>().BoundEndpoints[0];
        await using var client = await SshClient.ConnectAsync(new SshClientOptions
        {
            Host = "127.0.0.1",
            Port = endpoint.Port,
            UserName = "alice",
            Credentials = { Credential.Key(_userKey) },
            HostKeyVerifier = new Trust(_hostKey.PublicKey),
        });
        var refused = await Assert.ThrowsAsync<SshException>(() => client.OpenTcpAsync("127.0.0.1", 2));
        Assert.Equal(OpenFailureReason.AdministrativelyProhibited, refused.OpenFailureReason);
        var failed = await Assert.ThrowsAsync<SshException>(() => client.OpenTcpAsync("127.0.0.1", 1));
        Assert.Equal(OpenFailureReason.ConnectFailed, failed.OpenFailureReason);
        await host.StopAsync().WaitAsync(Deadline);
    }

    [Theory]
    [InlineData("0.0.0.0:2222", "0.0.0.0:2222")]
    [InlineData("[::1]:22", "[::1]:22")]
    [InlineData("localhost:1", "127.0.0.1:1 [::1]:1")]
    [InlineData("*:1", "0.0.0.0:1 [::]:1")]
    [InlineData("::1:22", null)]
    [InlineData("host.example:22", null)]
    [InlineData("127.0.0.1", null)]
    [InlineData(":22", null)]
    [InlineData("127.0.0.1:70000", null)]
    public void Addresses_to_listen_on(string text, string? expected)
    {
        var options = new SshServerOptions();
        if (expected is null)
        {
            Assert.Throws<SshException>(() => options.Listen(text));
            return;
        }

        options.Listen(text);
        Assert.Equal(expected, string.Join(' ', options.Endpoints));
    }

    public sealed class OneKey(PublicKey key) : IUserAuthenticator
    {
        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            ValueTask.FromResult<AuthenticationDecision>(request is PublicKeyRequest asked && asked.Key.Equals(key)
                ? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName, Key = asked.Key })
                : new AuthenticationDecision.Denied(["publickey"]));
    }

    public sealed class OnlyEcho : IForwardingPolicy
    {
        public static int Port { get; set; }

        public ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest request, CancellationToken cancellationToken) =>
            ValueTask.FromResult(request.Port == Port ? ForwardingDecision.Allow : ForwardingDecision.Deny("only the echo"));
    }

    private sealed class Trust(PublicKey key) : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) =>
            context.Key.Equals(key) ? ValueTask.CompletedTask : throw new SshException(SshError.HostKeyChanged, "another key");
    }
}
