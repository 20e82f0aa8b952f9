namespace Adit.Ssh.Transport;

/// <summary>A first-in-first-out list threaded through the packets themselves.</summary>
internal struct PacketList
{
    private PacketBuffer? _head;
    private PacketBuffer? _tail;

    public int Count { get; private set; }

    public readonly bool IsEmpty => _head is null;

    public void Append(PacketBuffer packet)
    {
        if (_tail is null)
            _head = packet;
        else
            _tail.Next = packet;
        _tail = packet;
        Count++;
    }

    public PacketBuffer? Take()
    {
        var packet = _head;
        if (packet is null)
            return null;
        _head = packet.Next;
        if (_head is null)
            _tail = null;
        packet.Next = null;
        Count--;
        return packet;
    }
}
