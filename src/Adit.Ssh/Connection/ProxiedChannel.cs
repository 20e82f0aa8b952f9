using System.Buffers.Binary;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>A channel of a process that speaks over this connection (<see cref="ChannelProxy"/>): what both ends may still say to each other. Either could break the
/// connection that others use too, so both are held to the rules here. Its owner locks around it.</summary>
internal sealed class ProxiedChannel(ChannelProxy proxy) : IChannelSink
{
    private SendWindow _toPeer;
    private SendWindow _toPassenger;
    private int _owedByPeer;
    private int _owedByPassenger;
    private bool _eofSent;

    internal enum Stage
    {
        /// <summary>The passenger asked for it, and the peer has not answered.</summary>
        Asked,
        /// <summary>The peer asked for it, and the passenger has not answered.</summary>
        Offered,
        /// <summary>Both know it.</summary>
        Open,
    }

    /// <summary>The entry in the connection's table, which gives the number that the peer knows.</summary>
    public SshChannel Entry { get; set; } = null!;

    public Stage State { get; private set; }

    /// <summary>The peer's number.</summary>
    public uint PeerId { get; private set; }

    /// <summary>The passenger's number.</summary>
    public uint PassengerId { get; private set; }

    public bool CloseSent { get; set; }

    public bool CloseReceived { get; private set; }

    public bool IsOver => CloseSent && CloseReceived;

    /// <summary>The passenger opens it, and grants a window.</summary>
    public void Ask(uint passengerId, uint window, uint maximumPacket)
    {
        PassengerId = passengerId;
        _toPassenger = new SendWindow(window, maximumPacket);
    }

    /// <summary>The peer opens it.</summary>
    public void Offer(uint peerId, uint window, uint maximumPacket)
    {
        State = Stage.Offered;
        PeerId = peerId;
        _toPeer = new SendWindow(window, maximumPacket);
    }

    /// <summary>The passenger takes what the peer opened.</summary>
    public void Take(uint passengerId, uint window, uint maximumPacket)
    {
        Ask(passengerId, window, maximumPacket);
        State = Stage.Open;
    }

    /// <summary>A message of the peer's, whose meaning is the passenger's matter. Throws <see cref="SshException"/> where it is not legal now.</summary>
    public void FromPeer(MessageId id, ReadOnlySpan<byte> payload)
    {
        if (CloseReceived || (State != Stage.Open && !(State == Stage.Asked && id is MessageId.ChannelOpenConfirmation or MessageId.ChannelOpenFailure)))
            throw SshException.Protocol($"{(int)id} packet referred to nonexistent channel {Entry.LocalId}");
        var reader = new SshReader(payload[1..]);
        switch (id)
        {
            case MessageId.ChannelOpenConfirmation when State == Stage.Asked:
                var opened = ChannelOpenConfirmationMessage.Read(ref reader);
                PeerId = opened.SenderChannel;
                _toPeer = new SendWindow(opened.InitialWindow, opened.MaximumPacket);
                State = Stage.Open;
                break;
            case MessageId.ChannelOpenFailure when State == Stage.Asked:
                _ = ChannelOpenFailureMessage.Read(ref reader);
                break;
            case MessageId.ChannelWindowAdjust:
                _toPeer.Add(Adjustment(ref reader));
                break;
            case MessageId.ChannelData or MessageId.ChannelExtendedData:
                int length = DataLength(id, ref reader);
                if (length > _toPassenger.Available)
                    throw SshException.Protocol($"peer ignored channel window: {length} bytes sent into {_toPassenger.Available}");
                _toPassenger.Take(length);
                break;
            case MessageId.ChannelEof:
                Signal(ref reader);
                break;
            case MessageId.ChannelClose:
                Signal(ref reader);
                CloseReceived = true;
                break;
            case MessageId.ChannelRequest:
                if (ChannelRequestMessage.Read(ref reader).WantReply && ++_owedByPassenger > ChannelProxy.MaxUnanswered)
                    throw SshException.Protocol("too many channel requests wait for an answer");
                break;
            case MessageId.ChannelSuccess or MessageId.ChannelFailure when _owedByPeer > 0:
                Signal(ref reader);
                _owedByPeer--;
                break;
            default:
                throw SshException.Protocol($"unexpected message {(int)id} on channel {Entry.LocalId}");
        }
    }

    /// <summary>A message of the passenger's about an open channel. False where the peer is done with the channel and would not know what to do with it. Throws
    /// <see cref="SshException"/> where it is not legal now.</summary>
    public bool FromPassenger(MessageId id, ReadOnlySpan<byte> payload)
    {
        if (State != Stage.Open || CloseSent)
            throw SshException.Protocol($"{(int)id} packet referred to nonexistent channel {PeerId}");
        var reader = new SshReader(payload[1..]);
        switch (id)
        {
            case MessageId.ChannelWindowAdjust:
                _toPassenger.Add(Adjustment(ref reader));
                break;
            case MessageId.ChannelData or MessageId.ChannelExtendedData when !_eofSent:
                int length = DataLength(id, ref reader);
                if (length > _toPeer.Available || length > _toPeer.MaximumPacket)
                    throw SshException.Protocol($"passenger ignored channel window: {length} bytes sent into {_toPeer.Available}, in packets of {_toPeer.MaximumPacket}");
                _toPeer.Take(length);
                break;
            case MessageId.ChannelEof when !_eofSent:
                Signal(ref reader);
                _eofSent = true;
                break;
            case MessageId.ChannelClose:
                Signal(ref reader);
                CloseSent = true;
                return true;
            case MessageId.ChannelRequest:
                if (ChannelRequestMessage.Read(ref reader).WantReply && !CloseReceived && ++_owedByPeer > ChannelProxy.MaxUnanswered)
                    throw SshException.Protocol("too many channel requests wait for an answer");
                break;
            case MessageId.ChannelSuccess or MessageId.ChannelFailure when _owedByPassenger > 0:
                Signal(ref reader);
                _owedByPassenger--;
                break;
            default:
                throw SshException.Protocol($"unexpected message {(int)id} on channel {PeerId}");
        }
        return !CloseReceived;
    }

    /// <summary>The payload with another number in the place of the recipient's.</summary>
    public static byte[] Redirect(ReadOnlySpan<byte> payload, uint recipient)
    {
        byte[] copy = payload.ToArray();
        BinaryPrimitives.WriteUInt32BigEndian(copy.AsSpan(1), recipient);
        return copy;
    }

    public void OnOpened(SshChannel channel)
    {
    }

    public void OnData(ReadOnlyMemory<byte> data)
    {
    }

    public void OnBatchEnd()
    {
    }

    public void OnEof()
    {
    }

    /// <summary>The connection ended: all messages of the peer's come by <see cref="ChannelProxy"/>.</summary>
    public void OnClosed(SshException? reason) => proxy.OnConnectionClosed();

    internal ChannelProxy Proxy => proxy;

    private static uint Adjustment(ref SshReader reader)
    {
        uint bytes = ChannelWindowAdjustMessage.Read(ref reader).BytesToAdd;
        reader.EnsureEnd();
        return bytes;
    }

    private static int DataLength(MessageId id, ref SshReader reader)
    {
        _ = reader.ReadUInt32();
        if (id == MessageId.ChannelExtendedData)
            _ = reader.ReadUInt32();
        int length = reader.ReadString().Length;
        reader.EnsureEnd();
        return length;
    }

    private static void Signal(ref SshReader reader)
    {
        _ = reader.ReadUInt32();
        reader.EnsureEnd();
    }
}
