namespace Adit.Ssh.Authentication;

/// <summary>Asks the <see cref="IUserAuthenticator"/>. Whatever goes wrong in there means no.</summary>
internal sealed class ServerDecisions(IUserAuthenticator authenticator, ServerAuthenticationLog log)
{
    private IReadOnlyList<string>? _methods;

    public ValueTask<AuthenticationDecision> DecideAsync(UserAuthenticationRequest request, CancellationToken cancellationToken) =>
        DecideAsync(request, null, cancellationToken, cancellationToken);

    /// <param name="request">What was asked.</param>
    /// <param name="prompter">What the authenticator may ask the client through.</param>
    /// <param name="attempt">Cancelled when this attempt is over.</param>
    /// <param name="connection">Cancelled when the whole login is over: only then is cancellation passed on.</param>
    public async ValueTask<AuthenticationDecision> DecideAsync(
        UserAuthenticationRequest request, KeyboardInteractivePrompter? prompter, CancellationToken attempt, CancellationToken connection)
    {
        AuthenticationDecision decision;
        try
        {
            decision = await authenticator.AuthenticateAsync(request, attempt).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            connection.ThrowIfCancellationRequested();
            // A prompt that the client gave up or answered badly is no fault of the authenticator.
            if (prompter is not { IsOver: true })
                log.AuthenticatorFault("the authenticator failed; the request is refused", e);
            return new AuthenticationDecision.Denied(_methods ?? []);
        }
        return Note(request, decision);
    }

    /// <summary>Which methods can continue, where no decision said so: what the last one said, or what "none" is answered with.</summary>
    public async ValueTask<IReadOnlyList<string>> MethodsAsync(NoneRequest request, CancellationToken cancellationToken)
    {
        if (_methods is null)
            await DecideAsync(request, cancellationToken).ConfigureAwait(false);
        return _methods ?? [];
    }

    private AuthenticationDecision Note(UserAuthenticationRequest request, AuthenticationDecision decision)
    {
        switch (decision)
        {
            case AuthenticationDecision.Denied denied:
                _methods = denied.Methods;
                if (denied.UnknownUser)
                    log.UnknownUser(request.UserName, denied.IsExplained);
                return denied;
            case AuthenticationDecision.Partial step when request is not PublicKeyRequest { SignatureVerified: false }:
                _methods = step.Methods;
                return step;
            case AuthenticationDecision.PasswordChangeRequired when request is not PasswordRequest:
                log.AuthenticatorFault("the authenticator asked for a password change outside the password method; the request is refused", null);
                return new AuthenticationDecision.Denied(_methods ?? []);
            default:
                return decision;
        }
    }
}
