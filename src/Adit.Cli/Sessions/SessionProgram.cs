using Adit.Cli.Diagnostics;
using Adit.Ssh;

namespace Adit.Cli.Sessions;

/// <summary>What to run in a session, and in which surroundings.</summary>
internal sealed record SessionProgram
{
    /// <summary>The command, or the subsystem's name; null for the login shell.</summary>
    public string? Command { get; init; }

    public bool IsSubsystem { get; init; }

    /// <summary>The terminal to ask for; null for none.</summary>
    public PtyOptions? Terminal { get; init; }

    /// <summary>Variables to send. The server takes those that it is set up to.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Variables { get; init; } = [];

    /// <summary>Requests all of it and returns whether there is a terminal; a refused one is told and the program runs without. Everything is sent before the first answer is waited for.
    /// Throws <see cref="SshException"/> when the program is refused or the connection dies.</summary>
    public async Task<bool> StartAsync(SshSession session, IReadOnlyList<ISessionRequests> requests, LogOutput log, CancellationToken cancellationToken)
    {
        var refusals = new List<Task<string?>>();
        foreach (var request in requests)
        {
            refusals.Add(await request.RequestAsync(session, cancellationToken).ConfigureAwait(false));
        }

        var terminal = Terminal is null ? Task.FromResult(false) : session.RequestPtyAsync(Terminal);
        foreach (var (name, value) in Variables)
        {
            session.SetVariable(name, value);
        }

        var (what, started) = (Command, IsSubsystem) switch
        {
            ({ } name, true) => ("subsystem", session.StartSubsystemAsync(name)),
            ({ } command, false) => ("exec", session.ExecuteAsync(command)),
            _ => ("shell", session.StartShellAsync()),
        };
        var hasTerminal = await terminal.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (!await started.WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            await ThrowIfLostAsync(session).ConfigureAwait(false);
            throw new SshException(SshError.ChannelClosed, $"{what} request failed on channel {session.Number}")
            {
                Hint = what switch
                {
                    "subsystem" => "The server has no such subsystem, or this login may not use it.",
                    _ => "The server lets this login run no programs; -N only forwards.",
                },
            };
        }

        foreach (var refused in await Task.WhenAll(refusals).WaitAsync(cancellationToken).ConfigureAwait(false))
        {
            if (refused is not null)
            {
                log.Write(OpenSshLogLevel.Error, $"{refused} request failed on channel {session.Number}");
            }
        }

        if (Terminal is not null && !hasTerminal)
        {
            log.Write(OpenSshLogLevel.Error, $"PTY allocation request failed on channel {session.Number}");
        }

        return hasTerminal;
    }

    /// <summary>A request counts as refused too when the connection died.</summary>
    private static async Task ThrowIfLostAsync(SshSession session)
    {
        if (session.Completion.IsFaulted)
        {
            await session.Completion.ConfigureAwait(false);
        }
    }
}
