using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Adit.Server.Configuration;
using Adit.Server.Pam;
using Adit.Server.Users;
using Adit.Ssh.Authentication;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using K = Adit.Server.Configuration.SshdKeywords;

namespace Adit.Server.Authentication;

/// <summary>Lets the system's users log in, as sshd_config(5) says: with the keys in their authorized_keys files, and with their passwords where this process runs as
/// root. An account that does not exist or may not log in is asked the same questions as any other, and none of its answers is right.</summary>
public sealed class AuthorizedKeysAuthenticator : IUserAuthenticator, ILoginRules
{
    private readonly LiveSshdConfig _live;
    private readonly IUserDatabase _users;
    private readonly SystemPasswords _passwords;
    private readonly AccountRules _rules;
    private readonly KeyAcceptance _keys;
    private readonly LoginReviewers _reviewers;
    private readonly ILogger _logger;
    private readonly PamHelperStart? _pam;

    // One peer object stands for one connection; what is known about it goes when it goes.
    private readonly ConditionalWeakTable<AuthenticationPeer, LoginState> _states = [];

    /// <param name="live">What the rules are; every login begins with those of its moment.</param>
    /// <param name="users">Whose accounts they are.</param>
    /// <param name="loggerFactory">Gets OpenSSH's lines about refusals.</param>
    /// <param name="clock">For accounts that expire.</param>
    public AuthorizedKeysAuthenticator(LiveSshdConfig live, IUserDatabase users, ILoggerFactory loggerFactory, TimeProvider? clock = null)
        : this(live, users, loggerFactory, clock, null, null)
    {
    }

    /// <param name="live">What the rules are.</param>
    /// <param name="users">Whose accounts they are.</param>
    /// <param name="loggerFactory">Gets OpenSSH's lines about refusals.</param>
    /// <param name="clock">For accounts that expire.</param>
    /// <param name="programs">Runs AuthorizedKeysCommand and the like.</param>
    /// <param name="pam">Speaks with PAM; null where nothing can. Throws <see cref="Adit.Ssh.SshException"/> for UsePAM then: leaving PAM out would let in whom it keeps out.</param>
    internal AuthorizedKeysAuthenticator(
        LiveSshdConfig live, IUserDatabase users, ILoggerFactory loggerFactory, TimeProvider? clock, Sessions.IUserPrograms? programs, PamHelperStart? pam)
    {
        clock ??= TimeProvider.System;
        var config = live.Current;
        _live = live;
        _users = users;
        _logger = loggerFactory.CreateLogger<AuthorizedKeysAuthenticator>();
        _passwords = new SystemPasswords(users);
        _rules = new AccountRules(users, clock);
        _keys = new KeyAcceptance(_logger, clock, new LoginCommands(programs, users, _logger));
        _reviewers = new LoginReviewers(live, users, _rules, _keys, clock, _logger);
        _pam = pam;
        if (config.Get(K.UsePam) && pam is null)
        {
            throw new Adit.Ssh.SshException(Adit.Ssh.SshError.Configuration, PamCalls.IsInstalled ? "UsePAM yes: this server has no helper to ask PAM with" : $"UsePAM yes: {PamCalls.Library} is not installed")
            {
                Hint = "Without PAM its account rules would not hold. Say \"UsePAM no\" to do without them.",
            };
        }

        if (!ArePasswordsPossible(config) && (config.Get(K.PasswordAuthentication) || config.Get(K.KbdInteractiveAuthentication)))
        {
            _logger.LogInformation(
                "Passwords cannot be checked ({Reason}): only keys let anybody in",
                users.ProcessUid == 0 ? "libcrypt is not installed" : "only root can read them");
        }
    }

    /// <summary>False when the configuration leaves no way to log in.</summary>
    public bool CanAnybodyLogIn => Methods.CanSucceed;

    /// <summary>What is wrong with chains of AuthenticationMethods, a line about each.</summary>
    internal IEnumerable<string> DisabledMethods => Methods.Disabled;

    private LoginMethods Methods => new(_live.Current, ArePasswordsPossible(_live.Current));

    public async ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
    {
        var state = await StateOfAsync(request, cancellationToken).ConfigureAwait(false);
        return request switch
        {
            PublicKeyRequest key => await DecideKeyAsync(key, state, cancellationToken).ConfigureAwait(false),
            PasswordRequest password => await DecidePasswordAsync(password, state, cancellationToken).ConfigureAwait(false),
            KeyboardInteractiveAuthenticationRequest interactive => await DecideInteractiveAsync(interactive, state, cancellationToken).ConfigureAwait(false),
            NoneRequest none => await DecideNoneAsync(none, state, cancellationToken).ConfigureAwait(false),
            _ => Deny(request, state),
        };
    }

    async ValueTask<LoginRules?> ILoginRules.RulesForAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
    {
        var config = (await StateOfAsync(request, cancellationToken).ConfigureAwait(false)).Config;
        return new LoginRules
        {
            Refusal = config.Get(LoginKeywords.RefuseConnection) ? "RefuseConnection" : null,
            MaxAuthTries = config.TryGetMatched(K.MaxAuthTries, out var tries) ? tries : null,
            Banner = config.TryGetMatched(K.Banner, out var banner)
                ? await BlockingWork.RunOrLeaveAsync(() => Service.SshdOptions.ReadBanner(Service.SshdOptions.NoneIsNull(banner), _logger) ?? "", cancellationToken).ConfigureAwait(false)
                : null,
        };
    }

    ValueTask<LoginCompletion?> ILoginRules.CompleteAsync(AuthenticationPeer peer, SshPrincipal principal, CancellationToken cancellationToken) =>
        principal.State is ServerLogin { Pam: { } pam } login ? PamRules.CompleteAsync(pam, login, _users, cancellationToken) : ValueTask.FromResult<LoginCompletion?>(null);

    async ValueTask ILoginRules.ForgetAsync(AuthenticationPeer peer)
    {
        if (_states.TryGetValue(peer, out var state) && _states.Remove(peer) && state.Pam is { } pam)
        {
            await pam.DisposeAsync().ConfigureAwait(false);
        }
    }

    // ---- The methods -----------------------------------------------------------------------------------------------

    private async ValueTask<AuthenticationDecision> DecideKeyAsync(PublicKeyRequest request, LoginState state, CancellationToken cancellationToken)
    {
        if (!IsAllowed(LoginMethods.PublicKey, request, state) || state.Account is not { } account || !IsAcceptable(request, state.Config))
        {
            return Deny(request, state);
        }

        // One chain may want two keys: the same one twice would be one.
        if (request.Completed.Any(step => step.Key is { } used && used.PlainKey.Equals(request.Key.PlainKey)))
        {
            return Deny(request, state);
        }

        // First: what changes while the files are read is seen by the first review.
        var stamps = await BlockingWork.RunOrLeaveAsync(() => LoginReview.StampsOf(account, state.Config), cancellationToken).ConfigureAwait(false);
        var peer = request.Peer;
        var question = new KeyQuestion(account, state.Config, request.Key, state.Origin)
        {
            Notes = state.Notes,
            IsReview = request.SignatureVerified, // asked before the signature was looked at
            Connection = string.Create(CultureInfo.InvariantCulture, $"{peer.RemoteAddress} {peer.RemotePort} {peer.LocalAddress} {peer.LocalPort}"),
        };
        var (found, answers) = await _keys.FindAsync(question, cancellationToken).ConfigureAwait(false);
        if (found is not { } rights)
        {
            return Deny(request, state);
        }

        // Last, as sshd: that root was refused is worth a line where the key was right.
        var permitRoot = state.Config.Get(K.PermitRootLogin);
        if (account.IsRoot && (permitRoot == RootLogin.No || (permitRoot == RootLogin.ForcedCommandsOnly && rights.ForcedCommand is null)))
        {
            return DenyRoot(request, state);
        }

        return Accept(LoginMethods.PublicKey, request, state, account, new LoginStep(request.Key, rights)
        {
            Stamps = stamps,
            Answers = answers,
            Information = $"{LoginMethods.PublicKey} {request.Key.KeyType} {Convert.ToBase64String(request.Key.Blob.Span)}",
        });
    }

    private async ValueTask<AuthenticationDecision> DecidePasswordAsync(PasswordRequest request, LoginState state, CancellationToken cancellationToken)
    {
        if (!IsAllowed(LoginMethods.Password, request, state)
            || (request.Password.Length == 0 && !state.Config.Get(K.PermitEmptyPasswords))) // PAM would make the client wait, and modules would count it against the account: nobody typed it
        {
            return Deny(request, state);
        }

        var isRight = state.Pam is { } pam
            ? await pam.CheckPasswordAsync(request.Password, MayUsePasswords(state), state.Config.Get(K.PermitEmptyPasswords), cancellationToken).ConfigureAwait(false)
            : await IsRightAsync(state, request.Password, cancellationToken).ConfigureAwait(false);
        return isRight && request.NewPassword is null
            ? AcceptPassword(LoginMethods.Password, request, state)
            : Deny(request, state);
    }

    private async ValueTask<AuthenticationDecision> DecideInteractiveAsync(
        KeyboardInteractiveAuthenticationRequest request, LoginState state, CancellationToken cancellationToken)
    {
        if (!IsAllowed(LoginMethods.KeyboardInteractive, request, state))
        {
            return Deny(request, state);
        }

        if (state.Pam is { } pam)
        {
            var isRight = await pam.ConverseAsync(request.Prompt, MayUsePasswords(state), state.Config.Get(K.PermitEmptyPasswords), cancellationToken).ConfigureAwait(false);
            return (isRight ? AcceptPassword(LoginMethods.KeyboardInteractive, request, state) : Deny(request, state)) with { Device = "pam" };
        }

        var answers = await request.Prompt.AskAsync("", "", [new KeyboardInteractivePrompt("Password: ", Echo: false)], cancellationToken).ConfigureAwait(false);
        return answers is [var password] && await IsRightAsync(state, password, cancellationToken).ConfigureAwait(false)
            ? AcceptPassword(LoginMethods.KeyboardInteractive, request, state)
            : Deny(request, state);
    }

    /// <summary>"none" lets in only accounts without a password, where that is permitted.</summary>
    private async ValueTask<AuthenticationDecision> DecideNoneAsync(NoneRequest request, LoginState state, CancellationToken cancellationToken)
    {
        if (!IsAllowed(LoginMethods.NoMethod, request, state))
        {
            return Deny(request, state);
        }

        var isRight = state.Pam is { } pam
            ? await pam.CheckPasswordAsync("", MayUsePasswords(state), permitEmpty: true, cancellationToken).ConfigureAwait(false)
            : await IsRightAsync(state, "", cancellationToken).ConfigureAwait(false);
        return isRight ? AcceptPassword(LoginMethods.NoMethod, request, state) : Deny(request, state);
    }

    /// <summary>Otherwise PAM gets a password that is nobody's, so that it cannot say yes and takes as long.</summary>
    private static bool MayUsePasswords(LoginState state) => state.Account is { } account && (!account.IsRoot || state.Config.Get(K.PermitRootLogin) == RootLogin.Yes);

    private bool ArePasswordsPossible(SshdConfig config) => config.Get(K.UsePam) ? _pam is not null : _passwords.IsPossible;

    private async ValueTask<bool> IsRightAsync(LoginState state, string password, CancellationToken cancellationToken) =>
        await _passwords.VerifyAsync(state.Account, password, state.Config.Get(K.PermitEmptyPasswords), cancellationToken).ConfigureAwait(false)
        && state.Account is not null;

    private AuthenticationDecision AcceptPassword(string method, UserAuthenticationRequest request, LoginState state)
    {
        var account = state.Account!;
        if (account.IsRoot && state.Config.Get(K.PermitRootLogin) != RootLogin.Yes)
        {
            return DenyRoot(request, state);
        }

        if (state.Pam is null && _rules.PasswordRefusal(account) is { } refusal)
        {
            _logger.LogInformation("{Refusal}", refusal);
            return Deny(request, state);
        }

        var device = state.Pam is not null && method == LoginMethods.KeyboardInteractive ? "/pam" : "";
        return Accept(method, request, state, account, new LoginStep(null, LoginRights.Unrestricted) { Information = method + device });
    }

    private bool IsAcceptable(PublicKeyRequest request, SshdConfig config)
    {
        if (!config.Get(K.PubkeyAcceptedAlgorithms).Names.Contains(request.Algorithm))
        {
            _logger.LogInformation("signature algorithm {Algorithm} not in PubkeyAcceptedAlgorithms", PeerText.Escape(request.Algorithm, 64));
            return false;
        }

        if (request.Key.PlainKey.KeyType == KeyAlgorithms.Rsa && request.Key.Bits < config.Get(K.RequiredRsaSize))
        {
            _logger.LogInformation("refusing RSA key: Invalid key length ({Bits} bits, RequiredRSASize {Required})", request.Key.Bits, config.Get(K.RequiredRsaSize));
            return false;
        }

        return true;
    }

    // ---- The answers -----------------------------------------------------------------------------------------------

    private static bool IsAllowed(string method, UserAuthenticationRequest request, LoginState state) =>
        state.Methods.Allows(method, Done(request));

    private AuthenticationDecision Accept(string method, UserAuthenticationRequest request, LoginState state, UserAccount account, LoginStep step)
    {
        // INVARIANTS 9: what an earlier step restricts holds to the end.
        LoginStep[] steps = [.. request.Completed.Select(earlier => earlier.State).OfType<LoginStep>(), step];
        var rights = steps.Aggregate<LoginStep, LoginRights?>(LoginRights.Unrestricted, (all, next) => all?.And(next.Rights));
        if (rights is null)
        {
            _logger.LogError("{Fault}", LoginRights.Inconsistent);
            return Deny(request, state);
        }

        string[] done = [.. Done(request), method];
        if (!state.Methods.IsComplete(done))
        {
            return new AuthenticationDecision.Partial(state.Methods.Next(done)) { State = step, SecurityKey = DemandsOf(step, state) };
        }

        var review = new LoginReview(_reviewers, state, new LoginGrant(state.Config, rights), steps);
        return new AuthenticationDecision.Accepted(new SshPrincipal
        {
            UserName = account.Name,
            Key = step.Key,
            Method = string.Join(',', done),
            State = new ServerLogin(account, review) { Pam = state.Pam, Information = string.Concat(steps.Select(each => each.Information + "\n")) },
            Notices = state.Notes.Lines,
            Settings = Service.SshdOptions.SettingsOf(state.Config),
        })
        {
            SecurityKey = DemandsOf(step, state),
        };
    }

    private static SecurityKeyDemands DemandsOf(LoginStep step, LoginState state)
    {
        var always = state.Config.Get(K.PubkeyAuthOptions);
        return always
            | (step.Rights.TouchRequired ? SecurityKeyDemands.Touch : SecurityKeyDemands.None)
            | (step.Rights.VerificationRequired ? SecurityKeyDemands.Verification : SecurityKeyDemands.None);
    }

    private static AuthenticationDecision.Denied Deny(UserAuthenticationRequest request, LoginState state) =>
        new(state.Methods.Next(Done(request))) { UnknownUser = state.Account is null, IsExplained = state.IsRefused };

    private AuthenticationDecision.Denied DenyRoot(UserAuthenticationRequest request, LoginState state)
    {
        _logger.LogInformation("ROOT LOGIN REFUSED FROM {Address} port {Port}", request.Peer.RemoteAddress, request.Peer.RemotePort);
        return Deny(request, state);
    }

    private static IEnumerable<string> Done(UserAuthenticationRequest request) => request.Completed.Select(step => step.Method);

    // ---- Once per connection ---------------------------------------------------------------------------------------

    private async ValueTask<LoginState> StateOfAsync(UserAuthenticationRequest request, CancellationToken cancellationToken)
    {
        if (_states.TryGetValue(request.Peer, out var known) && known.UserName == request.UserName)
        {
            return known;
        }

        var host = _live.Current.Get(K.UseDns) ? await HostNameAsync(request.Peer.RemoteAddress, cancellationToken).ConfigureAwait(false) : request.Peer.RemoteAddress;
        var state = await BlockingWork.RunOrLeaveAsync(() => LookUp(request, host), cancellationToken).ConfigureAwait(false);
        _states.AddOrUpdate(request.Peer, state);
        return state;
    }

    private LoginState LookUp(UserAuthenticationRequest request, string host)
    {
        var account = _users.Find(request.UserName);
        var whole = _live.Current;
        var context = new MatchContext
        {
            UserName = account?.Name ?? request.UserName,
            InvalidUser = account is null,
            Groups = () => account is null ? [] : _users.GroupNames(account),
            Host = host,
            Address = request.Peer.RemoteAddress,
            LocalAddress = request.Peer.LocalAddress,
            LocalPort = request.Peer.LocalPort,
            Version = request.Peer.RemoteVersion,
        };
        var config = whole.For(context);
        if (LogKeywords.MatchedLevel(config) is { } level)
        {
            LoginLogLevel.Set(level);
        }

        var isRefused = false;
        if (account is not null && _rules.Refusal(account, config, new LoginOrigin(host, request.Peer.RemoteAddress)) is { } refusal)
        {
            _logger.LogInformation("{Refusal}", refusal);
            account = null;
            isRefused = true;
        }

        if (account is not null && config.Get(K.UsePam) && _pam is null)
        {
            // The configuration was replaced by one that the server would not have started with. Leaving PAM out would let in whom it keeps out.
            _logger.LogError("User {User} not allowed because UsePAM is on and this server has nothing to ask PAM with", PeerText.Escape(account.Name, 100));
            account = null;
            isRefused = true;
        }

        return new LoginState(request.UserName, account, config, new LoginMethods(config, ArePasswordsPossible(config)), context)
        {
            Whole = whole,
            IsRefused = isRefused,
            Pam = config.Get(K.UsePam) && _pam is not null ? new PamLogin(_pam, new PamSubject(config.Get(LoginKeywords.PamServiceName), request.UserName, host, request.Peer), _logger) : null,
        };
    }

    /// <summary>The name that the address has and that leads back to it; else the address.</summary>
    private static async ValueTask<string> HostNameAsync(string address, CancellationToken cancellationToken)
    {
        if (!IPAddress.TryParse(address, out var parsed))
        {
            return address;
        }

        try
        {
            var entry = await Dns.GetHostEntryAsync(address, cancellationToken).ConfigureAwait(false);
            var back = await Dns.GetHostAddressesAsync(entry.HostName, cancellationToken).ConfigureAwait(false);
            return back.Contains(parsed) && !IPAddress.TryParse(entry.HostName, out _) ? entry.HostName.ToLowerInvariant() : address;
        }
        catch (SocketException)
        {
            return address;
        }
    }
}
