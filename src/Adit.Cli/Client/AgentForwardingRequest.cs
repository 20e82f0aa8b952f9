using System.Net.Sockets;
using Adit.Cli.Diagnostics;
using Adit.Cli.Sessions;
using Adit.Cli.Terminal;
using Adit.Ssh;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;
using Keywords = Adit.Ssh.OpenSsh.SshConfigKeywords;

namespace Adit.Cli.Client;

/// <summary>-A and ForwardAgent: asks the server, on each session, to let its programs use the agent here.</summary>
internal sealed class AgentForwardingRequest : ISessionRequests
{
    private readonly ForwardedAgent _agent;
    private readonly bool _isNeeded;
    private readonly LogOutput _log;

    private AgentForwardingRequest(ForwardedAgent agent, bool isNeeded, LogOutput log)
    {
        (_agent, _isNeeded, _log) = (agent, isNeeded, log);
    }

    public SessionRequestKind Kind => SessionRequestKind.Agent;

    /// <summary>Null where no agent is to be forwarded, or none is configured.</summary>
    /// <param name="config">ForwardAgent, IdentityAgent, BatchMode, ExitOnForwardFailure.</param>
    /// <param name="confirms">--agent-confirm.</param>
    /// <param name="prompter">Asks the person.</param>
    /// <param name="hold">The session's terminal, on which it is asked.</param>
    /// <param name="log">For what ssh says about it.</param>
    public static AgentForwardingRequest? Create(SshConfigValues config, bool confirms, IPrompter prompter, TerminalHold hold, LogOutput log)
    {
        if (config.ForwardAgentSocket is not { } path)
        {
            if (config.Get(Keywords.ForwardAgent).Enabled)
            {
                log.Write(OpenSshLogLevel.Debug1, "agent forwarding: there is no agent");
            }

            return null;
        }

        var question = !confirms ? null : new AgentForwardingQuestion(config.Get(Keywords.BatchMode) ? new NoPrompter() : prompter, hold, log);
        return new AgentForwardingRequest(new ForwardedAgent(path) { Confirm = question is null ? null : question.AskAsync }, config.Get(Keywords.ExitOnForwardFailure), log);
    }

    public async ValueTask<Task<string?>> RequestAsync(SshSession session, CancellationToken cancellationToken)
    {
        var nothing = Task.FromResult<string?>(null); // the server is not asked for an answer
        if (await ProblemAsync(_agent.SocketPath, cancellationToken).ConfigureAwait(false) is { } problem)
        {
            _log.Write(OpenSshLogLevel.Debug1, $"agent forwarding: no agent at {_agent.SocketPath}: {problem}");
            return nothing;
        }

        try
        {
            session.ForwardAgent(_agent);
            _log.Write(OpenSshLogLevel.Debug1, "Requesting authentication agent forwarding.");
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            _log.Write(OpenSshLogLevel.Error, e.Message);
            if (_isNeeded)
            {
                throw new SshException(SshError.PolicyDenied, "Error: forwarding disabled due to host key check failure", e);
            }
        }

        return nothing;
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
