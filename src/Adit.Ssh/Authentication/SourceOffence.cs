namespace Adit.Ssh.Authentication;

/// <summary>What a connection that never logged in did.</summary>
internal enum SourceOffence
{
    None,
    Crash,
    AuthenticationFailure,
    InvalidUser,
    NoAuthentication,
    GraceExceeded,

    /// <summary>RefuseConnection.</summary>
    Refused,
}
