using System.Net;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Transport;

/// <summary>Learns the keys that a server says it has, so that they are known before the server begins to use them (UpdateHostKeys).</summary>
public interface IHostKeyUpdater
{
    /// <summary>Called once after login, off the receive loop. May ask a person. What it throws is logged and otherwise without consequence.</summary>
    ValueTask UpdateAsync(HostKeyOffer offer, CancellationToken cancellationToken);
}

/// <summary>The keys that a server that was verified says it has.</summary>
/// <param name="Host">The name the user gave (or HostKeyAlias).</param>
/// <param name="Port">The port the user gave.</param>
/// <param name="Address">The address that was connected to, where known.</param>
/// <param name="Current">The key or certificate that this connection was verified with.</param>
/// <param name="Keys">All its plain keys, that one among them or not. None of them is proved yet.</param>
/// <param name="ProveAsync">Asks the server to prove that it holds the keys: true where its signatures over this connection's session id are right for all of them.</param>
public sealed record HostKeyOffer(
    string Host, int Port, IPAddress? Address, PublicKey Current, IReadOnlyList<PublicKey> Keys, Func<IReadOnlyList<PublicKey>, CancellationToken, ValueTask<bool>> ProveAsync);
