using Adit.Server.Configuration;
using Adit.Server.Users;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>What reviews of all logins share.</summary>
/// <param name="Live">What the configuration is now.</param>
/// <param name="Users">Whose accounts they are.</param>
/// <param name="Rules">About accounts.</param>
/// <param name="Keys">About keys.</param>
/// <param name="Clock">For the second between two looks at files.</param>
/// <param name="Logger">Gets a line when rights were looked up again.</param>
internal sealed record LoginReviewers(LiveSshdConfig Live, IUserDatabase Users, AccountRules Rules, KeyAcceptance Keys, TimeProvider Clock, ILogger Logger);

/// <summary>Asks again, while a login lasts, what was asked at its beginning: do the rules still let the account in, and do the same keys still open it, and with which
/// rights. That is done when the configuration was replaced, or one of the files that let the user in has changed; the files are looked at once a second, while somebody asks.</summary>
internal sealed class LoginReview
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly LoginReviewers _shared;
    private readonly UserAccount _account;
    private readonly MatchContext _context;
    private readonly IReadOnlyList<LoginStep> _steps;
    private readonly Lock _lock = new();
    private Task _looking = Task.CompletedTask;
    private volatile LoginGrant _grant;
    private volatile SshdConfig _whole;
    private volatile LoginRights _restriction = LoginRights.Unrestricted;
    private FileStamp[] _stamps;
    private long _lookedAt;

    /// <param name="shared">What reviews of all logins share.</param>
    /// <param name="state">What the login was decided with.</param>
    /// <param name="grant">What it was granted.</param>
    /// <param name="steps">The steps that led in, the first with the stamps of the files as they were before they were read.</param>
    public LoginReview(LoginReviewers shared, LoginState state, LoginGrant grant, IReadOnlyList<LoginStep> steps)
    {
        _shared = shared;
        _account = state.Account!;
        _context = state.Context;
        _whole = state.Whole;
        _grant = grant;
        _steps = steps;
        _stamps = steps.FirstOrDefault(step => step.Stamps.Length > 0)?.Stamps ?? [];
        _lookedAt = shared.Clock.GetTimestamp();
    }

    /// <summary>What was granted when it was last looked at.</summary>
    public LoginGrant Grant => _grant;

    /// <summary>Takes rights away for the rest of the login. Before anybody can ask for any.</summary>
    public void Restrict(LoginRights restriction)
    {
        _restriction = restriction;
        _grant = _grant with { Rights = _grant.Rights.And(restriction) ?? LoginRights.Nothing(LoginRights.Inconsistent) };
    }

    /// <summary>Whether <see cref="Grant"/> is what holds now.</summary>
    public bool IsFresh => ReferenceEquals(_whole, _shared.Live.Current)
        && (_stamps.Length == 0 || _shared.Clock.GetElapsedTime(Volatile.Read(ref _lookedAt)) < Interval);

    /// <summary>Looks, one at a time: who waited for another's look takes its result, unless the configuration was replaced meanwhile.</summary>
    public async ValueTask<LoginGrant> RunAsync(CancellationToken cancellationToken)
    {
        while (!IsFresh)
        {
            Task looking;
            lock (_lock)
            {
                looking = _looking.IsCompleted ? _looking = BlockingWork.RunAsync(Run, CancellationToken.None) : _looking;
            }

            await looking.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return _grant;
    }

    /// <summary>The files that say who may log in to the account.</summary>
    public static FileStamp[] StampsOf(UserAccount account, SshdConfig config) =>
    [
        .. UserFiles.Paths(account, config.Get(K.AuthorizedKeysFile)).Concat(UserFiles.Paths(account, [config.Get(K.AuthorizedPrincipalsFile)]))
            .Append(config.Get(K.TrustedUserCaKeys)).Append(config.Get(LoginKeywords.RevokedKeys)).Select(FileStamp.Of),
    ];

    private LoginGrant Run()
    {
        var whole = _shared.Live.Current;
        var same = ReferenceEquals(whole, _whole);
        var config = same ? _grant.Config : whole.For(_context);
        var stamps = _stamps.Length == 0 ? [] : StampsOf(_account, config); // before the files are read: a change meanwhile is seen next time
        if (!same || !stamps.AsSpan().SequenceEqual(_stamps))
        {
            _shared.Logger.LogDebug("looking up again what {User} from {Address} may do: {Cause}", PeerText.Escape(_account.Name, 100), PeerText.Escape(_context.Address!, 100),
                same ? "a file that let them in has changed" : "the configuration was replaced");
            _grant = new LoginGrant(config, RightsIn(config));
        }

        _whole = whole;
        _stamps = stamps;
        Volatile.Write(ref _lookedAt, _shared.Clock.GetTimestamp());
        return _grant;
    }

    private LoginRights RightsIn(SshdConfig config)
    {
        var name = PeerText.Escape(_account.Name, 100);
        var origin = new LoginOrigin(_context.Host!, _context.Address!);
        if (_shared.Users.Find(_account.Name) is not { } account || account.Uid != _account.Uid)
        {
            return LoginRights.Nothing($"the account {name} is gone");
        }

        if (_shared.Rules.Refusal(account, config, origin) is { } refusal)
        {
            return LoginRights.Nothing(refusal);
        }

        if (account.IsRoot && config.Get(K.PermitRootLogin) == RootLogin.No)
        {
            return LoginRights.Nothing("PermitRootLogin no");
        }

        var all = _restriction;
        foreach (var step in _steps)
        {
            if ((step.Key is { } key ? _shared.Keys.Find(new KeyQuestion(account, config, key, origin) { Answers = step.Answers, IsReview = true }) : step.Rights) is not { } rights)
            {
                return LoginRights.Nothing($"the key {step.Key} lets {name} in no more");
            }

            if (all.And(rights) is not { } both)
            {
                return LoginRights.Nothing(LoginRights.Inconsistent);
            }

            all = both;
        }

        return all;
    }
}
