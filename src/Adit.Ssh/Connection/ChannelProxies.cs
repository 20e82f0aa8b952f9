using System.Buffers.Binary;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;

namespace Adit.Ssh.Connection;

/// <summary>The other processes that speak over one connection: hands on what the peer says to them.</summary>
/// <param name="channels">The connection's, with theirs among them.</param>
internal sealed class ChannelProxies(ChannelTable channels)
{
    private readonly Lock _lock = new();
    private volatile ChannelProxy[] _proxies = [];
    private volatile bool _hadOne;

    public void Add(ChannelProxy proxy)
    {
        lock (_lock)
            _proxies = [.. _proxies, proxy];
        _hadOne = true;
    }

    public void Remove(ChannelProxy proxy)
    {
        lock (_lock)
            _proxies = [.. _proxies.Where(other => other != proxy)];
    }

    /// <summary>Hands a message on. False where it is not for one of them. On the receive loop.</summary>
    public bool TryHandOn(MessageId id, ReadOnlyMemory<byte> payload) =>
        _hadOne && TryHandOn(id, payload.Span); // had, not has: channels of its may live on after it

    private bool TryHandOn(MessageId id, ReadOnlySpan<byte> payload)
    {
        if (id == MessageId.ChannelOpen)
            return TryOffer(payload);
        if (id < MessageId.ChannelOpenConfirmation || payload.Length < 5 || channels.Find(BinaryPrimitives.ReadUInt32BigEndian(payload[1..]))?.Sink is not ProxiedChannel channel)
            return false;
        channel.Proxy.OnMessage(channel, id, payload);
        return true;
    }

    private bool TryOffer(ReadOnlySpan<byte> payload)
    {
        var reader = new SshReader(payload[1..]);
        var message = ChannelOpenMessage.Read(ref reader);
        if (message.ChannelType != "forwarded-tcpip" || message.MaximumPacket == 0 || message.TypeData.Length > SshConnection.MaxOpenData)
            return false;
        foreach (var proxy in _proxies)
        {
            if (proxy.TryOffer(message, payload))
                return true;
        }
        return false;
    }
}
