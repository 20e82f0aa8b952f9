using System.Buffers.Binary;
using System.Text;

namespace Adit.Ssh.Wire;

/// <summary>Reads the data types of RFC 4251, section 5, from one span. Every length is checked against what is left before it is used;
/// anything malformed throws <see cref="SshException"/> with <see cref="SshError.ProtocolError"/>.</summary>
public ref struct SshReader
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest;

    public SshReader(ReadOnlySpan<byte> data) => _rest = data;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _rest.Length;

    /// <summary>What has not been read yet.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>True when everything was read.</summary>
    public readonly bool AtEnd => _rest.IsEmpty;

    public byte ReadByte() => ReadBytes(1)[0];

    /// <summary>boolean: 0 is false, every other value is true.</summary>
    public bool ReadBoolean() => ReadByte() != 0;

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(ReadBytes(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64BigEndian(ReadBytes(8));

    /// <summary>Exactly <paramref name="count"/> bytes.</summary>
    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        if ((uint)count > (uint)_rest.Length)
            throw Truncated();
        var result = _rest[..count];
        _rest = _rest[count..];
        return result;
    }

    /// <summary>string: a uint32 length, then that many bytes. Nothing is copied.</summary>
    public ReadOnlySpan<byte> ReadString(int maxLength = int.MaxValue)
    {
        uint length = ReadUInt32();
        if (length > (uint)_rest.Length)
            throw Truncated();
        if (length > (uint)maxLength)
            throw SshException.Protocol($"string of {length} bytes is longer than the {maxLength} allowed here");
        return ReadBytes((int)length);
    }

    /// <summary>A string that must be valid UTF-8.</summary>
    public string ReadUtf8(int maxLength = 65536)
    {
        var bytes = ReadString(maxLength);
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw SshException.Protocol("string is not valid UTF-8");
        }
    }

    /// <summary>A string that must be printable US-ASCII: names of algorithms, methods, channel types and requests.</summary>
    public string ReadName(int maxLength = 256)
    {
        var bytes = ReadString(maxLength);
        if (bytes.ContainsAnyExceptInRange((byte)0x20, (byte)0x7e))
            throw SshException.Protocol("name holds bytes outside printable US-ASCII");
        return Encoding.ASCII.GetString(bytes);
    }

    /// <summary>A string shown to people. Invalid UTF-8 is replaced; the caller escapes it before it is shown.</summary>
    public string ReadText(int maxLength = 65536) => Encoding.UTF8.GetString(ReadString(maxLength));

    /// <summary>name-list: comma-separated names, none of them empty.</summary>
    public string[] ReadNameList(int maxLength = 65536)
    {
        var bytes = ReadString(maxLength);
        if (bytes.IsEmpty)
            return [];
        if (bytes.ContainsAnyExceptInRange((byte)0x21, (byte)0x7e))
            throw SshException.Protocol("name-list holds bytes outside printable US-ASCII");
        string[] names = Encoding.ASCII.GetString(bytes).Split(',');
        foreach (string name in names)
        {
            if (name.Length == 0)
                throw SshException.Protocol("name-list holds an empty name");
        }
        return names;
    }

    /// <summary>mpint that must not be negative, as unsigned big-endian bytes without leading zeros (empty for zero).
    /// Longer than <paramref name="maxBytes"/> or not minimally encoded: an error.</summary>
    public ReadOnlySpan<byte> ReadMpint(int maxBytes = 16384 / 8)
    {
        var bytes = ReadString(maxBytes + 1);
        if (bytes.IsEmpty)
            return bytes;
        if ((bytes[0] & 0x80) != 0)
            throw SshException.Protocol("mpint is negative");
        if (bytes[0] != 0)
        {
            if (bytes.Length > maxBytes)
                throw SshException.Protocol("mpint is too large");
            return bytes;
        }
        if (bytes.Length == 1 || (bytes[1] & 0x80) == 0)
            throw SshException.Protocol("mpint is not minimally encoded");
        return bytes[1..];
    }

    /// <summary>Throws when anything is left over.</summary>
    public readonly void EnsureEnd()
    {
        if (!_rest.IsEmpty)
            throw SshException.Protocol($"{_rest.Length} bytes left over at the end of the message");
    }

    private static SshException Truncated() => SshException.Protocol("message is truncated");
}
