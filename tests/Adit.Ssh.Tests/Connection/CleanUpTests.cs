using Adit.Ssh.Authentication;
using Adit.Ssh.Tests.Forwarding;

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

    private sealed class Rules : IUserAuthenticator, ILoginRules
    {
        public TaskCompletionSource Forgotten { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
            new(new AuthenticationDecision.Accepted(new SshPrincipal { UserName = request.UserName }));

        public ValueTask<LoginRules?> RulesForAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) => new((LoginRules?)null);

        public ValueTask ForgetAsync(AuthenticationPeer peer)
        {
            Forgotten.SetResult();
            return ValueTask.CompletedTask;
        }
    }

    private sealed class Failing : IConnectionService, IAsyncDisposable
    {
        public IAsyncDisposable Attach(ServiceContext context) => this;

        public ValueTask DisposeAsync() => throw new InvalidOperationException("cannot end");
    }
}
