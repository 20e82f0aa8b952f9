using System.Collections.Concurrent;
using System.Text;
using Adit.Server.Configuration;
using Adit.Ssh;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>What the programs of a session must show at its X11 display, and how they come to know it: xauth puts it into ~/.Xauthority. As with OpenSSH nothing takes it out
/// again; the next session with the same display number replaces it.</summary>
/// <param name="Name">The display's name in ~/.Xauthority: "unix:10.0" for one on loopback.</param>
/// <param name="Protocol">How it is shown.</param>
/// <param name="Cookie">What is shown, in hex.</param>
internal sealed record X11Authority(string Name, string Protocol, string Cookie)
{
    /// <summary>A user can have xauth wait: a lock on ~/.Xauthority that nobody releases, a FIFO in its place. It waits 20 s itself for a lock.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Runs xauth as the user. What comes of it is told to the log and the client; the session starts all the same.</summary>
    /// <param name="scope">The connection.</param>
    /// <param name="environment">The program's, with DISPLAY in it.</param>
    /// <param name="cancellationToken">The session has ended.</param>
    public async Task AddAsync(SessionScope scope, IEnumerable<KeyValuePair<string, string>> environment, CancellationToken cancellationToken)
    {
        if (Service.SshdOptions.NoneIsNull(scope.Login.Grant.Config.Get(X11Keywords.XAuthLocation)) is not { } program)
        {
            return; // meanwhile
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        string? problem;
        try
        {
            var input = Encoding.ASCII.GetBytes($"remove {Name}\nadd {Name} {Protocol} {Cookie}\n");
            var result = await scope.Programs.RunAsync(scope.Login.Account, [program, "-q", "-"], input, environment.ToDictionary(), limit.Token).ConfigureAwait(false);
            problem = result.ExitCode == 0 ? null : $"exit status {result.ExitCode}: {result.Error.Trim()}";
        }
        catch (SshException e)
        {
            problem = e.Message;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            problem = $"not done within {Limit.TotalSeconds:0} s";
        }

        if (problem is not null)
        {
            problem = PeerText.Escape(problem, 500);
            scope.Service.Logger.LogInformation("{Program} -q - for {User}: {Problem}", PeerText.Escape(program), PeerText.Escape(scope.Login.Account.Name, 256), problem);
            scope.Service.Connection.Transport.Send(new DebugMessage(AlwaysDisplay: false, $"{program} -q -: {problem}"));
        }
    }

    /// <summary>Without the cookie.</summary>
    public override string ToString() => $"{Name} {Protocol}";
}

/// <summary>Those of a connection's sessions.</summary>
internal sealed class X11Authorities
{
    private readonly ConcurrentDictionary<object, X11Authority> _all = new(ReferenceEqualityComparer.Instance);

    /// <summary>A session's; null where it has no display.</summary>
    public X11Authority? Of(object session) => _all.GetValueOrDefault(session);

    public void Set(object session, X11Authority authority) => _all[session] = authority;

    public void Remove(object session) => _all.TryRemove(session, out _);
}
