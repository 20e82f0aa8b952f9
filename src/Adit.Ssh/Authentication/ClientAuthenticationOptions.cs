using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.Authentication;

/// <summary>Who logs in and with what.</summary>
internal sealed class ClientAuthenticationOptions
{
    /// <summary>The account on the server.</summary>
    public required string UserName { get; init; }

    /// <summary>The server as the user named it; for prompts and messages ("user@host: Permission denied").</summary>
    public required string Host { get; init; }

    /// <summary>The service to start after login.</summary>
    public string Service { get; init; } = "ssh-connection";

    /// <summary>What to log in with, in order within each method.</summary>
    public IReadOnlyList<Credential> Credentials { get; init; } = [];

    /// <summary>PreferredAuthentications.</summary>
    public IReadOnlyList<string> PreferredAuthentications { get; init; } = ["publickey", "keyboard-interactive", "password"];

    /// <summary>PubkeyAcceptedAlgorithms: signature algorithms we sign with, best first.</summary>
    public required IReadOnlyList<string> PubkeyAcceptedAlgorithms { get; init; }

    /// <summary>Whether publickey-hostbound-v00@openssh.com is used where the server knows it (PubkeyAuthentication yes or host-bound, not unbound).</summary>
    public bool HostBoundPublicKey { get; init; } = true;

    /// <summary>KbdInteractiveDevices: the submethods field of keyboard-interactive.</summary>
    public string KbdInteractiveDevices { get; init; } = "";

    /// <summary>Gets SSH_MSG_USERAUTH_BANNER texts, bounded and escaped for a terminal. Null drops them.</summary>
    public Action<string>? Banner { get; init; }

    public ILogger Logger { get; init; } = NullLogger.Instance;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
