using Adit.Ssh.Keys;

namespace Adit.Ssh.Authentication;

/// <summary>How one request ended on the server.</summary>
internal enum AttemptOutcome
{
    /// <summary>Refused: the client gets SSH_MSG_USERAUTH_FAILURE.</summary>
    Failed,

    /// <summary>One step of several succeeded.</summary>
    Partial,

    /// <summary>Logged in.</summary>
    Accepted,

    /// <summary>Answered with a message of the method (PK_OK, PASSWD_CHANGEREQ); nothing was decided.</summary>
    Postponed,

    /// <summary>The client began another request while this one was asking: no answer is due (RFC 4252, section 5.1).</summary>
    Aborted,
}

/// <summary>The result of one request.</summary>
/// <param name="Method">The method's name, for logs and records.</param>
/// <param name="Outcome">How it ended.</param>
internal sealed record ServerAttempt(string Method, AttemptOutcome Outcome)
{
    /// <summary>Methods that can continue, for a failure or a partial success. Null: nobody said.</summary>
    public IReadOnlyList<string>? Methods { get; init; }

    /// <summary>What stood behind the method.</summary>
    public string? Device { get; init; }

    /// <summary>The key that was offered or proven.</summary>
    public PublicKey? Key { get; init; }

    /// <summary>Who logged in.</summary>
    public SshPrincipal? Principal { get; init; }

    /// <summary>The authenticator's state for a partial success.</summary>
    public object? State { get; init; }

    /// <summary>When the clock for a failure starts; null for the arrival of the request. Later where the client was asked something in between.</summary>
    public long? FailureStart { get; init; }

    /// <summary>The attempt that follows from an authenticator's final word on a proven credential.</summary>
    public static ServerAttempt From(string method, AuthenticationDecision decision, PublicKey? key = null) => Of(method, decision, key) with { Device = decision.Device };

    private static ServerAttempt Of(string method, AuthenticationDecision decision, PublicKey? key) => decision switch
    {
        AuthenticationDecision.Accepted accepted => new(method, AttemptOutcome.Accepted) { Principal = accepted.Principal, Key = key },
        AuthenticationDecision.Partial step => new(method, AttemptOutcome.Partial) { Methods = step.Methods, State = step.State, Key = key },
        AuthenticationDecision.Denied denied => new(method, AttemptOutcome.Failed) { Methods = denied.Methods, Key = key },
        _ => new(method, AttemptOutcome.Failed) { Key = key },
    };
}
