using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;

namespace Adit.Ssh.Transport;

/// <summary>What <see cref="KexSession"/> asks of the transport. The calls that send come in exactly the order in which things must leave, and may come while
/// the session holds its lock: queue and return, and never call back into the session.</summary>
internal interface IKexSink
{
    /// <summary>Queues a packet of the key exchange. It leaves in order and is not held back by the block that KEXINIT (20) puts on
    /// everything else until NEWKEYS (21).</summary>
    void SendKexPacket(ReadOnlySpan<byte> payload);

    /// <summary>Called right after NEWKEYS was handed to <see cref="SendKexPacket"/>: packets behind it use this sealer, and the block ends.
    /// The sealer belongs to the transport from here on.</summary>
    /// <param name="compression">"none" or "zlib@openssh.com".</param>
    /// <param name="resetSequence">The packet after NEWKEYS has sequence number 0 (strict key exchange).</param>
    void SwitchOutbound(PacketSealer sealer, string compression, bool resetSequence);

    /// <summary>Called while the peer's NEWKEYS is processed: the packets behind it need this opener, which belongs to the transport from here on.</summary>
    void SwitchInbound(PacketOpener opener, string compression, bool resetSequence);

    /// <summary>Client, first key exchange only: may this host key be trusted? Its signature over the exchange hash has been verified. Throws to refuse.
    /// No NEWKEYS leaves before it returns.</summary>
    ValueTask VerifyHostKeyAsync(PublicKey key, CancellationToken cancellationToken);

    /// <summary>NEWKEYS went both ways. <paramref name="first"/>: this was the connection's first key exchange. Called without the session's lock.</summary>
    void KexCompleted(bool first);
}
