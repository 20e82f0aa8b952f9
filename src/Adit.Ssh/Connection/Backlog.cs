using Adit.Ssh.Transport;

namespace Adit.Ssh.Connection;

/// <summary>Bytes that a consumer could not take yet, in buffers of the packet pool. What it can grow to is the channel's window. Not thread-safe.</summary>
internal struct Backlog
{
    /// <summary>From here on large buffers are used, so at most as much again lies unused as is held.</summary>
    private const int Large = 128 * 1024;

    private PacketBuffer? _head;
    private PacketBuffer? _tail;
    private int _consumed; // of the head

    public int Length { get; private set; }

    public readonly bool IsEmpty => _head is null;

    /// <summary>The oldest bytes, in one piece; stays where it is until consumed.</summary>
    public readonly Memory<byte> First => _head is { } head ? head.Array.AsMemory(PacketBuffer.PayloadOffset + _consumed, head.PayloadLength - _consumed) : default;

    public void Append(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            if (_tail is null || _tail.PayloadLength == _tail.PayloadCapacity)
                AddBuffer(data.Length);
            int length = _tail!.PayloadLength;
            int count = Math.Min(data.Length, _tail.PayloadCapacity - length);
            _tail.PayloadLength = length + count;
            data[..count].CopyTo(_tail.Payload[length..]);
            data = data[count..];
            Length += count;
        }
    }

    /// <summary>Drops the oldest bytes, at most what <see cref="First"/> showed.</summary>
    public void Consume(int count)
    {
        var head = _head!;
        _consumed += count;
        Length -= count;
        if (_consumed < head.PayloadLength)
            return;
        _consumed = 0;
        _head = head.Next;
        if (_head is null)
            _tail = null;
        head.Return();
    }

    /// <summary>Drops everything and returns how much it was.</summary>
    public int Clear()
    {
        int length = Length;
        while (_head is not null)
            Consume(_head.PayloadLength - _consumed);
        return length;
    }

    private void AddBuffer(int wanted)
    {
        var buffer = PacketPool.Shared.Rent(Length >= Large ? PacketPool.LargePayload : Math.Min(Math.Max(wanted, Length), PacketPool.MediumPayload));
        if (_tail is null)
            _head = buffer;
        else
            _tail.Next = buffer;
        _tail = buffer;
    }
}
