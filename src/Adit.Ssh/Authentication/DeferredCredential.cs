using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>See <see cref="Credential.Deferred"/>.</summary>
internal sealed class DeferredCredential(SshAgent? agent, Func<CancellationToken, ValueTask<IReadOnlyList<Credential>>> find) : PublicKeyCredential
{
    internal override string Name => "keys";

    internal override bool OpensSilently => true;

    internal override async ValueTask<IReadOnlyList<Credential>?> ResolveAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken)
    {
        if (agent is not null)
            await BindAsync(agent, exchange, logger, cancellationToken).ConfigureAwait(false);
        return await find(cancellationToken).ConfigureAwait(false);
    }

    // What it stands for is opened instead.
    internal override ValueTask<OpenedKeys> OpenAsync(IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken) => ValueTask.FromResult(OpenedKeys.None);

    /// <summary>The agent learns which server this is, so that it can keep to a key's destination constraints. One that is not there says so when it is asked for its keys.</summary>
    private static async ValueTask BindAsync(SshAgent agent, IMessageExchange exchange, ILogger logger, CancellationToken cancellationToken)
    {
        if (exchange.HostKeySignature.IsEmpty)
            return;
        try
        {
            bool bound = await agent.BindSessionAsync(exchange.HostKey, exchange.SessionId, exchange.HostKeySignature, forwarding: false, cancellationToken).ConfigureAwait(false);
            logger.LogDebug("{Outcome}", bound ? "bound agent to hostkey" : "the agent did not bind the session (session-bind@openssh.com)");
        }
        catch (SshException e) when (e.Error == SshError.AgentFailed)
        {
            logger.LogTrace("session-bind@openssh.com: {Reason}", e.Message);
        }
    }
}
