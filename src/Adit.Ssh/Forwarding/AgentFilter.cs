using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Stands between somebody at the far end of a forwarded agent and the agent: listing keys, signing and binding a session pass, each signature after its
/// confirmation where there is one; everything else is answered here (INVARIANTS 26). One connection; one request at a time.</summary>
/// <param name="agent">A connection to the agent that nobody else uses, bound to our session.</param>
/// <param name="knowsBindings">The agent knows session-bind@openssh.com, so that a plain failure in answer to one is a refusal.</param>
/// <param name="forwarded">Who is asked before a signature.</param>
/// <param name="server">Whom the agent is forwarded to.</param>
/// <param name="logger">For every use.</param>
internal sealed class AgentFilter(IAgentExchange agent, bool knowsBindings, ForwardedAgent forwarded, string server, ILogger logger)
{
    /// <summary>As many as OpenSSH's agent takes for one connection.</summary>
    private const int MaxBindings = 16;

    private static readonly byte[] Failure = [AgentMessages.Failure];

    private readonly Dictionary<string, string> _bindings = [];
    private Dictionary<string, string> _comments = [];
    private bool _bindingRefused;

    /// <summary>The answer to a request. Throws what the agent's connection throws.</summary>
    public async ValueTask<byte[]> AnswerAsync(byte[] message, CancellationToken cancellationToken)
    {
        var request = AgentRequest.Parse(message);
        if (request.Kind == AgentRequestKind.Refused || _bindingRefused)
        {
            logger.LogDebug("agent forwarding: refused request {Type} from {Server}{Why}", request.Type, server,
                request.Kind == AgentRequestKind.Refused ? "" : ": a session could not be bound (session-bind@openssh.com)");
            return Failure;
        }
        if (request.Kind == AgentRequestKind.Sign && !await MaySignAsync(request, cancellationToken).ConfigureAwait(false))
            return Failure;
        byte[] reply = await agent.ExchangeAsync(message, cancellationToken).ConfigureAwait(false);
        if (request.Kind == AgentRequestKind.Bind)
            NoteBinding(request, reply[0]);
        return reply;
    }

    private void NoteBinding(AgentRequest request, byte answer)
    {
        if (answer == AgentMessages.Success)
        {
            if (_bindings.Count < MaxBindings)
                _bindings[Convert.ToHexString(request.Data.Span)] = AgentRequest.Describe(request.Key.Span);
            return;
        }
        if (answer != AgentMessages.ExtensionFailure && !knowsBindings)
            return;
        // An agent goes on without one for keys that are not constrained; here nothing is signed for a session that it could not be sure of.
        _bindingRefused = true;
        logger.LogDebug("agent forwarding: the agent refused to bind a session of {Server} to the host with key {Key}; this connection gets no more from it",
            server, AgentRequest.Describe(request.Key.Span));
    }

    private async ValueTask<bool> MaySignAsync(AgentRequest request, CancellationToken cancellationToken)
    {
        if (forwarded.Confirm is null && !logger.IsEnabled(LogLevel.Debug))
            return true;
        string comment = await FindCommentAsync(request.Key, cancellationToken).ConfigureAwait(false);
        var use = new AgentUse(AgentRequest.Describe(request.Key.Span), comment, server, AgentPurpose.Describe(request.Data.Span, _bindings));
        bool allowed = await ConfirmAsync(use, cancellationToken).ConfigureAwait(false);
        logger.LogDebug("agent forwarding: signature with {Use}{Denied}", use, allowed ? "" : ": denied");
        return allowed;
    }

    private async ValueTask<bool> ConfirmAsync(AgentUse use, CancellationToken cancellationToken)
    {
        if (forwarded.Confirm is not { } confirm)
            return true;
        try
        {
            return await confirm(use, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.LogError(e, "asking whether to sign failed");
            return false;
        }
    }

    /// <summary>What the agent calls a key. It is asked again for one that it had not listed before.</summary>
    private async ValueTask<string> FindCommentAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        string name = Convert.ToHexString(key.Span);
        if (_comments.TryGetValue(name, out string? known))
            return known;
        byte[] reply = await agent.ExchangeAsync(AgentMessages.RequestIdentities(), cancellationToken).ConfigureAwait(false);
        try
        {
            _comments = ReadComments(reply);
        }
        catch (SshException e) when (e.Error == SshError.ProtocolError)
        {
            logger.LogDebug("agent forwarding: the agent's list of keys is malformed: {Reason}", e.Message);
        }
        return _comments.GetValueOrDefault(name, "");
    }

    // byte 12 | uint32 count | { string key | string comment } repeated
    private static Dictionary<string, string> ReadComments(ReadOnlySpan<byte> reply)
    {
        const int maxShown = 200;
        var comments = new Dictionary<string, string>();
        if (reply[0] != AgentMessages.IdentitiesAnswer)
            return comments; // locked, say
        var reader = new SshReader(reply[1..]);
        for (uint count = reader.ReadUInt32(); count > 0; count--)
            comments[Convert.ToHexString(reader.ReadString())] = PeerText.Escape(reader.ReadText(), maxShown);
        return comments;
    }
}
