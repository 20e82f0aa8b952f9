using Adit.Ssh.Keys;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Authentication;

/// <summary>Decides who may log in. Called once per authentication request, never concurrently for one connection, never on the receive loop.
/// For a public key it is asked twice: for the query (or ahead of checking the signature) with <see cref="PublicKeyRequest.SignatureVerified"/> false, and again after the signature verified.</summary>
public interface IUserAuthenticator
{
    ValueTask<AuthenticationDecision> AuthenticateAsync(UserAuthenticationRequest request, CancellationToken cancellationToken);
}

/// <summary>One request, as the client made it.</summary>
/// <param name="UserName">As sent, without a ":style"; at most 255 bytes of UTF-8. Never trusted to exist, and to be escaped before it is shown.</param>
/// <param name="Peer">Who asks.</param>
public abstract record UserAuthenticationRequest(string UserName, AuthenticationPeer Peer)
{
    /// <summary>What followed ':' in the user name the client sent; null without one.</summary>
    public string? Style { get; init; }

    /// <summary>The steps that already succeeded on this connection (each answered with <see cref="AuthenticationDecision.Partial"/>), oldest first.</summary>
    public IReadOnlyList<CompletedAuthentication> Completed { get; init; } = [];
}

/// <summary>A step of a login that succeeded without completing it.</summary>
/// <param name="Method">"publickey", "password", "keyboard-interactive", "none".</param>
/// <param name="Key">The key that was proven, for "publickey". It is refused if it comes again.</param>
/// <param name="State">What the authenticator put into <see cref="AuthenticationDecision.Partial.State"/>: the restrictions of this step, which the final decision must keep.</param>
public sealed record CompletedAuthentication(string Method, PublicKey? Key, object? State);

/// <summary>Method "none".</summary>
public sealed record NoneRequest(string UserName, AuthenticationPeer Peer) : UserAuthenticationRequest(UserName, Peer);

/// <summary>Method "publickey" or "publickey-hostbound-v00@openssh.com".</summary>
/// <param name="Key">The key, or certificate.</param>
/// <param name="Algorithm">The signature algorithm.</param>
/// <param name="SignatureVerified">The client proved that it holds the private key, over this session's id.</param>
public sealed record PublicKeyRequest(string UserName, AuthenticationPeer Peer, PublicKey Key, string Algorithm, bool SignatureVerified)
    : UserAuthenticationRequest(UserName, Peer);

/// <summary>Method "password".</summary>
/// <param name="Password">What was typed; at most 1024 bytes of UTF-8.</param>
/// <param name="NewPassword">The password to change to, where one was asked for; else null.</param>
public sealed record PasswordRequest(string UserName, AuthenticationPeer Peer, string Password, string? NewPassword) : UserAuthenticationRequest(UserName, Peer)
{
    /// <summary>Without the passwords.</summary>
    public override string ToString() => $"PasswordRequest {{ UserName = {UserName}, Peer = {Peer} }}";
}

/// <summary>Method "keyboard-interactive"; the authenticator asks through <paramref name="Prompt"/> as often as it likes.</summary>
public sealed record KeyboardInteractiveAuthenticationRequest(string UserName, AuthenticationPeer Peer, IKeyboardInteractivePrompter Prompt)
    : UserAuthenticationRequest(UserName, Peer)
{
    /// <summary>Submethods the client would like, comma-separated; usually empty. Only a hint (RFC 4256, section 3.1).</summary>
    public string SubMethods { get; init; } = "";
}

/// <summary>Asks the client questions (RFC 4256).</summary>
public interface IKeyboardInteractivePrompter
{
    /// <summary>One answer per prompt; no prompts at all is allowed and shows only the text. Throws <see cref="SshException"/> when the client answers with
    /// another count, and <see cref="OperationCanceledException"/> when it gives up by starting another attempt; either way the attempt is over.</summary>
    ValueTask<IReadOnlyList<string>> AskAsync(string name, string instruction, IReadOnlyList<KeyboardInteractivePrompt> prompts, CancellationToken cancellationToken);
}

/// <summary>One question.</summary>
/// <param name="Text">What to show, for instance "Password: ".</param>
/// <param name="Echo">Whether the answer may be seen while it is typed.</param>
public sealed record KeyboardInteractivePrompt(string Text, bool Echo);

/// <summary>Who is asking to log in.</summary>
/// <param name="RemoteAddress">Numeric address, or "UNKNOWN" without a socket.</param>
/// <param name="RemotePort">Port, or 65535 without a socket.</param>
/// <param name="LocalAddress">Numeric address of our end.</param>
/// <param name="LocalPort">Port of our end.</param>
/// <param name="RemoteVersion">The client's identification string.</param>
/// <param name="ConnectionId">Counts connections of this server; for logs.</param>
public sealed record AuthenticationPeer(string RemoteAddress, int RemotePort, string LocalAddress, int LocalPort, string RemoteVersion, long ConnectionId);

/// <summary>What an <see cref="IUserAuthenticator"/> answers.</summary>
public abstract record AuthenticationDecision
{
    private protected AuthenticationDecision()
    {
    }

    /// <summary>What a security key must have done for its signature to count, where this decision follows one: being touched, unless that is waived here.</summary>
    public SecurityKeyDemands SecurityKey { get; init; } = SecurityKeyDemands.Touch;

    /// <summary>What stands behind the method, for the log ("keyboard-interactive/pam"); null for nothing.</summary>
    internal string? Device { get; init; }

    /// <summary>No; <paramref name="Methods"/> can continue. For a public-key query: this key would not do.</summary>
    public sealed record Denied(IReadOnlyList<string> Methods) : AuthenticationDecision
    {
        /// <summary>There is no such account, or it may not log in. Only for the server's log ("Invalid user …"): a client must not be able to tell.</summary>
        public bool UnknownUser { get; init; }

        /// <summary>Why was logged already.</summary>
        internal bool IsExplained { get; init; }
    }

    /// <summary>This step succeeded but more is needed: <paramref name="Methods"/> can continue (partial success).</summary>
    public sealed record Partial(IReadOnlyList<string> Methods) : AuthenticationDecision
    {
        /// <summary>Comes back in <see cref="CompletedAuthentication.State"/>, so that what this step restricts is not lost.</summary>
        public object? State { get; init; }
    }

    /// <summary>Yes. For a public-key query: this key would do (SSH_MSG_USERAUTH_PK_OK); it does not log anybody in.</summary>
    public sealed record Accepted(SshPrincipal Principal) : AuthenticationDecision;

    /// <summary>The password is right but expired: the client is asked for a new one.</summary>
    public sealed record PasswordChangeRequired(string Prompt) : AuthenticationDecision;
}

/// <summary>Who logged in. Policies see this.</summary>
public sealed class SshPrincipal
{
    /// <summary>The account's name.</summary>
    public required string UserName { get; init; }

    /// <summary>The key or certificate that was proven, or null for other methods.</summary>
    public PublicKey? Key { get; init; }

    /// <summary>The method (or chain of methods) that let them in, for logs: "publickey", "publickey,password".</summary>
    public string Method { get; init; } = "";

    /// <summary>Lines to tell the client in SSH_MSG_DEBUG once it is logged in: which options count, why another key did not. OpenSSH's client shows them from -v on.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];

    /// <summary>What holds for this login's connection in place of the server's options; null for nothing.</summary>
    public ConnectionSettings? Settings { get; init; }

    /// <summary>Whatever the authenticator wants its own policy to find again: key options, account data.</summary>
    public object? State { get; init; }
}
