using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>What a session is asked for before its program starts: agent or X11 forwarding.</summary>
internal interface ISessionRequests
{
    /// <summary>Sends the requests. A refusal is told to the person and is no reason to stop; what is thrown ends the session.</summary>
    ValueTask RequestAsync(SshSession session, CancellationToken cancellationToken);
}
