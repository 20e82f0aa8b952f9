using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>The key exchange of one connection, first and later ones, for both roles: a state machine that is fed with messages and does no I/O.
/// <para>The receive loop awaits <see cref="ReceiveAsync"/>; <see cref="Start"/> may be called by anyone at any time.</para></summary>
internal sealed class KexSession : IDisposable
{
    /// <param name="localVersion">Our identification string without CR LF.</param>
    /// <param name="gate">Learns from this session which messages are legal.</param>
    public KexSession(SshRole role, KexOptions options, ReadOnlyMemory<byte> localVersion, PhaseGate gate, IKexSink sink) =>
        throw new NotImplementedException();

    /// <summary>The peer's identification string without CR LF. Needed before its first message is received, not before <see cref="Start"/>.</summary>
    public ReadOnlyMemory<byte> RemoteVersion { get; set; }

    /// <summary>True from the first KEXINIT of either side until NEWKEYS went both ways.</summary>
    public bool InProgress => throw new NotImplementedException();

    /// <summary>True from just before our KEXINIT is handed to the sink until our NEWKEYS was: nothing but key exchange packets may leave.</summary>
    public bool OutboundBlocked => throw new NotImplementedException();

    /// <summary>Both sides offered strict key exchange.</summary>
    public bool StrictKex => throw new NotImplementedException();

    /// <summary>The exchange hash of the first key exchange; empty before it.</summary>
    public ReadOnlyMemory<byte> SessionId => throw new NotImplementedException();

    /// <summary>What the last completed negotiation chose.</summary>
    public NegotiatedAlgorithms? Algorithms => throw new NotImplementedException();

    /// <summary>The host key that signed: the server's as the client verified it, or our own.</summary>
    public PublicKey? HostKey => throw new NotImplementedException();

    /// <summary>The peer's first KEXINIT said that it understands SSH_MSG_EXT_INFO. The session itself sends ours, right after our first NEWKEYS.</summary>
    public bool PeerSentExtInfoMarker => throw new NotImplementedException();

    /// <summary>Sends our KEXINIT, unless a key exchange is in progress already.</summary>
    public void Start() => throw new NotImplementedException();

    /// <summary>Takes message 20, 21 or 30–49 after <see cref="PhaseGate.Check"/> accepted it. <paramref name="payload"/> starts with the number and is not
    /// kept. Throws <see cref="SshException"/> when the exchange fails; the connection is over then.</summary>
    public ValueTask ReceiveAsync(MessageId id, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
