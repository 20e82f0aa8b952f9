using Adit.Server.Authentication;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>Serves sessions (RFC 4254, section 6): programs as the account that logged in.</summary>
internal sealed class SessionService : IConnectionService
{
    private readonly IReadOnlyList<Func<SessionScope, ISessionFeature>> _features;
    private readonly IUserDatabase _users;
    private readonly StartHelper? _helper;
    private readonly ILogger _logger;

    /// <param name="users">Accounts and their groups.</param>
    /// <param name="helper">For the programs of accounts that are not this process's; null for none.</param>
    /// <param name="logger">The server's log.</param>
    /// <param name="features">What sessions have besides programs, asked in this order; each is made once per connection.</param>
    public SessionService(IUserDatabase users, StartHelper? helper, ILogger logger, IReadOnlyList<Func<SessionScope, ISessionFeature>> features)
    {
        (_users, _helper, _logger, _features) = (users, helper, logger, features);
        DescriptorLoop.Logger = logger;
        Launcher = new ProgramLauncher(helper, users, logger);
        Programs = new UserPrograms(helper, users, logger);
        Records = users.ProcessUid == 0 ? LoginRecords.OfSystem : null;
    }

    public ProgramLauncher Launcher { get; }

    public IUserPrograms Programs { get; }

    /// <summary>Which user this process is.</summary>
    public uint ProcessUid => _users.ProcessUid;

    /// <summary>Where logins on terminals are recorded; null for nowhere: these files are root's.</summary>
    public LoginRecords? Records { get; init; }

    /// <summary>There is a helper, so programs can be started in another root folder.</summary>
    public bool HasHelper => _helper is not null;

    /// <summary>Principals of an authenticator that knows no accounts get no sessions.</summary>
    public IAsyncDisposable Attach(ServiceContext context) =>
        context.Principal.State is ServerLogin login ? new ConnectionSessions(this, new SessionScope(context, login, ProgramsOf(login)), _features) : Nothing.Instance;

    private IUserPrograms ProgramsOf(ServerLogin login) => login.Pam?.Programs is { } parent ? new UserPrograms(_helper, _users, _logger, parent) : Programs;

    private sealed class Nothing : IAsyncDisposable
    {
        public static Nothing Instance { get; } = new();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
