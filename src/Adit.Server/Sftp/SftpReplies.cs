using System.Buffers.Binary;
using System.Text;
using Adit.Server.Configuration;

namespace Adit.Server.Sftp;

/// <summary>Replies on their way to the client. One buffer for all of them; what is in it is written with one call. It never grows: a request is only looked at while there is <see cref="HasRoom"/>.</summary>
internal sealed class SftpReplies(SftpLog log)
{
    /// <summary>The longest message either way.</summary>
    public const int MostMessage = 256 * 1024;

    /// <summary>The most that one request may ask for or bring.</summary>
    public const int MostData = MostMessage - 1024;

    private const int Capacity = 4 * MostMessage, LengthSize = 4;
    private const byte StatusType = 101, HandleType = 102, DataType = 103, NameType = 104, AttributesType = 105, ExtendedType = 201;

    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(Capacity, pinned: true);
    private int _start, _end, _message;

    /// <summary>The client's version of the protocol. Texts of a status came with the third.</summary>
    public uint Version { get; set; }

    public bool IsEmpty => _start == _end;

    /// <summary>There is room for the longest reply.</summary>
    public bool HasRoom => Capacity - (_end - _start) >= MostMessage + LengthSize;

    public ReadOnlySpan<byte> Pending => _buffer.AsSpan(_start.._end);

    /// <summary>So much was written.</summary>
    public void Sent(int count)
    {
        _start += count;
        if (_start == _end)
        {
            (_start, _end) = (0, 0);
        }
    }

    public void Status(uint id, SftpStatus status, string? text = null)
    {
        if (log.Shows(SshdLogLevel.Info) && (status is not (SftpStatus.Ok or SftpStatus.EndOfFile) || log.Shows(SshdLogLevel.Debug1)))
        {
            log.Write(SshdLogLevel.Info, $"sent status {SftpStatuses.Text(status)}");
        }

        Begin(StatusType, id);
        Add((uint)status);
        if (Version >= 3)
        {
            Add(text ?? SftpStatuses.Text(status));
            Add("");
        }

        End();
    }

    public void Handle(uint id, int handle)
    {
        Begin(HandleType, id);
        Add(sizeof(int));
        Add((uint)handle);
        End();
    }

    /// <summary>Where data for a reply is to be read to; <see cref="Data"/> sends it.</summary>
    public Span<byte> DataRoom(int length)
    {
        MakeRoom();
        const int header = LengthSize + 1 + 2 * sizeof(uint);
        return _buffer.AsSpan(_end + header, length);
    }

    public void Data(uint id, int length)
    {
        Begin(DataType, id);
        Add((uint)length);
        _end += length;
        End();
    }

    public void Attributes(uint id, in SftpAttributes attributes)
    {
        Begin(AttributesType, id);
        Add(attributes);
        End();
    }

    /// <summary>A single name, which says nothing of attributes.</summary>
    public void Name(uint id, ReadOnlySpan<byte> name)
    {
        BeginNames(id);
        AddName(name, name, default);
        EndNames(1);
    }

    public void BeginNames(uint id)
    {
        Begin(NameType, id);
        Add(0u);
    }

    public void AddName(ReadOnlySpan<byte> name, ReadOnlySpan<byte> longName, in SftpAttributes attributes)
    {
        Add(name);
        Add(longName);
        Add(attributes);
    }

    /// <summary>Sends them, or takes them back where there are none.</summary>
    public void EndNames(int count)
    {
        if (count == 0)
        {
            _end = _message;
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(_message + LengthSize + 1 + sizeof(uint)), (uint)count);
        End();
    }

    public void BeginExtended(uint id) => Begin(ExtendedType, id);

    public void BeginVersion(uint version)
    {
        MakeRoom();
        _message = _end;
        _end += LengthSize;
        _buffer[_end++] = 2;
        Add(version);
    }

    public void End() => BinaryPrimitives.WriteInt32BigEndian(_buffer.AsSpan(_message), _end - _message - LengthSize);

    public void Add(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(_end), value);
        _end += sizeof(uint);
    }

    public void Add(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer.AsSpan(_end), value);
        _end += sizeof(ulong);
    }

    public void Add(ReadOnlySpan<byte> text)
    {
        Add((uint)text.Length);
        text.CopyTo(_buffer.AsSpan(_end));
        _end += text.Length;
    }

    public void Add(string ascii)
    {
        Add((uint)ascii.Length);
        _end += Encoding.ASCII.GetBytes(ascii, _buffer.AsSpan(_end));
    }

    private void Add(in SftpAttributes attributes)
    {
        Add(attributes.Flags);
        if (attributes.Flags == 0)
        {
            return;
        }

        Add(attributes.Size);
        Add(attributes.Uid);
        Add(attributes.Gid);
        Add(attributes.Mode);
        Add(attributes.Accessed);
        Add(attributes.Modified);
    }

    private void Begin(byte type, uint id)
    {
        MakeRoom();
        _message = _end;
        _end += LengthSize;
        _buffer[_end++] = type;
        Add(id);
    }

    private void MakeRoom()
    {
        if (Capacity - _end < MostMessage + LengthSize)
        {
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }
    }
}
