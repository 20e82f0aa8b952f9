namespace Adit.Ssh.Transport;

/// <summary>Packet buffers in three sizes, shared by all connections of the process. What is kept for reuse is bounded; what is rented is bounded by its renters.</summary>
internal sealed class PacketPool
{
    /// <summary>Control messages and keystrokes.</summary>
    public const int SmallPayload = 512;

    /// <summary>One full packet of a peer that takes 32 KiB.</summary>
    public const int MediumPayload = PacketBuffer.DataHeaderLength + (32 * 1024);

    /// <summary>One full packet between our own ends.</summary>
    public const int LargePayload = PacketBuffer.DataHeaderLength + (128 * 1024);

    /// <summary>The largest payload that can be sent; a longer message is a fault of ours.</summary>
    public const int MaxPayload = 256 * 1024;

    public static PacketPool Shared { get; } = new();

    private readonly SizeClass[] _classes =
    [
        new(SmallPayload, keep: 1024),
        new(MediumPayload, keep: 512),
        new(LargePayload, keep: 64),
    ];

    private long _rented;

    /// <summary>Buffers rented and not returned; tests expect zero when all connections have ended.</summary>
    public long Rented => Interlocked.Read(ref _rented);

    /// <summary>A buffer for a payload of up to <paramref name="payload"/> bytes.</summary>
    public PacketBuffer Rent(int payload)
    {
        Interlocked.Increment(ref _rented);
        foreach (var size in _classes)
        {
            if (payload <= size.Payload)
            {
                var buffer = size.Take() ?? new PacketBuffer(this, size.Payload);
                buffer.OnRented();
                return buffer;
            }
        }
        var odd = new PacketBuffer(this, payload);
        odd.OnRented();
        return odd;
    }

    internal void Return(PacketBuffer buffer)
    {
        buffer.OnReturned();
        Interlocked.Decrement(ref _rented);
        foreach (var size in _classes)
        {
            if (buffer.PayloadCapacity == size.Payload)
            {
                size.Give(buffer);
                return;
            }
        }
    }

    /// <summary>A bounded stack under a lock: no node per push, and the warmest buffer comes back first.</summary>
    private sealed class SizeClass(int payload, int keep)
    {
        private readonly Lock _lock = new();
        private PacketBuffer? _top;
        private int _count;

        public int Payload => payload;

        public PacketBuffer? Take()
        {
            lock (_lock)
            {
                var buffer = _top;
                if (buffer is null)
                    return null;
                _top = buffer.Next;
                buffer.Next = null;
                _count--;
                return buffer;
            }
        }

        public void Give(PacketBuffer buffer)
        {
            lock (_lock)
            {
                if (_count == keep)
                    return;
                buffer.Next = _top;
                _top = buffer;
                _count++;
            }
        }
    }
}
