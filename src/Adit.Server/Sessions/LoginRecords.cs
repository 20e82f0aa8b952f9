using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh.Wire;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Sessions;

/// <summary>A login on a terminal, as the system's files have it.</summary>
/// <param name="User">The account.</param>
/// <param name="Uid">Its number.</param>
/// <param name="ProcessId">The session's program.</param>
/// <param name="Line">The terminal without "/dev/": "pts/3".</param>
/// <param name="Address">The client's numeric address.</param>
internal sealed record TerminalLogin(string User, uint Uid, int ProcessId, string Line, string Address);

/// <summary>Who logged in on which terminal and when (utmp(5), wtmp, lastlog), for who(1), last(1), lastlog(8) and "Last login". Files that are not there are not made. The C library's own functions
/// for this are not used: they take SIGALRM from the whole process for the time they wait for a lock, which any user can hold; see <see cref="RecordedLogin"/> for what else they would hold up.</summary>
internal sealed class LoginRecords(string now, string history, string last)
{
    public const int LastSize = 292; // struct lastlog
    private const int LastLine = 4, LastHost = 36;
    private const short UserProcess = 7, DeadProcess = 8;
    private const short FirstWithId = 5; // INIT_PROCESS; LOGIN_PROCESS, USER_PROCESS and DEAD_PROCESS follow
    private const int Type = 0, ProcessId = 4, Line = 8, Id = 40, User = 44, Host = 76, Session = 336, LineRoom = 32, IdRoom = 4, HostRoom = 256;

    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(2);

    /// <summary>The system's own files; null where a record's layout is not known.</summary>
    public static LoginRecords? OfSystem { get; } =
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64 ? new("/var/run/utmp", "/var/log/wtmp", "/var/log/lastlog") : null;

    /// <summary>glibc on arm64 has 64-bit times in its struct utmpx; on x64 it shares 32-bit programs' files.</summary>
    private static bool IsWide => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    public override string ToString() => $"{now}, {history} and {last}";

    /// <summary>sshd's line about the login before this one; empty when none is known. May wait for the disk.</summary>
    public string Notice(uint uid)
    {
        try
        {
            using var file = Open(last, LibC.OpenReadOnly);
            var record = new byte[LastSize];
            return !file.IsInvalid && RandomAccess.Read(file, record, uid * (long)LastSize) == LastSize ? Notice(record) : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>The line for a struct lastlog; its time as ctime(3) writes it.</summary>
    public static string Notice(ReadOnlySpan<byte> record)
    {
        var seconds = BinaryPrimitives.ReadUInt32LittleEndian(record);
        if (seconds == 0)
        {
            return "";
        }

        var time = DateTimeOffset.FromUnixTimeSeconds(seconds).ToLocalTime();
        var host = record[LastHost..LastSize];
        host = host.IndexOf((byte)0) is >= 0 and var end ? host[..end] : host;
        var text = string.Create(CultureInfo.InvariantCulture, $"Last login: {time:ddd MMM} {time.Day,2} {time:HH:mm:ss yyyy}");
        return text + (host.IsEmpty ? "" : " from " + PeerText.Escape(OsText.Decode(host))) + "\n";
    }

    /// <summary>A struct utmpx as sshd fills it: the end of a login has no user, host or address.</summary>
    /// <param name="login">The login.</param>
    /// <param name="isOver">It ends.</param>
    /// <param name="time">When.</param>
    /// <param name="isWide">With 64-bit times.</param>
    public static byte[] Record(TerminalLogin login, bool isOver, DateTimeOffset time, bool isWide)
    {
        var record = new byte[isWide ? 400 : 384];
        BinaryPrimitives.WriteInt16LittleEndian(record.AsSpan(Type), isOver ? DeadProcess : UserProcess);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(ProcessId), login.ProcessId);
        Put(record, Line, LineRoom, login.Line);
        Put(record, Id, IdRoom, login.Line.Length > IdRoom ? login.Line[^IdRoom..] : login.Line);
        var (seconds, microseconds) = (time.ToUnixTimeSeconds(), (int)(time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond));
        var at = Session + (isWide ? 8 : 4);
        if (isWide)
        {
            BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(at), seconds);
            BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(at + 8), microseconds);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(at), unchecked((int)seconds));
            BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(at + 4), microseconds);
        }

        if (isOver)
        {
            return record;
        }

        Put(record, User, LineRoom, login.User);
        Put(record, Host, HostRoom, login.Address);
        if (IPAddress.TryParse(login.Address, out var address))
        {
            (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).TryWriteBytes(record.AsSpan(at + (isWide ? 16 : 8)), out _);
        }

        return record;
    }

    /// <summary>A struct lastlog.</summary>
    public static byte[] LastRecord(TerminalLogin login, DateTimeOffset time)
    {
        var record = new byte[LastSize];
        BinaryPrimitives.WriteUInt32LittleEndian(record, unchecked((uint)time.ToUnixTimeSeconds()));
        Put(record, LastLine, LineRoom, login.Line);
        Put(record, LastHost, HostRoom, login.Address);
        return record;
    }

    private static void Put(byte[] record, int at, int room, string text)
    {
        var bytes = OsText.Encode(text);
        bytes.AsSpan(0, Math.Min(bytes.Length, room)).CopyTo(record.AsSpan(at));
    }

    /// <summary>Writes the beginning or the end of a login. May wait: for a lock for as long as <see cref="LockLimit"/>, for the disk without end.</summary>
    /// <param name="login">The login.</param>
    /// <param name="isOver">It ends.</param>
    /// <param name="limit">Once cancelled, the terminal may be another login's.</param>
    /// <returns>False when a file is not there or was not to be had.</returns>
    public bool Write(TerminalLogin login, bool isOver, CancellationToken limit)
    {
        var time = DateTimeOffset.UtcNow;
        var record = Record(login, isOver, time, IsWide);

        // What needs no lock goes first: nobody can keep it from being written.
        var isWritten = Try(history, LibC.OpenWriteOnly | LibC.OpenAppend, file => Append(file, record));
        isWritten &= isOver || Try(last, LibC.OpenWriteOnly, file => WriteAt(file, LastRecord(login, time), login.Uid * (long)LastSize));
        return Try(now, LibC.OpenReadWrite, file => Put(file, record, isOver, limit)) && isWritten;
    }

    /// <summary>Opened without the runtime's own lock, which it would fail for when anybody else has one.</summary>
    private static SafeFileHandle Open(string path, int flags) => new(LibC.Open(path, flags | LibC.OpenCloseOnExec), ownsHandle: true);

    private static bool Try(string path, int flags, Func<SafeFileHandle, bool> write)
    {
        try
        {
            using var file = Open(path, flags);
            return !file.IsInvalid && write(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool WriteAt(SafeFileHandle file, ReadOnlySpan<byte> record, long place)
    {
        RandomAccess.Write(file, record, place);
        return true;
    }

    /// <summary>Adds to a file that is open for appending: the kernel does it as one. What a full disk left of a record goes first, or all that follow were out of place.</summary>
    private static bool Append(SafeFileHandle file, ReadOnlySpan<byte> record)
    {
        if (RandomAccess.GetLength(file) is var length && length % record.Length is > 0 and var rest)
        {
            RandomAccess.SetLength(file, length - rest);
        }

        return WriteAt(file, record, length);
    }

    /// <summary>Puts a record in the place of the terminal's last one, as pututxline(3) does, or at the end where there is none. A login that is over and has none is left out.</summary>
    private static bool Put(SafeFileHandle file, byte[] record, bool isOver, CancellationToken limit)
    {
        var isLocked = FileLock.TryTake(file, LockLimit);
        var place = Find(file, record, out var owner);
        if (limit.IsCancellationRequested && (!isOver || owner != BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(ProcessId))))
        {
            return false;
        }

        if (place is { } old)
        {
            // With or without the lock: nobody else has this terminal.
            return WriteAt(file, record, old);
        }

        // Two who add something at a time would take the same place.
        return !isOver && isLocked && WriteAt(file, record, RandomAccess.GetLength(file) / record.Length * record.Length);
    }

    /// <summary>Where the record of the same terminal is, and the process in it.</summary>
    private static long? Find(SafeFileHandle file, ReadOnlySpan<byte> wanted, out int owner)
    {
        const int atOnce = 64;
        var size = wanted.Length;
        var buffer = new byte[atOnce * size];
        int read;
        for (long place = 0; (read = RandomAccess.Read(file, buffer, place) / size * size) > 0; place += read)
        {
            for (var at = 0; at < read; at += size)
            {
                ReadOnlySpan<byte> record = buffer.AsSpan(at, size);
                if (BinaryPrimitives.ReadInt16LittleEndian(record[Type..]) is >= FirstWithId and <= DeadProcess && IsSame(record, wanted))
                {
                    owner = BinaryPrimitives.ReadInt32LittleEndian(record[ProcessId..]);
                    return place + at;
                }
            }
        }

        owner = 0;
        return null;
    }

    /// <summary>By what identifies a terminal, or by its name where a record has no such thing.</summary>
    private static bool IsSame(ReadOnlySpan<byte> record, ReadOnlySpan<byte> wanted) =>
        record[Id] != 0 && wanted[Id] != 0 ? record.Slice(Id, IdRoom).SequenceEqual(wanted.Slice(Id, IdRoom)) : record.Slice(Line, LineRoom).SequenceEqual(wanted.Slice(Line, LineRoom));
}
