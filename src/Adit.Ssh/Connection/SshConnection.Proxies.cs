using System.Buffers.Binary;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>What belongs to other processes that speak over this connection.</summary>
internal sealed partial class SshConnection
{
    private volatile ChannelProxy[] _proxies = [];

    /// <summary>One was there: channels of its may live on after it.</summary>
    private volatile bool _hadProxy;

    internal void AddProxy(ChannelProxy proxy)
    {
        lock (_opens)
            _proxies = [.. _proxies, proxy];
        _hadProxy = true;
    }

    internal void RemoveProxy(ChannelProxy proxy)
    {
        lock (_opens)
            _proxies = [.. _proxies.Where(other => other != proxy)];
    }

    /// <summary>Hands a message on. False where it is not for one of them.</summary>
    private bool TryHandOn(MessageId id, ReadOnlySpan<byte> payload)
    {
        if (id == MessageId.ChannelOpen)
            return TryOffer(payload);
        if (id < MessageId.ChannelOpenConfirmation || payload.Length < 5 || _channels.Find(BinaryPrimitives.ReadUInt32BigEndian(payload[1..]))?.Sink is not ProxiedChannel channel)
            return false;
        channel.Proxy.OnMessage(channel, id, payload);
        return true;
    }

    private bool TryOffer(ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload[1..]);
        var message = ChannelOpenMessage.Read(ref reader);
        if (message.ChannelType != "forwarded-tcpip" || message.MaximumPacket == 0 || message.TypeData.Length > MaxOpenData)
            return false;
        foreach (var proxy in _proxies)
        {
            if (proxy.TryOffer(message, payload))
                return true;
        }
        return false;
    }
}
