using Adit.Ssh.Keys;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Authentication;

/// <summary>The server's log lines about logins, in the wording that fail2ban and its like look for.</summary>
internal sealed class ServerAuthenticationLog(ServerAuthenticationOptions options)
{
    private readonly ILogger _logger = options.Logger;
    private readonly AuthenticationPeer _peer = options.Peer;

    /// <summary>"Accepted publickey for alice from 192.0.2.1 port 50000 ssh2: ED25519 SHA256:…".</summary>
    public void Attempt(ServerAttempt attempt, string userName, bool manyFailures)
    {
        string? word = attempt.Outcome switch
        {
            AttemptOutcome.Accepted => "Accepted",
            AttemptOutcome.Partial => "Partial",
            AttemptOutcome.Postponed => "Postponed",
            AttemptOutcome.Failed => "Failed",
            _ => null,
        };
        if (word is null)
            return;
        // As sshd: keys that were only shown say little about anybody; what was typed does.
        bool loud = attempt.Outcome == AttemptOutcome.Accepted || attempt.Method == "password"
            || (attempt.Method == "keyboard-interactive" && (options.Progress.IsUnknownUser || manyFailures));
        _logger.Log(
            loud ? LogLevel.Information : LogLevel.Debug,
            loud || attempt.Method == "none" || (attempt.Method == "publickey" && options.Progress.IsUnknownUser) ? default : LogEvents.Connection,
            "{Outcome} {Method} for {Invalid}{User} from {Address} port {Port} ssh2{Key}{Stage}",
            word,
            attempt.Device is null ? attempt.Method : $"{attempt.Method}/{attempt.Device}",
            Invalid,
            Show(userName),
            _peer.RemoteAddress,
            _peer.RemotePort,
            attempt.Key is null || attempt.Outcome == AttemptOutcome.Postponed ? "" : ": " + DescribeKey(attempt.Key),
            attempt.Outcome == AttemptOutcome.Postponed ? " [preauth]" : "");
    }

    /// <summary>"Invalid user bob from 192.0.2.1 port 50000"; once.</summary>
    /// <param name="userName">As the client sent it.</param>
    /// <param name="isSaid">The authenticator has logged why already.</param>
    public void UnknownUser(string userName, bool isSaid)
    {
        if (options.Progress.IsUnknownUser)
            return;
        options.Progress.IsUnknownUser = true;
        if (isSaid)
            return;
        _logger.LogInformation("Invalid user {User} from {Address} port {Port}", Show(userName), _peer.RemoteAddress, _peer.RemotePort);
    }

    public void TooManyFailures(string userName) =>
        _logger.LogError(
            "maximum authentication attempts exceeded for {Invalid}{User} from {Address} port {Port} ssh2 [preauth]",
            Invalid,
            Show(userName),
            _peer.RemoteAddress,
            _peer.RemotePort);

    /// <summary>A key was refused before anybody was asked about it.</summary>
    public void KeyRefused(string reason) => _logger.LogInformation("{Reason}", PeerText.Escape(reason));

    public void AuthenticatorFault(string message, Exception? exception) => _logger.LogError(exception, "{Message}", message);

    private string Invalid => options.Progress.IsUnknownUser ? "invalid user " : "";

    private static string Show(string userName) => PeerText.Escape(userName, 100);

    private string DescribeKey(PublicKey key) => key is Certificate certificate
        ? $"{Name(key)} ID {PeerText.Escape(certificate.KeyId, 100)} (serial {certificate.Serial}) CA {Name(certificate.AuthorityKey)}"
        : Name(key);

    private string Name(PublicKey key) => options.FingerprintHash == "MD5" ? $"{key.TypeName} {key.FingerprintMd5}" : key.ToString();
}
