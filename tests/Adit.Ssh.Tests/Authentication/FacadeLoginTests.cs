using System.Net;
using Adit.Ssh.Authentication;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;
using static Adit.Ssh.Tests.Authentication.ScriptedAuthenticator;

namespace Adit.Ssh.Tests.Authentication;

/// <summary>Logins through the facades, over loopback: what the transport and authentication owe each other.</summary>
public class FacadeLoginTests
{
    [Fact]
    public async Task A_client_that_leaves_while_its_login_is_decided_is_no_error()
    {
        var log = new ListLogger();
        using var leave = new CancellationTokenSource();
        var authenticator = new ScriptedAuthenticator(async (request, ct) =>
        {
            if (request is PasswordRequest)
            {
                await leave.CancelAsync();
                await Task.Delay(Timeout.Infinite, ct); // ends only with the connection
            }
            return Deny("password");
        });
        await using (var server = await StartAsync(authenticator, log))
        {
            await Assert.ThrowsAnyAsync<Exception>(() => ConnectAsync(server, leave.Token, Credential.Password("pw")));
            await server.StopAsync(TimeSpan.FromSeconds(20)); // returns when the connection is over
        }
        Assert.Contains(log.Texts, t => t.Contains("authenticating user alice 127.0.0.1 port ", StringComparison.Ordinal) && t.EndsWith("[preauth]", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, l => l.Level >= LogLevel.Error);
    }

    [Fact]
    public async Task Too_many_failures_reach_the_client_as_a_disconnect()
    {
        var log = new ListLogger();
        await using var server = await StartAsync(new ScriptedAuthenticator(_ => Deny("password")), log);
        var error = await Assert.ThrowsAsync<SshException>(() =>
            ConnectAsync(server, CancellationToken.None, Credential.Password((_, _) => ValueTask.FromResult<string?>("wrong"), attempts: 10)));
        Assert.Equal(SshError.AuthenticationFailed, error.Error);
        Assert.Equal($"Received disconnect from 127.0.0.1 port {server.BoundEndpoints[0].Port}:2: Too many authentication failures", error.Message);
        Assert.Contains("password: wrong", error.Hint, StringComparison.Ordinal);
    }

    private static async Task<SshServer> StartAsync(IUserAuthenticator authenticator, ListLogger log)
    {
        var options = new SshServerOptions { Authenticator = authenticator, LoggerFactory = new Factory(log), MaxAuthTries = 2 };
        options.Endpoints.Add(new IPEndPoint(IPAddress.Loopback, 0));
        options.HostKeys.Add(TestKeys.Host);
        var server = new SshServer(options);
        await server.StartAsync();
        return server;
    }

    private static async Task ConnectAsync(SshServer server, CancellationToken cancellationToken, params Credential[] credentials)
    {
        var options = new SshClientOptions { Host = "127.0.0.1", Port = server.BoundEndpoints[0].Port, UserName = "alice", HostKeyVerifier = new TrustTestHost() };
        foreach (var credential in credentials)
            options.Credentials.Add(credential);
        await using var client = await SshClient.ConnectAsync(options, cancellationToken).WaitAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
    }

    private sealed class TrustTestHost : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken)
        {
            Assert.Equal(TestKeys.Host.PublicKey, context.Key);
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Factory(ILogger logger) : ILoggerFactory
    {
        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => logger;

        public void Dispose()
        {
        }
    }
}
