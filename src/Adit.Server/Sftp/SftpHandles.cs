namespace Adit.Server.Sftp;

/// <summary>What the client has open. As many as the process may have descriptors: every handle is one. Some are left to the process, whose runtime dies without (a thread of its own needs one to start). The number that was freed last is given out first, as sftp-server does.</summary>
/// <param name="limit">How many descriptors the process may have.</param>
internal sealed class SftpHandles(ulong limit)
{
    private const ulong Reserved = 16;

    private readonly List<Entry> _entries = [];
    private int _free = -1;

    private enum Use
    {
        Unused,
        File,
        Folder,
    }

    /// <summary>Null where there are no more; it is closed then, and the same with folders.</summary>
    public int? AddFile(ReadOnlySpan<byte> name, int file, int flags)
    {
        if (IsReserved(file))
        {
            _ = SftpCalls.Close(file);
            return null;
        }

        return Add(new Entry { Use = Use.File, File = file, Flags = flags, Name = name.ToArray() });
    }

    public int? AddFolder(ReadOnlySpan<byte> name, nint folder)
    {
        if (IsReserved(SftpCalls.DescriptorOf(folder)))
        {
            _ = SftpCalls.CloseFolder(folder);
            return null;
        }

        return Add(new Entry { Use = Use.Folder, Folder = folder, Name = name.ToArray() });
    }

    public int Count => _entries.Count;

    /// <summary>The descriptor; -1 for a folder and for no handle at all.</summary>
    public int File(int handle, out int flags)
    {
        var isFile = IsIn(handle, Use.File);
        flags = isFile ? _entries[handle].Flags : 0;
        return isFile ? _entries[handle].File : -1;
    }

    /// <summary>The stream; 0 for a file and for no handle at all.</summary>
    public nint Folder(int handle) => IsIn(handle, Use.Folder) ? _entries[handle].Folder : 0;

    /// <summary>The name it was opened by; empty for no handle.</summary>
    public ReadOnlySpan<byte> Name(int handle) => IsIn(handle, Use.File) || IsIn(handle, Use.Folder) ? _entries[handle].Name : default;

    public void CountRead(int handle, long bytes) => _entries[handle] = _entries[handle] with { Read = _entries[handle].Read + bytes };

    public void CountWritten(int handle, long bytes) => _entries[handle] = _entries[handle] with { Written = _entries[handle].Written + bytes };

    public (long Read, long Written) Bytes(int handle) => (_entries[handle].Read, _entries[handle].Written);

    /// <summary>What close(2) says.</summary>
    public SftpStatus Close(int handle)
    {
        int result;
        if (IsIn(handle, Use.File))
        {
            result = SftpCalls.Close(_entries[handle].File);
        }
        else if (IsIn(handle, Use.Folder))
        {
            result = SftpCalls.CloseFolder(_entries[handle].Folder);
        }
        else
        {
            return SftpStatus.NoSuchFile;
        }

        var status = SftpStatuses.OfResult(result);
        _entries[handle] = new Entry { Next = _free, Name = [] };
        _free = handle;
        return status;
    }

    private bool IsReserved(int descriptor) => (ulong)descriptor + Reserved >= limit;

    private int Add(Entry entry)
    {
        if (_free < 0)
        {
            _entries.Add(entry);
            return _entries.Count - 1;
        }

        var handle = _free;
        _free = _entries[handle].Next;
        _entries[handle] = entry;
        return handle;
    }

    private bool IsIn(int handle, Use use) => handle >= 0 && handle < _entries.Count && _entries[handle].Use == use;

    private readonly record struct Entry
    {
        public required byte[] Name { get; init; }

        public Use Use { get; init; }

        public int File { get; init; }

        public int Flags { get; init; }

        public nint Folder { get; init; }

        public long Read { get; init; }

        public long Written { get; init; }

        public int Next { get; init; }
    }
}
