using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Authentication;

/// <summary>How a server authenticates one connection.</summary>
internal sealed class ServerAuthenticationOptions
{
    /// <summary>Who asks; handed to the authenticator with every request.</summary>
    public required AuthenticationPeer Peer { get; init; }

    /// <summary>PubkeyAcceptedAlgorithms: signature algorithms taken from clients; what server-sig-algs announces.</summary>
    public required IReadOnlyList<string> PubkeyAcceptedAlgorithms { get; init; }

    /// <summary>MaxAuthTries: failed attempts (refused public-key queries included; the first "none" is free) until the connection ends.</summary>
    public int MaxAuthTries { get; init; } = 6;

    /// <summary>Requests of any kind and outcome until the connection ends: queries, partial successes, unanswered prompts and service requests count here too.</summary>
    public int MaxRequests { get; init; } = 128;

    /// <summary>Text for SSH_MSG_USERAUTH_BANNER, sent before the first answer; null or empty for none.</summary>
    public string? Banner { get; init; }

    /// <summary>FingerprintHash: "SHA256" or "MD5", for the log.</summary>
    public string FingerprintHash { get; init; } = "SHA256";

    /// <summary>A failed attempt is answered no sooner than this (or a multiple of it where deciding took longer), so that the time says little about why.</summary>
    public TimeSpan MinimumFailureTime { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The same for attempts with a secret that was typed (password, keyboard-interactive).</summary>
    public TimeSpan MinimumPasswordFailureTime { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Called with whom was let in, just before <see cref="Transport.IMessageExchange.CompleteAuthentication"/>: the client's channels may come right after it.</summary>
    public Action<SshPrincipal>? Accepted { get; init; }

    /// <summary>Filled in as the login goes on.</summary>
    public LoginProgress Progress { get; init; } = new();

    public ILogger Logger { get; init; } = NullLogger.Instance;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
