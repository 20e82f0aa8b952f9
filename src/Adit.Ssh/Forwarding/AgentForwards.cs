using System.Net.Sockets;
using System.Security.Cryptography;
using Adit.Ssh.Connection;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Client side of agent forwarding: asks for it on sessions, and takes the channels in which the server then brings connections to the agent. Each gets a connection
/// to the agent of its own, which first learns whose session it is for.</summary>
internal sealed class AgentForwards(SshConnection connection, TaskTracker connections, string serverName, ILogger logger, TimeProvider time) : IChannelHandler
{
    /// <summary>The channel's name before it had a standard one, and that one (draft-ietf-sshm-ssh-agent), which is for peers that asked by the request of the same age.</summary>
    public const string Channel = "auth-agent@openssh.com", StandardChannel = "agent-connect";

    /// <summary>The requests for it, on a session.</summary>
    public const string Request = "auth-agent-req@openssh.com", StandardRequest = "agent-req";

    /// <summary>Connections at once. OpenSSH's client knows no limit; each costs a descriptor here and one in the agent.</summary>
    private const int MaxChannels = 128;

    /// <summary>An agent that does not take a connection or answer a binding by then is as good as none. It asks nobody before it does.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly OfferedPlaces _places = new("agent", "agent", MaxChannels, connections, logger);
    private ForwardedAgent? _agent;

    /// <summary>Asks for it on a session's channel, before its program starts. What the server says to it is not waited for, as ssh does not: its connections tell.</summary>
    public void Ask(SshChannel session, ForwardedAgent agent)
    {
        Volatile.Write(ref _agent, agent); // before the request leaves: a channel may be the answer
        session.Notify(connection.Transport.Extensions.AgentForwarding ? StandardRequest : Request, default);
    }

    public ValueTask HandleAsync(IncomingChannel request, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _agent) is { } agent)
            return _places.TakeAsync(request, () => OpenAsync(request, agent, cancellationToken));
        _places.Refuse(request);
        return ValueTask.CompletedTask;
    }

    /// <summary>Answers the request. Returns what carries the connection, or a finished task.</summary>
    private async Task<Task> OpenAsync(IncomingChannel request, ForwardedAgent agent, CancellationToken cancellationToken)
    {
        AgentConnection? socket = null;
        try
        {
            using var deadline = new CancellationTokenSource(Patience, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            socket = await AgentConnection.OpenAsync(agent.SocketPath, both.Token).ConfigureAwait(false);
            if (await BindAsync(socket, agent.SocketPath, both.Token).ConfigureAwait(false) is { } knowsBindings)
            {
                var channel = new AgentChannel(new AgentFilter(socket, knowsBindings, agent, serverName, logger), socket, logger);
                if (request.Accept(channel) is not null)
                {
                    socket = null; // the channel's now
                    return channel.RunAsync();
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            logger.LogDebug("agent forwarding: no connection to the agent: {Reason}", e is OperationCanceledException ? "it does not answer" : e.Message);
        }
        finally
        {
            socket?.Dispose();
        }
        request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");
        return Task.CompletedTask;
    }

    /// <summary>Tells the agent that this connection is forwarded to our server's session. Null when the agent knows how to be told and refuses: then it signs for nobody
    /// there (INVARIANTS 26). False when it does not know, and has no keys that depend on it.</summary>
    private async ValueTask<bool?> BindAsync(AgentConnection socket, string path, CancellationToken cancellationToken)
    {
        var transport = connection.Transport;
        byte[] message = AgentMessages.SessionBind(transport.HostKey, transport.SessionId.Span, transport.HostKeySignature.Span, forwarding: true);
        byte answer = (await socket.ExchangeAsync(message, cancellationToken).ConfigureAwait(false))[0];
        if (answer == AgentMessages.Success)
        {
            logger.LogDebug("bound agent to hostkey");
            return true;
        }
        // OpenSSH's agent has the same plain failure for what it refuses and for what it does not know (SSH_AGENT_EXTENSION_FAILURE came later).
        if (answer == AgentMessages.ExtensionFailure || await KnowsBindingsAsync(path, cancellationToken).ConfigureAwait(false))
        {
            logger.LogError("agent forwarding: the agent at {Path} refused to bind the session with {Server} (session-bind@openssh.com); nothing is signed there", path, serverName);
            return null;
        }
        logger.LogDebug("agent forwarding: the agent does not know session-bind@openssh.com");
        return false;
    }

    /// <summary>Whether the agent binds a session that it cannot have a reason to refuse, over a connection that serves for nothing else.</summary>
    private static async ValueTask<bool> KnowsBindingsAsync(string path, CancellationToken cancellationToken)
    {
        using var socket = await AgentConnection.OpenAsync(path, cancellationToken).ConfigureAwait(false);
        using var key = PrivateKey.Generate(KeyAlgorithms.Ed25519);
        byte[] session = RandomNumberGenerator.GetBytes(32);
        byte[] message = AgentMessages.SessionBind(key.PublicKey, session, key.Sign(KeyAlgorithms.Ed25519, session), forwarding: true);
        return (await socket.ExchangeAsync(message, cancellationToken).ConfigureAwait(false))[0] == AgentMessages.Success;
    }
}
