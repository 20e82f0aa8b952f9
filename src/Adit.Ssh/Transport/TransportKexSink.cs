using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;
using Adit.Ssh.Wire;

namespace Adit.Ssh.Transport;

/// <summary>What the key exchange asks of the transport: its packets go to the send queue, new keys to where they are used, the host key to whoever may trust it.</summary>
internal sealed class TransportKexSink(TransportOptions options, SendQueue queue, PacketReader reader) : IKexSink
{
    private PacketBuffer? _newKeys;

    /// <summary>The connection's first key exchange has completed.</summary>
    public bool FirstIsDone { get; private set; }

    public void SendKexPacket(ReadOnlySpan<byte> payload)
    {
        var packet = PacketPool.Shared.Copy(payload);
        // NEWKEYS waits for its keys, which come in the next call: sent alone it could leave before they are attached.
        if (packet.MessageId == MessageId.NewKeys)
            _newKeys = packet;
        else
            queue.SendKex(packet, block: packet.MessageId == MessageId.KexInit);
    }

    public void SwitchOutbound(PacketSealer sealer, string compression, bool resetSequence)
    {
        var packet = _newKeys ?? throw new InvalidOperationException("keys without NEWKEYS");
        _newKeys = null;
        queue.SendNewKeys(packet, new OutboundKeys(sealer, compression, resetSequence));
    }

    public void SwitchInbound(PacketOpener opener, string compression, bool resetSequence) => reader.Switch(opener, compression, resetSequence);

    public async ValueTask VerifyHostKeyAsync(PublicKey key, CancellationToken cancellationToken)
    {
        if (options.VerifyHostKey is not { } verify)
        {
            throw new SshException(SshError.HostKeyUnknown, "Host key verification failed.")
            {
                Hint = "no host key verifier was given, so no host key is trusted",
                DisconnectReason = DisconnectReason.HostKeyNotVerifiable,
            };
        }
        // The verifier may be asking a person: the connection's end does not wait for the answer.
        await verify(key, cancellationToken).AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public void KexCompleted(bool first) => FirstIsDone |= first;
}
