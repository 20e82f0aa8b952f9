using System.Diagnostics.CodeAnalysis;

namespace Adit.Ssh.Transport;

/// <summary>Packet buffers in five sizes, shared by all connections of the process. What is rented is bounded by its renters. What is kept for reuse is bounded too, and what nobody
/// asked for in <see cref="TrimInterval"/> is given up: a burst's buffers stay while it comes back, and no longer.</summary>
[SuppressMessage("Design", "CA1001", Justification = "lives as long as the process; its timer is still while the pool is empty")]
internal sealed class PacketPool
{
    /// <summary>How often the pool looks for buffers to give up, while it has any.</summary>
    private static readonly TimeSpan TrimInterval = TimeSpan.FromSeconds(10);

    /// <summary>Control messages and keystrokes: 256 bytes in all, since thousands may wait.</summary>
    public const int TinyPayload = 64;

    public const int SmallPayload = 512;

    /// <summary>Opens and requests; small pieces of data.</summary>
    public const int PagePayload = PacketBuffer.DataHeaderLength + 4096;

    /// <summary>One full packet of a peer that takes 32 KiB.</summary>
    public const int MediumPayload = PacketBuffer.DataHeaderLength + (32 * 1024);

    /// <summary>One full packet between our own ends.</summary>
    public const int LargePayload = PacketBuffer.DataHeaderLength + (128 * 1024);

    /// <summary>The largest payload that can be sent; a longer message is a fault of ours.</summary>
    public const int MaxPayload = 256 * 1024;

    public static PacketPool Shared { get; } = new();

    private readonly SizeClass[] _classes =
    [
        new(TinyPayload, keep: 1024),
        new(SmallPayload, keep: 1024),
        new(PagePayload, keep: 512),
        new(MediumPayload, keep: 1024),
        new(LargePayload, keep: 512),
    ];

    private readonly Timer _trimming;
    private long _rented;
    private int _isTrimming;

    public PacketPool() => _trimming = new Timer(static pool => ((PacketPool)pool!).Trim(), this, Timeout.Infinite, Timeout.Infinite);

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

    /// <summary>A buffer that holds this payload.</summary>
    public PacketBuffer Copy(ReadOnlySpan<byte> payload)
    {
        var packet = Rent(payload.Length);
        packet.PayloadLength = payload.Length;
        payload.CopyTo(packet.Payload);
        return packet;
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
                if (Volatile.Read(ref _isTrimming) == 0 && Interlocked.Exchange(ref _isTrimming, 1) == 0)
                    _trimming.Change(TrimInterval, Timeout.InfiniteTimeSpan);
                return;
            }
        }
    }

    /// <summary>Gives up what nobody needed since the last call.</summary>
    internal void Trim()
    {
        bool any = false;
        foreach (var size in _classes)
            any |= size.Trim();
        if (any)
            _trimming.Change(TrimInterval, Timeout.InfiniteTimeSpan);
        else
            Volatile.Write(ref _isTrimming, 0); // the next buffer that comes back starts it again
    }

    /// <summary>A bounded stack under a lock: no node per push, and the warmest buffer comes back first.</summary>
    private sealed class SizeClass(int payload, int keep)
    {
        private readonly Lock _lock = new();
        private PacketBuffer? _top;
        private int _count;
        private int _unused; // the lowest count since the last trim

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
                _unused = Math.Min(_unused, _count);
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

        /// <summary>True while some are kept.</summary>
        public bool Trim()
        {
            lock (_lock)
            {
                for (; _unused > 0; _unused--, _count--)
                    (_top, _top!.Next) = (_top.Next, null);
                _unused = _count;
                return _count > 0;
            }
        }
    }
}
