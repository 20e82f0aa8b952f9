using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Transport;

/// <summary>The login as the transport sees it: messages between authentication and the peer, the round trip that they are timed for, and what changes when it is
/// done.</summary>
internal sealed class TransportLogin(
    TransportOptions options, VersionExchange version, PhaseGate gate, RekeyPolicy rekey, PacketReader reader, PacketWriter writer, SendQueue queue)
{
    private readonly MessageMailbox _mailbox = new();
    private readonly RoundTripEstimate _roundTrip = new(options.TimeProvider);

    /// <summary>See <see cref="SshTransport.RoundTrip"/>.</summary>
    public TimeSpan? RoundTrip => _roundTrip.Shortest;

    /// <summary>A client's requests are answered in order, however many are under way. A server's answers are followed by the client's next request only where the client
    /// waits for them: one of ours does not, and gets a ping instead.</summary>
    private bool IsTimed => options.Role == SshRole.Client || !version.Quirks.IsAdit;

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send(ReadOnlySpan<byte> payload)
    {
        if (payload[0] == (byte)MessageId.UserAuthRequest)
            gate.AuthenticationRequestSent();
        if (gate.Phase == SshPhase.Authentication && IsTimed && (MessageId)payload[0] is not (MessageId.UserAuthBanner or MessageId.ExtInfo))
            _roundTrip.Asked();
        queue.SendControl(PacketPool.Shared.Copy(payload));
    }

    /// <summary>Queues one message ahead of all channel data.</summary>
    public void Send<T>(in T message)
        where T : ISshMessage<T>
    {
        var bytes = new SshWriter(64);
        message.Write(ref bytes);
        Send(bytes.Written);
    }

    /// <summary>See <see cref="IMessageExchange.ReceiveAsync"/>.</summary>
    public ValueTask<byte[]> ReceiveAsync(CancellationToken cancellationToken) => _mailbox.TakeAsync(cancellationToken);

    /// <summary>A message for authentication arrived.</summary>
    public void Receive(MessageId id, ReadOnlySpan<byte> payload)
    {
        if (id == MessageId.UserAuthSuccess)
        {
            OnAuthenticated();
            writer.OnAuthenticated();
        }
        if (IsTimed && id != MessageId.UserAuthBanner)
            _roundTrip.Answered();
        _mailbox.Post(payload);
    }

    /// <summary>The answer to the ping that a server sent behind USERAUTH_SUCCESS.</summary>
    public void OnPong()
    {
        if (!IsTimed)
            _roundTrip.Answered();
    }

    /// <summary>See <see cref="IMessageExchange.CompleteAuthentication"/>.</summary>
    public void Complete()
    {
        gate.EnterConnection();
        OnAuthenticated();
        var packet = PacketPool.Shared.Copy([(byte)MessageId.UserAuthSuccess]);
        packet.StartsCompression = true;
        queue.SendControl(packet);
        if (IsTimed)
            return;
        _roundTrip.Asked();
        Send(new PingMessage(default));
    }

    /// <summary>The peer is who it says: what strangers are limited to does not hold any more.</summary>
    public void OnAuthenticated()
    {
        reader.OnAuthenticated();
        queue.OnAuthenticated();
        rekey.AuthenticationCompleted();
    }

    /// <summary>The connection is over: whoever waits for a message learns why.</summary>
    public void Close(SshException reason) => _mailbox.Close(reason);
}
