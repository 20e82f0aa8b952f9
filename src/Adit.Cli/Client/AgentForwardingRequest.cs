using System.Net.Sockets;
using Adit.Cli.Diagnostics;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>-A and ForwardAgent: asks the server, on each session, to let its programs use the agent here.</summary>
internal sealed class AgentForwardingRequest
{
    private readonly SshClient _client;
    private readonly ForwardedAgent _agent;
    private readonly LogOutput _log;

    private AgentForwardingRequest(SshClient client, ForwardedAgent agent, LogOutput log)
    {
        (_client, _agent, _log) = (client, agent, log);
    }

    /// <summary>Null where no agent is to be forwarded: none is configured or there, or the server may not be the right one.</summary>
    /// <param name="client">Logged in.</param>
    /// <param name="config">ForwardAgent, IdentityAgent, BatchMode, ExitOnForwardFailure.</param>
    /// <param name="confirms">--agent-confirm.</param>
    /// <param name="prompter">Asks the person.</param>
    /// <param name="log">For what ssh says about it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SshException">The server's host key is unsafe and ExitOnForwardFailure is set.</exception>
    public static async ValueTask<AgentForwardingRequest?> CreateAsync(
        SshClient client, SshConfigValues config, bool confirms, IPrompter prompter, LogOutput log, CancellationToken cancellationToken)
    {
        if (!config.Get(Keywords.ForwardAgent).Enabled)
        {
            return null;
        }

        if (client.IsHostKeyUnsafe)
        {
            log.Write(OpenSshLogLevel.Error, "Agent forwarding is disabled to avoid man-in-the-middle attacks.");
            return config.Get(Keywords.ExitOnForwardFailure)
                ? throw new SshException(SshError.PolicyDenied, "Error: forwarding disabled due to host key check failure")
                : null;
        }

        if (config.ForwardAgentSocket is not { } path)
        {
            log.Write(OpenSshLogLevel.Debug1, "agent forwarding: there is no agent");
            return null;
        }

        if (await ProblemAsync(path, cancellationToken).ConfigureAwait(false) is { } problem)
        {
            log.Write(OpenSshLogLevel.Debug1, $"agent forwarding: no agent at {path}: {problem}");
            return null;
        }

        var question = !confirms ? null : new AgentForwardingQuestion(config.Get(Keywords.BatchMode) ? new NoPrompter() : prompter, log);
        return new AgentForwardingRequest(client, new ForwardedAgent(path) { Confirm = question is null ? null : question.AskAsync }, log);
    }

    /// <summary>Before the session's program starts.</summary>
    public ValueTask RequestAsync(SshSession session, CancellationToken cancellationToken)
    {
        _log.Write(OpenSshLogLevel.Debug1, "Requesting authentication agent forwarding.");
        _client.ForwardAgent(session, _agent);
        return ValueTask.CompletedTask;
    }

    /// <summary>Why nobody can connect to the agent; null when one can. ssh asks for no forwarding then, and says so in its debugging lines alone: -A is often set for all hosts.</summary>
    private static async ValueTask<string?> ProblemAsync(string path, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return e.Message;
        }
    }
}
