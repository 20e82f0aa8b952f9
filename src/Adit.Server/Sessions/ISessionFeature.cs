using Adit.Server.Authentication;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Server.Sessions;

/// <summary>What a session can have besides a program: the forwarded agent, X11. One per connection, made when its first session asks for something; disposed of with
/// the connection.</summary>
internal interface ISessionFeature : IAsyncDisposable
{
    /// <summary>Answers a channel request that sessions do not know by themselves, ahead of the program's start. Null: it is not this feature's. Not on the receive loop.
    /// The requests of one session come one at a time, those of several sessions may come at once.</summary>
    /// <param name="session">The session that asks: the same object for all its requests.</param>
    /// <param name="type">The request's type.</param>
    /// <param name="data">Its own part.</param>
    /// <param name="cancellationToken">Cancelled when the session ends.</param>
    ValueTask<bool?> HandleRequestAsync(object session, string type, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>The session's program is about to start: adds variables to its environment. May run programs as the user.</summary>
    ValueTask PrepareAsync(object session, IDictionary<string, string> environment, CancellationToken cancellationToken);

    /// <summary>What an rc file of the session gets as its standard input ("PROTOCOL COOKIE" and a newline, for X11); null for nothing. Behind <see cref="PrepareAsync"/>.</summary>
    string? RcInput(object session) => null;

    /// <summary>The session is over.</summary>
    ValueTask EndAsync(object session);
}

/// <summary>A connection with sessions.</summary>
/// <param name="Service">Its channels, and who logged in.</param>
/// <param name="Login">The account, and what is granted now.</param>
/// <param name="Programs">Runs programs as that account.</param>
internal sealed record SessionScope(ServiceContext Service, ServerLogin Login, IUserPrograms Programs)
{
    /// <summary>What programs of its sessions must show at their X11 displays.</summary>
    public X11Authorities X11 { get; } = new();

    /// <summary>A program begins: what the server sends is marked for somebody who types and reads, or for bulk.</summary>
    public void SetQuality(IpQos quality, bool isInteractive)
    {
        var service = isInteractive ? quality.Interactive : quality.Bulk;
        if (service >= 0)
        {
            Service.SetTypeOfService(service);
        }
    }
}

/// <summary>Runs short programs with an account's whole identity: user, group and all groups; no terminal, its home as working folder.</summary>
internal interface IUserPrograms
{
    /// <summary>Runs one to its end and collects at most 1 MiB of what it prints. Throws <see cref="SshException"/> when it cannot be started, and
    /// <see cref="OperationCanceledException"/> once it has been killed for that.</summary>
    /// <param name="account">Who runs it.</param>
    /// <param name="command">The file's path and its arguments; no shell.</param>
    /// <param name="input">Its standard input.</param>
    /// <param name="environment">All of its environment.</param>
    /// <param name="cancellationToken">Kills it.</param>
    Task<ProgramResult> RunAsync(
        UserAccount account, IReadOnlyList<string> command, ReadOnlyMemory<byte> input, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken);
}

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Its exit status; 128 and the signal's number for one that a signal ended.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Error">What it wrote to standard error.</param>
internal sealed record ProgramResult(int ExitCode, byte[] Output, string Error);
