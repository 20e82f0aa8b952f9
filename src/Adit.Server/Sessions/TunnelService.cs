using Adit.Server.Users;
using Adit.Ssh;

namespace Adit.Server.Sessions;

/// <summary>Serves tunnel devices (ssh -w): joins one here to one at the client.</summary>
/// <param name="users">Accounts and their groups, and which user this process is.</param>
/// <param name="clock">For rights that end.</param>
internal sealed class TunnelService(IUserDatabase users, TimeProvider clock) : IConnectionService
{
    /// <summary>Principals of an authenticator that knows no accounts get no devices.</summary>
    public IAsyncDisposable Attach(ServiceContext context) =>
        context.Principal.State is Authentication.ServerLogin login ? new ConnectionTunnels(context, login, users, clock) : Nothing.Instance;

    private sealed class Nothing : IAsyncDisposable
    {
        public static Nothing Instance { get; } = new();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
