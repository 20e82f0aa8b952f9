using Adit.Server.Users;
namespace Adit.Server.Sftp;

/// <summary>Names as the C library takes them, and paths without links, "." and "..".</summary>
internal sealed unsafe class SftpPaths
{
    /// <summary>A name that is longer than any may be stays too long when it is cut here.</summary>
    private const int Room = SftpCalls.PathMax + 64;

    private const int MostLinks = 32;

    private readonly byte[] _first = GC.AllocateArray<byte>(Room + 1, pinned: true), _second = GC.AllocateArray<byte>(Room + 1, pinned: true);
    private readonly byte[] _resolved = GC.AllocateArray<byte>(Room + 1, pinned: true), _link = GC.AllocateArray<byte>(Room + 1, pinned: true);
    private byte[] _left = new byte[Room + 1], _next = new byte[Room + 1];

    /// <summary>The name, ended by NUL. Good until the next.</summary>
    public byte* First(ReadOnlySpan<byte> name) => Put(name, _first);

    /// <summary>A second one beside the first.</summary>
    public byte* Second(ReadOnlySpan<byte> name) => Put(name, _second);

    /// <summary>Where a link points to; good until the next. The status is of the call.</summary>
    public ReadOnlySpan<byte> ReadLink(ReadOnlySpan<byte> name, out SftpStatus status)
    {
        var length = SftpCalls.ReadSymlink(First(name), Pointer(_link), SftpCalls.PathMax - 1);
        status = SftpStatuses.OfResult(length);
        return length < 0 ? default : _link.AsSpan(0, (int)length);
    }

    /// <summary>The working folder; good until the next call. Empty with the error where it cannot be told.</summary>
    public ReadOnlySpan<byte> WorkingFolder(out int error)
    {
        var found = SftpCalls.WorkingFolder(Pointer(_link), SftpCalls.PathMax);
        error = found is null ? SftpCalls.Error : 0;
        return found is null ? default : _link.AsSpan(0, _link.AsSpan().IndexOf((byte)0));
    }

    /// <summary>The path without links, "." and "..", as OpenSSH finds it: the last part need not be there. Good until the next call; empty with the error where there is none.</summary>
    public ReadOnlySpan<byte> Resolve(ReadOnlySpan<byte> path, out int error)
    {
        error = SftpCalls.NameTooLong;
        var length = 1;
        _resolved[0] = (byte)'/';
        if (path is [(byte)'/', ..])
        {
            path = path[1..];
        }
        else
        {
            var folder = WorkingFolder(out error);
            if (folder.IsEmpty)
            {
                return default;
            }

            error = SftpCalls.NameTooLong;
            folder.CopyTo(_resolved);
            length = folder.Length;
        }

        if (path.Length >= SftpCalls.PathMax)
        {
            return default;
        }

        path.CopyTo(_left);
        int start = 0, end = path.Length, links = 0;
        while (start < end)
        {
            var slash = _left.AsSpan(start..end).IndexOf((byte)'/');
            var part = slash < 0 ? _left.AsSpan(start..end) : _left.AsSpan(start, slash);
            start = slash < 0 ? end : start + slash + 1;
            if (_resolved[length - 1] != '/')
            {
                _resolved[length++] = (byte)'/';
            }

            if (part.IsEmpty || part.SequenceEqual("."u8))
            {
                continue;
            }

            if (part.SequenceEqual(".."u8))
            {
                length = length > 1 ? ParentOf(length - 1) : length;
                continue;
            }

            if (length + part.Length >= SftpCalls.PathMax)
            {
                return default;
            }

            part.CopyTo(_resolved.AsSpan(length));
            length += part.Length;
            _resolved[length] = 0;
            LibC.StatxBuffer status;
            if (SftpCalls.Statx(SftpCalls.Here, Pointer(_resolved), SftpCalls.NoFollow, SftpCalls.BasicStatus, &status) != 0)
            {
                error = SftpCalls.Error;
                if (error != SftpCalls.NoEntry || slash >= 0)
                {
                    return default;
                }

                error = 0;
                return _resolved.AsSpan(0, length);
            }

            if (status.Type != SftpCalls.Symlink)
            {
                continue;
            }

            if (links++ > MostLinks)
            {
                error = SftpCalls.TooManyLinks;
                return default;
            }

            var count = (int)SftpCalls.ReadSymlink(Pointer(_resolved), Pointer(_link), SftpCalls.PathMax - 1);
            if (count <= 0)
            {
                error = count < 0 ? SftpCalls.Error : SftpCalls.NoEntry;
                return default;
            }

            length = _link[0] == '/' ? 1 : ParentOf(length);
            if (slash >= 0 && _link[count - 1] != '/')
            {
                _link[count++] = (byte)'/';
            }

            if (count + (end - start) >= SftpCalls.PathMax)
            {
                return default;
            }

            _link.AsSpan(0, count).CopyTo(_next);
            _left.AsSpan(start..end).CopyTo(_next.AsSpan(count));
            (start, end) = (0, count + (end - start));
            (_left, _next) = (_next, _left);
        }

        error = 0;
        return _resolved.AsSpan(0, length > 1 && _resolved[length - 1] == '/' ? length - 1 : length);
    }

    /// <summary>How long what is before the last part is, its slash included.</summary>
    private int ParentOf(int length) => _resolved.AsSpan(0, length).LastIndexOf((byte)'/') + 1;

    private static byte* Put(ReadOnlySpan<byte> name, byte[] room)
    {
        name = name[..Math.Min(name.Length, Room)];
        name.CopyTo(room);
        room[name.Length] = 0;
        return Pointer(room);
    }

    /// <summary>The arrays are pinned for as long as they live.</summary>
    private static byte* Pointer(byte[] pinned) => (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref pinned[0]);
}
