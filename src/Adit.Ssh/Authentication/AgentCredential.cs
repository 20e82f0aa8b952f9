using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>See the Agent methods of <see cref="Credential"/>.</summary>
internal sealed class AgentCredential(string? socketPath, IReadOnlyList<PublicKey> preferred, bool preferredOnly) : PublicKeyCredential
{
    internal override string Name => "agent";

    internal override async ValueTask<OpenedKeys> OpenAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken)
    {
        if ((socketPath ?? SshAgent.DefaultSocketPath) is not { } path)
            return OpenedKeys.None;
        var agent = new SshAgent(path);
        try
        {
            // The agent learns which server this is, so that it can keep to a key's destination constraints.
            if (!exchange.HostKeySignature.IsEmpty
                && await agent.BindSessionAsync(exchange.HostKey, exchange.SessionId, exchange.HostKeySignature, forwarding: false, cancellationToken)
                    .ConfigureAwait(false))
            {
                logger.LogDebug("bound agent to hostkey");
            }
            var keys = await agent.ListAsync(cancellationToken).ConfigureAwait(false);
            logger.LogDebug("agent returned {Count} keys", keys.Count);
            return new OpenedKeys(Order(keys), agent);
        }
        catch
        {
            await agent.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private List<ISigner> Order(IReadOnlyList<ISigner> keys)
    {
        var ordered = preferred.SelectMany(wanted => keys.Where(key => key.PublicKey.Equals(wanted))).ToList();
        if (!preferredOnly)
            ordered.AddRange(keys.Where(key => !preferred.Contains(key.PublicKey)));
        return ordered;
    }
}
