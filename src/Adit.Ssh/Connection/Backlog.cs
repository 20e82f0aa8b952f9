using System.Buffers;

namespace Adit.Ssh.Connection;

/// <summary>Bytes that a consumer could not take yet, in pooled chunks. What it can grow to is the channel's window. Not thread-safe.</summary>
internal struct Backlog
{
    private const int ChunkSize = 128 * 1024;

    private Chunk? _head;
    private Chunk? _tail;

    private sealed class Chunk(byte[] data)
    {
        public readonly byte[] Data = data;
        public int Start;
        public int End;
        public Chunk? Next;
    }

    public int Length { get; private set; }

    public readonly bool IsEmpty => _head is null;

    /// <summary>The oldest bytes, in one piece; stays where it is until consumed.</summary>
    public readonly Memory<byte> First => _head is { } head ? head.Data.AsMemory(head.Start, head.End - head.Start) : default;

    public void Append(ReadOnlySpan<byte> data)
    {
        Length += data.Length;
        while (!data.IsEmpty)
        {
            if (_tail is null || _tail.End == _tail.Data.Length)
                AddChunk(data.Length);
            int count = Math.Min(data.Length, _tail!.Data.Length - _tail.End);
            data[..count].CopyTo(_tail.Data.AsSpan(_tail.End));
            _tail.End += count;
            data = data[count..];
        }
    }

    /// <summary>Drops the oldest bytes, at most what <see cref="First"/> showed.</summary>
    public void Consume(int count)
    {
        var head = _head!;
        head.Start += count;
        Length -= count;
        if (head.Start < head.End)
            return;
        _head = head.Next;
        if (_head is null)
            _tail = null;
        ArrayPool<byte>.Shared.Return(head.Data);
    }

    /// <summary>Drops everything and returns how much it was.</summary>
    public int Clear()
    {
        int length = Length;
        while (_head is not null)
            Consume(_head.End - _head.Start);
        return length;
    }

    private void AddChunk(int wanted)
    {
        var chunk = new Chunk(ArrayPool<byte>.Shared.Rent(Math.Min(Math.Max(wanted, 4096), ChunkSize)));
        if (_tail is null)
            _head = chunk;
        else
            _tail.Next = chunk;
        _tail = chunk;
    }
}
