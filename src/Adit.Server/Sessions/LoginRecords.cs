using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using Adit.Server.Processes;
using Adit.Server.Users;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Server.Sessions;

/// <summary>A login on a terminal, as the system's files have it.</summary>
/// <param name="User">The account.</param>
/// <param name="Uid">Its number.</param>
/// <param name="ProcessId">The session's program.</param>
/// <param name="Line">The terminal without "/dev/": "pts/3".</param>
/// <param name="Address">The client's numeric address.</param>
internal sealed record TerminalLogin(string User, uint Uid, int ProcessId, string Line, string Address);

/// <summary>Who logged in on which terminal and when (utmp(5), wtmp, lastlog), for who(1), last(1), lastlog(8) and "Last login". Files that are not there are not made. What cannot be written is
/// logged and does nobody any harm: any user can hold a lock that the C library waits for, so nothing here is waited for longer than <see cref="Limit"/>.</summary>
internal sealed partial class LoginRecords(string now, string history, string last)
{
    public const int LastSize = 292; // struct lastlog
    private const int LastLine = 4, LastHost = 36;
    private const short UserProcess = 7, DeadProcess = 8;
    private const int Type = 0, ProcessId = 4, Line = 8, Id = 40, User = 44, Host = 76, Session = 336, LineRoom = 32, IdRoom = 4, HostRoom = 256;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5), LockLimit = TimeSpan.FromSeconds(2);

    /// <summary>The C library has one current file and one place in it per process.</summary>
    private static readonly Lock Library = new();

    /// <summary>The system's own files; null where a record's layout is not known.</summary>
    public static LoginRecords? OfSystem { get; } =
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64 ? new("/var/run/utmp", "/var/log/wtmp", "/var/log/lastlog") : null;

    /// <summary>glibc on arm64 has 64-bit times in its struct utmpx; on x64 it shares 32-bit programs' files.</summary>
    private static bool IsWide => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>Records that a login begins.</summary>
    public Task BeginAsync(TerminalLogin login, ILogger logger) => WriteAsync(login, UserProcess, logger);

    /// <summary>Records that it is over.</summary>
    public Task EndAsync(TerminalLogin login, ILogger logger) => WriteAsync(login, DeadProcess, logger);

    /// <summary>sshd's line about the login before this one; empty when none is known. May wait for the disk.</summary>
    public string Notice(uint uid)
    {
        try
        {
            using var file = File.OpenHandle(last, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            var record = new byte[LastSize];
            return RandomAccess.Read(file, record, uid * (long)LastSize) == LastSize ? Notice(record) : "";
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

    private async Task WriteAsync(TerminalLogin login, short type, ILogger logger)
    {
        try
        {
            using var limit = new CancellationTokenSource(Limit);
            if (!await BlockingWork.RunOrLeaveAsync(() => Write(login, type == DeadProcess), limit.Token).ConfigureAwait(false))
            {
                logger.LogDebug("the login on {Line} is not in all of {Now}, {History} and {Last}", login.Line, now, history, last);
            }
        }
        catch (Exception problem) when (problem is OperationCanceledException or EntryPointNotFoundException)
        {
            logger.LogDebug("the login on {Line} cannot be recorded: {Problem}", login.Line, problem.Message);
        }
    }

    /// <summary>False when a file is not there or was not to be had.</summary>
    private unsafe bool Write(TerminalLogin login, bool isOver)
    {
        var time = DateTimeOffset.UtcNow;
        var record = Record(login, isOver, time, IsWide);
        var isWritten = isOver || WriteLast(login, time);
        if (!Library.TryEnter(LockLimit))
        {
            return false;
        }

        try
        {
            fixed (byte* entry = record)
            {
                isWritten &= SetFile(now) == 0;
                SetEntry();
                isWritten &= PutLine(entry) is not null;
                EndEntry();
                UpdateHistory(history, entry); // says nothing of how it went
            }
        }
        finally
        {
            Library.Exit();
        }

        return isWritten && File.Exists(history);
    }

    private bool WriteLast(TerminalLogin login, DateTimeOffset time)
    {
        try
        {
            using var file = File.OpenHandle(last, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(file, LastRecord(login, time), login.Uid * (long)LastSize);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "utmpxname", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetFile(string path);

    [LibraryImport("libc", EntryPoint = "setutxent")]
    private static partial void SetEntry();

    [LibraryImport("libc", EntryPoint = "endutxent")]
    private static partial void EndEntry();

    [LibraryImport("libc", EntryPoint = "pututxline")]
    private static unsafe partial byte* PutLine(byte* entry);

    [LibraryImport("libc", EntryPoint = "updwtmpx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial void UpdateHistory(string path, byte* entry);
}
