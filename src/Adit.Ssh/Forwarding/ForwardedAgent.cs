namespace Adit.Ssh.Forwarding;

/// <summary>An agent whose keys the server may list and sign with for as long as the connection lasts. Nothing else gets through to it: no keys are added, removed or
/// locked from the other side.</summary>
/// <param name="SocketPath">The agent's Unix socket. Each connection from the server gets one of its own to it.</param>
public sealed record ForwardedAgent(string SocketPath)
{
    /// <summary>Asked before every signature; one that says no or throws refuses it. Null: all are allowed. Not called on the receive loop, and cancelled when whoever
    /// wanted the signature has gone; signatures wanted through several connections may be asked about at once.</summary>
    public Func<AgentUse, CancellationToken, ValueTask<bool>>? Confirm { get; init; }
}

/// <summary>A signature that is wanted through a forwarded agent. All texts are bounded and escaped for a terminal.</summary>
/// <param name="Key">The key's type and fingerprint: "ED25519 SHA256:…".</param>
/// <param name="Comment">The agent's comment; empty where it lists no such key.</param>
/// <param name="Server">The server that the agent is forwarded to, "user@host": whoever asks is there or beyond.</param>
/// <param name="Purpose">What the signature is for, as far as the data says and the agent's protocol shows: "to log in as bob at the host with key ED25519 SHA256:…".</param>
public sealed record AgentUse(string Key, string Comment, string Server, string Purpose)
{
    public override string ToString() => $"{Key}{(Comment.Length > 0 ? $" ({Comment})" : "")} for {Server}, {Purpose}";
}
