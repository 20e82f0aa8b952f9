using System.Buffers.Binary;
using System.Text;

namespace Adit.Ssh.Wire;

/// <summary>Writes the data types of RFC 4251, section 5. Over a span it throws <see cref="InvalidOperationException"/> when that is full;
/// made with a capacity it grows.</summary>
public ref struct SshWriter
{
    private readonly bool _growable;
    private Span<byte> _span;
    private int _length;

    /// <summary>Writes into <paramref name="destination"/> and never beyond it.</summary>
    public SshWriter(Span<byte> destination) => _span = destination;

    /// <summary>Writes into memory of its own, which grows as needed.</summary>
    public SshWriter(int initialCapacity)
    {
        _span = new byte[Math.Max(initialCapacity, 16)];
        _growable = true;
    }

    /// <summary>Bytes written so far.</summary>
    public readonly int Length => _length;

    /// <summary>What was written so far.</summary>
    public readonly ReadOnlySpan<byte> Written => _span[.._length];

    public readonly byte[] ToArray() => Written.ToArray();

    public void WriteByte(byte value) => Take(1)[0] = value;

    public void WriteMessageId(MessageId id) => WriteByte((byte)id);

    public void WriteBoolean(bool value) => WriteByte(value ? (byte)1 : (byte)0);

    public void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Take(4), value);

    public void WriteUInt64(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Take(8), value);

    /// <summary>The bytes alone, without a length.</summary>
    public void WriteBytes(ReadOnlySpan<byte> value) => value.CopyTo(Take(value.Length));

    /// <summary>string: a uint32 length, then the bytes.</summary>
    public void WriteString(ReadOnlySpan<byte> value)
    {
        WriteUInt32((uint)value.Length);
        WriteBytes(value);
    }

    /// <summary>string in UTF-8.</summary>
    public void WriteString(string value)
    {
        int count = Encoding.UTF8.GetByteCount(value);
        WriteUInt32((uint)count);
        Encoding.UTF8.GetBytes(value, Take(count));
    }

    /// <summary>name-list: the names joined by commas.</summary>
    public void WriteNameList(IReadOnlyList<string> names) => WriteString(string.Join(',', names));

    /// <summary>mpint of a non-negative number given as unsigned big-endian bytes; leading zeros are allowed and dropped.</summary>
    public void WriteMpint(ReadOnlySpan<byte> unsignedBigEndian)
    {
        var value = unsignedBigEndian.TrimStart((byte)0);
        bool pad = !value.IsEmpty && (value[0] & 0x80) != 0;
        WriteUInt32((uint)(value.Length + (pad ? 1 : 0)));
        if (pad)
            WriteByte(0);
        WriteBytes(value);
    }

    /// <summary>Reserves a uint32 length that <see cref="EndString"/> fills in; returns the mark to give it.</summary>
    public int BeginString()
    {
        int mark = _length;
        WriteUInt32(0);
        return mark;
    }

    /// <summary>Ends the string begun at <paramref name="mark"/>.</summary>
    public readonly void EndString(int mark) =>
        BinaryPrimitives.WriteUInt32BigEndian(_span[mark..], (uint)(_length - mark - 4));

    private Span<byte> Take(int count)
    {
        if (count > _span.Length - _length)
            Grow(count);
        var result = _span.Slice(_length, count);
        _length += count;
        return result;
    }

    private void Grow(int count)
    {
        if (!_growable)
            throw new InvalidOperationException("the message does not fit into its buffer");
        var larger = new byte[Math.Max(_length + count, _span.Length * 2)];
        Written.CopyTo(larger);
        _span.Clear(); // may hold secrets
        _span = larger;
    }
}
