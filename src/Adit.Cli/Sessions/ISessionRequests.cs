using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>What a session is asked for before its program starts: agent or X11 forwarding.</summary>
internal interface ISessionRequests
{
    SessionRequestKind Kind { get; }

    /// <summary>Sends the requests. The task tells what the server refused, once it has answered: the name of it for "… request failed on channel N", null for nothing. All else is
    /// told to the person here and is no reason to stop; what is thrown ends the session.</summary>
    ValueTask<Task<string?>> RequestAsync(SshSession session, CancellationToken cancellationToken);
}

/// <summary>What a request is for.</summary>
internal enum SessionRequestKind
{
    Agent,
    X11,
}
