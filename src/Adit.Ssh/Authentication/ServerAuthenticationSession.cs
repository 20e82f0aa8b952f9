using System.Security.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Authentication;

/// <summary>The authentication of one connection on the server: takes requests one after the other, counts and times them, and answers.
/// What a method does is in the <c>Server…Method</c> classes; whether it is enough is the <see cref="IUserAuthenticator"/>'s word.</summary>
internal sealed class ServerAuthenticationSession
{
    private const string AuthenticationService = "ssh-userauth";
    private const string ConnectionService = "ssh-connection";

    private readonly IMessageExchange _exchange;
    private readonly ServerAuthenticationOptions _options;
    private readonly ServerDecisions _decisions;
    private readonly ServerAuthenticationLog _log;
    private readonly List<CompletedAuthentication> _completed = [];

    private readonly ILoginRules? _rules;

    private bool _serviceAccepted;
    private int _maxAuthTries;
    private AuthRequestHeader? _first;
    private string? _userName;
    private string? _style;
    private int _requests;
    private int _failures;
    private int _staleAnswers;
    private byte[]? _pending;

    public ServerAuthenticationSession(IMessageExchange exchange, IUserAuthenticator authenticator, ServerAuthenticationOptions options)
    {
        _exchange = exchange;
        _options = options;
        _maxAuthTries = options.MaxAuthTries;
        _rules = authenticator as ILoginRules;
        _log = new ServerAuthenticationLog(options);
        _decisions = new ServerDecisions(authenticator, _log);
    }

    /// <summary>See <see cref="ServerAuthenticator.RunAsync"/>.</summary>
    public async Task<SshPrincipal> RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            byte[] payload = _pending ?? await _exchange.ReceiveAsync(cancellationToken).ConfigureAwait(false);
            _pending = null;
            switch (payload.Length == 0 ? 0 : (MessageId)payload[0])
            {
                case MessageId.ServiceRequest:
                    AcceptService(payload);
                    break;
                case MessageId.UserAuthRequest when _serviceAccepted:
                    if (await HandleRequestAsync(payload, cancellationToken).ConfigureAwait(false) is { } principal)
                        return principal;
                    break;
                case MessageId.UserAuthMethod61 when _staleAnswers > 0:
                    // The answer to a prompt that the authenticator had already given up on.
                    _staleAnswers--;
                    break;
                default:
                    throw SshException.Protocol(payload.Length == 0 ? "empty message" : $"unexpected message {payload[0]} during authentication");
            }
        }
    }

    /// <summary>Some clients ask for the service again before each attempt; that is harmless, but counted.</summary>
    private void AcceptService(byte[] payload)
    {
        var reader = new SshReader(payload.AsSpan(1));
        var request = ServiceRequestMessage.Read(ref reader);
        if (request.Service != AuthenticationService)
        {
            throw new SshException(SshError.ProtocolError, $"bad service request {PeerText.Escape(request.Service, 100)}")
            {
                DisconnectReason = DisconnectReason.ServiceNotAvailable,
            };
        }
        CountRequest();
        _serviceAccepted = true;
        _exchange.Send(new ServiceAcceptMessage(AuthenticationService));
    }

    /// <summary>Returns who logged in, or null when more requests are to come.</summary>
    private async Task<SshPrincipal?> HandleRequestAsync(byte[] payload, CancellationToken cancellationToken)
    {
        long arrived = _options.TimeProvider.GetTimestamp();
        CountRequest();
        var header = ReadHeader(payload, out int fieldsOffset);
        bool isFirst = _first is null;
        Identify(header);
        if (isFirst)
            await BeginAsync(cancellationToken).ConfigureAwait(false);

        var attempt = await AttemptAsync(header, payload, fieldsOffset, cancellationToken).ConfigureAwait(false);
        if (attempt.Outcome == AttemptOutcome.Accepted)
            attempt = CheckPrincipal(attempt);
        if (attempt.Outcome == AttemptOutcome.Accepted && _rules is not null)
            await CompleteAsync(_rules, attempt.Principal!, cancellationToken).ConfigureAwait(false);

        // The first "none" only asks which methods there are.
        bool free = isFirst && attempt.Method == "none";
        if (attempt.Outcome == AttemptOutcome.Failed && !free)
        {
            _failures++;
            _options.Progress.HasFailed = true;
        }
        _log.Attempt(attempt, _userName!, manyFailures: _failures >= _maxAuthTries / 2);

        switch (attempt.Outcome)
        {
            case AttemptOutcome.Accepted:
                _options.Accepted?.Invoke(attempt.Principal!);
                _exchange.CompleteAuthentication();
                return attempt.Principal;
            case AttemptOutcome.Partial:
                _completed.Add(new CompletedAuthentication(attempt.Method, attempt.Key, attempt.State));
                _exchange.Send(new AuthFailureMessage(attempt.Methods ?? [], PartialSuccess: true));
                break;
            case AttemptOutcome.Failed:
                await RefuseAsync(attempt, arrived, cancellationToken).ConfigureAwait(false);
                break;
        }
        return null;
    }

    /// <summary>Who it is, is known: what holds for them is asked for, and they are greeted.</summary>
    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        string? banner = _options.Banner;
        if (_rules is not null && await _rules.RulesForAsync(Describe(new NoneRequest(_userName!, _options.Peer)), cancellationToken).ConfigureAwait(false) is { } rules)
        {
            if (rules.Refusal is { } refusal)
            {
                _options.Progress.IsRefused = true;
                throw new SshException(SshError.AuthenticationFailed, refusal) { DisconnectReason = DisconnectReason.ByApplication };
            }
            banner = rules.Banner is { } own ? own : banner;
            _maxAuthTries = rules.MaxAuthTries ?? _maxAuthTries;
        }
        if (!string.IsNullOrEmpty(banner))
            _exchange.Send(new AuthBannerMessage(banner));
    }

    /// <summary>Whatever was proven, the login may still not be (PAM's account rules).</summary>
    private async Task CompleteAsync(ILoginRules rules, SshPrincipal principal, CancellationToken cancellationToken)
    {
        if (await rules.CompleteAsync(_options.Peer, principal, cancellationToken).ConfigureAwait(false) is not { } completion)
            return;
        if (completion.Text.Length > 0)
            _exchange.Send(new AuthBannerMessage(completion.Text));
        if (completion.Refusal is { } refusal)
            throw new SshException(SshError.AuthenticationFailed, refusal) { DisconnectReason = DisconnectReason.ByApplication };
    }

    private async Task RefuseAsync(ServerAttempt attempt, long arrived, CancellationToken cancellationToken)
    {
        var methods = attempt.Methods
            ?? await _decisions.MethodsAsync(Describe(new NoneRequest(_userName!, _options.Peer)), cancellationToken).ConfigureAwait(false);
        bool typed = attempt.Method is AuthPasswordFields.MethodName or AuthKeyboardInteractiveFields.MethodName;
        await FailureDelay.WaitAsync(
            _options.TimeProvider,
            attempt.FailureStart ?? arrived,
            typed ? _options.MinimumPasswordFailureTime : _options.MinimumFailureTime,
            cancellationToken).ConfigureAwait(false);
        if (_failures >= _maxAuthTries)
            throw TooManyFailures();
        _exchange.Send(new AuthFailureMessage(methods, PartialSuccess: false));
    }

    private ValueTask<ServerAttempt> AttemptAsync(AuthRequestHeader header, byte[] payload, int fieldsOffset, CancellationToken cancellationToken)
    {
        switch (header.Method)
        {
            case "none":
                return NoneAsync(payload, fieldsOffset, cancellationToken);
            case AuthPublicKeyFields.MethodName or AuthPublicKeyFields.HostBoundMethodName:
                return new ServerPublicKeyMethod(_exchange, _options, _decisions, _log, _completed)
                    .AttemptAsync(new PublicKeyRequestBytes(header.Method, payload, fieldsOffset), NewKeyRequest, cancellationToken);
            case AuthPasswordFields.MethodName:
                return PasswordAsync(payload, fieldsOffset, cancellationToken);
            case AuthKeyboardInteractiveFields.MethodName:
                return KeyboardInteractiveAsync(payload, fieldsOffset, cancellationToken);
            default:
                return ValueTask.FromResult(new ServerAttempt(PeerText.Escape(header.Method, 64), AttemptOutcome.Failed));
        }
    }

    private async ValueTask<ServerAttempt> NoneAsync(byte[] payload, int fieldsOffset, CancellationToken cancellationToken)
    {
        new SshReader(payload.AsSpan(fieldsOffset)).EnsureEnd();
        var decision = await _decisions.DecideAsync(Describe(new NoneRequest(_userName!, _options.Peer)), cancellationToken).ConfigureAwait(false);
        return ServerAttempt.From("none", decision);
    }

    private async ValueTask<ServerAttempt> PasswordAsync(byte[] payload, int fieldsOffset, CancellationToken cancellationToken)
    {
        var reader = new SshReader(payload.AsSpan(fieldsOffset));
        var fields = AuthPasswordFields.Read(ref reader);
        CryptographicOperations.ZeroMemory(payload);
        AuthenticationDecision decision;
        try
        {
            decision = await _decisions.DecideAsync(
                Describe(new PasswordRequest(_userName!, _options.Peer, fields.Password, fields.NewPassword)), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            FailUnheard(AuthPasswordFields.MethodName);
            throw;
        }
        if (decision is not AuthenticationDecision.PasswordChangeRequired change)
            return ServerAttempt.From(AuthPasswordFields.MethodName, decision);
        _exchange.Send(new AuthPasswordChangeMessage(change.Prompt));
        return new ServerAttempt(AuthPasswordFields.MethodName, AttemptOutcome.Postponed);
    }

    private async ValueTask<ServerAttempt> KeyboardInteractiveAsync(byte[] payload, int fieldsOffset, CancellationToken cancellationToken)
    {
        var reader = new SshReader(payload.AsSpan(fieldsOffset));
        var fields = AuthKeyboardInteractiveFields.Read(ref reader);
        using var aborted = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var prompter = new KeyboardInteractivePrompter(_exchange, _options.TimeProvider, aborted, CountRequest);
        var request = new KeyboardInteractiveAuthenticationRequest(_userName!, _options.Peer, prompter) { SubMethods = fields.SubMethods };
        AuthenticationDecision decision;
        try
        {
            decision = await _decisions.DecideAsync(Describe(request), prompter, aborted.Token, cancellationToken).ConfigureAwait(false);
            _staleAnswers += await prompter.CloseAsync().ConfigureAwait(false) ? 1 : 0;
        }
        catch (Exception e) when (e is OperationCanceledException or SshException && prompter.IsJudged)
        {
            FailUnheard(AuthKeyboardInteractiveFields.MethodName);
            throw;
        }

        _pending = prompter.NextRequest;
        if (_pending is not null && prompter.IsJudged)
        {
            FailUnheard(AuthKeyboardInteractiveFields.MethodName);
            if (++_failures >= _maxAuthTries)
                throw TooManyFailures();
        }
        if (_pending is not null)
            return new ServerAttempt(AuthKeyboardInteractiveFields.MethodName, AttemptOutcome.Aborted);
        if (prompter.Refused && decision is not AuthenticationDecision.Denied)
            return new ServerAttempt(AuthKeyboardInteractiveFields.MethodName, AttemptOutcome.Failed) { FailureStart = prompter.LastAnswer };
        return ServerAttempt.From(AuthKeyboardInteractiveFields.MethodName, decision) with { FailureStart = prompter.LastAnswer };
    }

    /// <summary>The connection, or the attempt, ended while what was typed was being looked at. A guess counts, and is told, though whoever made it did not wait for the answer (which takes
    /// long with pam_faildelay): else guesses would be free.</summary>
    private void FailUnheard(string method)
    {
        _options.Progress.HasFailed = true;
        _log.Attempt(new ServerAttempt(method, AttemptOutcome.Failed), _userName!, manyFailures: true);
    }

    private PublicKeyRequest NewKeyRequest(PublicKey key, string algorithm, bool signatureVerified) =>
        Describe(new PublicKeyRequest(_userName!, _options.Peer, key, algorithm, signatureVerified));

    private T Describe<T>(T request)
        where T : UserAuthenticationRequest =>
        (T)(request with { Style = _style, Completed = _completed.ToArray() });

    /// <summary>A principal may only carry a key that was proven on this connection (never one that was merely asked about).</summary>
    private ServerAttempt CheckPrincipal(ServerAttempt attempt)
    {
        var principal = attempt.Principal!;
        if (principal.Key is { } named && !named.Equals(attempt.Key) && !_completed.Any(c => named.Equals(c.Key)))
        {
            _log.AuthenticatorFault($"the authenticator let {PeerText.Escape(principal.UserName, 100)} in with a key that was not proven: refused", null);
            return attempt with { Outcome = AttemptOutcome.Failed, Principal = null, Methods = [] };
        }
        string chain = string.Join(',', _completed.Select(c => c.Method).Append(attempt.Method));
        return attempt with
        {
            Principal = new SshPrincipal
            {
                UserName = principal.UserName,
                Key = principal.Key ?? attempt.Key,
                Method = principal.Method.Length == 0 ? chain : principal.Method,
                Notices = principal.Notices,
                Settings = principal.Settings,
                State = principal.State,
            },
        };
    }

    private static AuthRequestHeader ReadHeader(byte[] payload, out int fieldsOffset)
    {
        var reader = new SshReader(payload.AsSpan(1));
        var header = AuthRequestHeader.Read(ref reader);
        fieldsOffset = payload.Length - reader.Remaining;
        return header;
    }

    /// <summary>The user and the service are those of the first request (RFC 4252, section 5, lets a server insist on that, and OpenSSH does).</summary>
    private void Identify(AuthRequestHeader header)
    {
        int colon = header.UserName.IndexOf(':', StringComparison.Ordinal);
        string userName = colon < 0 ? header.UserName : header.UserName[..colon];
        _style = colon < 0 ? null : header.UserName[(colon + 1)..];
        if (_first is not { } first)
        {
            if (header.Service != ConnectionService)
            {
                throw new SshException(SshError.ProtocolError, $"service {PeerText.Escape(header.Service, 100)} is not available")
                {
                    DisconnectReason = DisconnectReason.ServiceNotAvailable,
                };
            }
            _first = header;
            _userName = userName;
            _options.Progress.UserName = userName;
            return;
        }
        if (userName != _userName || header.Service != first.Service)
        {
            throw SshException.Protocol(
                $"Change of username or service not allowed: ({PeerText.Escape(_userName!, 100)},{first.Service}) -> "
                + $"({PeerText.Escape(userName, 100)},{PeerText.Escape(header.Service, 100)})");
        }
    }

    private void CountRequest()
    {
        if (++_requests > _options.MaxRequests)
            throw TooManyFailures();
    }

    private SshException TooManyFailures()
    {
        _log.TooManyFailures(_userName ?? "");
        return new SshException(SshError.AuthenticationFailed, "Too many authentication failures") { DisconnectReason = DisconnectReason.ProtocolError };
    }
}

/// <summary>A public-key request as it was received.</summary>
/// <param name="Method">"publickey" or its host-bound form.</param>
/// <param name="Payload">The whole message.</param>
/// <param name="FieldsOffset">Where the method's own fields start.</param>
internal readonly record struct PublicKeyRequestBytes(string Method, byte[] Payload, int FieldsOffset);
