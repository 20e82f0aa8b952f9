using System.Buffers.Binary;
using Adit.Server.Users;

namespace Adit.Server.Sftp;

/// <summary>Reads one message's fields. Nothing is thrown for what is not there or not well-formed: <see cref="IsBad"/> tells, once all fields were asked for.</summary>
internal ref struct SftpReader(ReadOnlySpan<byte> data)
{
    private const uint MostExtensions = 0x100000;

    private ReadOnlySpan<byte> _rest = data;

    /// <summary>The message is shorter than its fields, or a name has a NUL in it.</summary>
    public bool IsBad { get; private set; }

    public readonly int Remaining => _rest.Length;

    public byte Byte() => Take(1) is { Length: 1 } taken ? taken[0] : (byte)0;

    public uint UInt32() => Take(sizeof(uint)) is { Length: sizeof(uint) } taken ? BinaryPrimitives.ReadUInt32BigEndian(taken) : 0;

    public ulong UInt64() => Take(sizeof(ulong)) is { Length: sizeof(ulong) } taken ? BinaryPrimitives.ReadUInt64BigEndian(taken) : 0;

    public ReadOnlySpan<byte> String()
    {
        var length = UInt32();
        return length > (uint)_rest.Length ? Bad() : Take((int)length);
    }

    /// <summary>A name: NUL may be its last byte alone, and is left out then.</summary>
    public ReadOnlySpan<byte> Name()
    {
        var name = String();
        var end = name.IndexOf((byte)0);
        return end < 0 ? name : end == name.Length - 1 ? name[..end] : Bad();
    }

    /// <summary>The number of a handle; -1 for anything that is none.</summary>
    public int Handle()
    {
        var handle = String();
        return handle.Length == sizeof(int) ? BinaryPrimitives.ReadInt32BigEndian(handle) : -1;
    }

    public SftpAttributes Attributes()
    {
        var attributes = new SftpAttributes { Flags = UInt32() };
        if (attributes.Has(SftpAttributes.SizeFlag))
        {
            attributes.Size = UInt64();
        }

        if (attributes.Has(SftpAttributes.OwnerFlag))
        {
            (attributes.Uid, attributes.Gid) = (UInt32(), UInt32());
        }

        if (attributes.Has(SftpAttributes.ModeFlag))
        {
            attributes.Mode = UInt32();
        }

        if (attributes.Has(SftpAttributes.TimesFlag))
        {
            (attributes.Accessed, attributes.Modified) = (UInt32(), UInt32());
        }

        if (attributes.Has(SftpAttributes.ExtendedFlag))
        {
            var count = UInt32();
            if (count > MostExtensions)
            {
                Bad();
            }

            for (; count > 0 && !IsBad; count--)
            {
                String();
                String();
            }
        }

        return attributes;
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length > _rest.Length)
        {
            return Bad();
        }

        var taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }

    private ReadOnlySpan<byte> Bad()
    {
        IsBad = true;
        _rest = default;
        return default;
    }
}

/// <summary>ATTRS of the protocol: what its flags name is there.</summary>
internal struct SftpAttributes
{
    public const uint SizeFlag = 1, OwnerFlag = 2, ModeFlag = 4, TimesFlag = 8, ExtendedFlag = 0x80000000;

    public uint Flags;
    public ulong Size;
    public uint Uid, Gid, Mode, Accessed, Modified;

    public readonly bool Has(uint flag) => (Flags & flag) != 0;

    /// <summary>All that the protocol has a place for.</summary>
    public static SftpAttributes Of(in LibC.StatxBuffer status) => new()
    {
        Flags = SizeFlag | OwnerFlag | ModeFlag | TimesFlag,
        Size = status.Size,
        Uid = status.Uid,
        Gid = status.Gid,
        Mode = status.Mode,
        Accessed = (uint)status.AccessedSeconds,
        Modified = (uint)status.ModifiedSeconds,
    };
}
