using Adit.Ssh.Keys;

namespace Adit.Ssh.Transport;

/// <summary>What authentication speaks over: whole messages, in order, after the first key exchange. The transport implements it; tests pair two of them in memory.</summary>
public interface IMessageExchange
{
    SshRole Role { get; }

    /// <summary>The exchange hash of the first key exchange (RFC 4253, section 7.2).</summary>
    ReadOnlyMemory<byte> SessionId { get; }

    /// <summary>The host key that signed the key exchange (publickey-hostbound-v00@openssh.com signs over it).</summary>
    PublicKey HostKey { get; }

    /// <summary>Client: the host key's signature over <see cref="SessionId"/>, which an agent wants to see (session-bind@openssh.com). Empty where there is none.</summary>
    ReadOnlyMemory<byte> HostKeySignature => default;

    /// <summary>The peer's identification string, without CR LF.</summary>
    string RemoteVersion { get; }

    /// <summary>What the peer's SSH_MSG_EXT_INFO said so far (a second one may come just before the first answer to an authentication request).</summary>
    PeerExtensions Extensions { get; }

    /// <summary>Where the peer is, for logs and messages: "127.0.0.1" and port; "UNKNOWN" and 65535 without a socket.</summary>
    string RemoteAddress { get; }

    int RemotePort { get; }

    /// <summary>Queues one message (its number first). Never blocks.</summary>
    void Send(ReadOnlySpan<byte> payload);

    /// <summary>The next message numbered 5, 6 or 50–79; the memory is the caller's. Throws the connection's <see cref="SshException"/> when it has ended.</summary>
    ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken);

    /// <summary>Server only: login succeeded. Queues SSH_MSG_USERAUTH_SUCCESS and opens the gate for messages from 80 up, as one step. A client's gate opens by itself when that message arrives.</summary>
    void CompleteAuthentication();
}

/// <summary>Extensions the peer announced in SSH_MSG_EXT_INFO (RFC 8308).</summary>
public sealed class PeerExtensions
{
    /// <summary>server-sig-algs, or null where the server sent none.</summary>
    public IReadOnlyList<string>? ServerSignatureAlgorithms { get; init; }

    /// <summary>publickey-hostbound@openssh.com was announced.</summary>
    public bool HostBoundPublicKey { get; init; }

    /// <summary>ping@openssh.com was announced.</summary>
    public bool Ping { get; init; }

    /// <summary>agent-forward was announced: the peer knows the standard names of agent forwarding, agent-req and agent-connect.</summary>
    public bool AgentForwarding { get; init; }

    /// <summary>ext-info-in-auth@openssh.com was announced.</summary>
    public bool ExtInfoInAuth { get; init; }

    /// <summary>Every extension by name, with its raw value.</summary>
    public IReadOnlyDictionary<string, byte[]> All { get; init; } = new Dictionary<string, byte[]>();
}
