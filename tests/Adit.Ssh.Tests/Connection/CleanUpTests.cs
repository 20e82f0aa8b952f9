using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Tests.Forwarding;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Connection;

public class CleanUpTests
{
    // PAM's session is closed by it.
    [Fact]
    public async Task A_login_is_forgotten_though_something_before_that_fails()
    {
        var rules = new Rules();
        var tunnel = await TunnelPair.ConnectAsync(server: options =>
        {
            options.Authenticator = rules;
            options.Services.Add(new Failing());
        });
        await tunnel.Client.DisposeAsync();
        await rules.Forgotten.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await tunnel.DisposeAsync();
    }

    // What a login has started (PAM's process) counts as long as it is there: MaxStartups bounds those too.
    [Fact]
    public async Task A_login_that_failed_keeps_its_place_until_it_is_forgotten()
    {
        var rules = new Rules { Answer = new AuthenticationDecision.Denied(["publickey"]), MayBeForgotten = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) };
        await using var server = new SshServer(new SshServerOptions
        {
            Endpoints = { new IPEndPoint(IPAddress.Loopback, 0) },
            HostKeys = { PrivateKey.Generate("ssh-ed25519") },
            Authenticator = rules,
            MaxStartupsBegin = 1,
            MaxStartups = 1,
        });
        await server.StartAsync();
        int port = server.BoundEndpoints[0].Port;
        var login = new SshClientOptions { Host = "127.0.0.1", Port = port, UserName = "test", Credentials = { Credential.Key(PrivateKey.Generate("ssh-ed25519")) }, HostKeyVerifier = new Trusting() };
        await Assert.ThrowsAsync<SshException>(() => SshClient.ConnectAsync(login));
        await rules.Forgotten.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.DoesNotContain("SSH-2.0-", await GreetingAsync(port), StringComparison.Ordinal);
        rules.MayBeForgotten.SetResult();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!(await GreetingAsync(port)).StartsWith("SSH-2.0-", StringComparison.Ordinal))
            deadline.Token.ThrowIfCancellationRequested();
    }

    private static async Task<string> GreetingAsync(int port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        using var reader = new StreamReader(client.GetStream());
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)) ?? "";
    }

    private sealed class Trusting : IHostKeyVerifier
    {
        public IReadOnlyList<string> KnownKeyTypes(string host, int port) => [];

        public ValueTask VerifyAsync(HostKeyContext context, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }

    private sealed class Rules : IUserAuthenticator, ILoginRules
    {
        public TaskCompletionSource Forgotten { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>By default everybody comes in.</summary>
        public AuthenticationDecision? Answer { get; init; }

        /// <summary>Null: at once.</summary>
        public TaskCompletionSource? MayBeForgotten { get; init; }

        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            new(Answer ?? new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName }));

        public ValueTask<LoginRules?> RulesForAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) => new((LoginRules?)null);

        public ValueTask ForgetAsync(AuthenticationPeer peer)
        {
            Forgotten.TrySetResult();
            return new ValueTask(MayBeForgotten?.Task ?? Task.CompletedTask);
        }
    }

    private sealed class Failing : IConnectionService, IAsyncDisposable
    {
        public IAsyncDisposable Attach(ServiceContext context) => this;

        public ValueTask DisposeAsync() => throw new InvalidOperationException("cannot end");
    }
}
