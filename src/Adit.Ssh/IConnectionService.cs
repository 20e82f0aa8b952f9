using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>Something that a server offers besides forwarding: sessions, say. One for all connections.</summary>
internal interface IConnectionService
{
    /// <summary>Somebody logged in: takes their channels and global requests (<see cref="SshConnection.Handle"/>, <see cref="GlobalRequests.Handle"/>). What it returns is
    /// disposed of when the connection has ended, and waited for. Must not block.</summary>
    IAsyncDisposable Attach(ServiceContext context);
}

/// <summary>What <see cref="IConnectionService.Attach"/> returns, where rules may be against what goes on in it.</summary>
internal interface IReviewed
{
    /// <summary>Rules may have changed: closes what is not allowed any more and reports it. Returns how much that was.</summary>
    ValueTask<int> ReviewAsync(Action<string> report, CancellationToken cancellationToken);
}

/// <summary>A connection that somebody logged in on.</summary>
/// <param name="Connection">Its channels.</param>
/// <param name="Principal">Who it is.</param>
/// <param name="Peer">Where they came from, and to which of our addresses.</param>
/// <param name="Logger">The server's log.</param>
internal sealed record ServiceContext(SshConnection Connection, SshPrincipal Principal, AuthenticationPeer Peer, ILogger Logger)
{
    /// <summary>Sets the type of service byte of what the server sends to this client (IPQoS).</summary>
    public Action<int> SetTypeOfService { get; init; } = _ => { };
}
