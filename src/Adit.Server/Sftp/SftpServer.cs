using System.Buffers.Binary;
using System.Runtime.Versioning;
using Adit.Server.Configuration;
using Adit.Server.Processes;

namespace Adit.Server.Sftp;

/// <summary>An SFTP server (draft-ietf-secsh-filexfer-02, version 3, and the extensions of OpenSSH 9.2's sftp-server) on two descriptors: one request after another, with the rights of the process.
/// In the steady state nothing is allocated. A client that breaks the protocol ends its session.</summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SftpServer
{
    private const int LengthSize = 4, InputRoom = 2 * SftpReplies.MostMessage;
    private const uint OurVersion = 3;
    private const int BadLength = 11, BadMessage = byte.MaxValue;
    private const int OpenFiles = 7; // RLIMIT_NOFILE
    private const int OwnFiles = 5;

    private readonly SftpOptions _options;
    private readonly SftpLog _log;
    private readonly string _who;
    private readonly SftpReplies _replies;
    private readonly SftpFileRequests _files;
    private readonly SftpPathRequests _paths;
    private readonly SftpNameRequests _names;
    private readonly byte[] _input = GC.AllocateUninitializedArray<byte>(InputRoom + LengthSize, pinned: true);
    private int _start, _end;
    private bool _isReady;

    /// <param name="options">How it was configured.</param>
    /// <param name="log">What it tells.</param>
    /// <param name="users">Names.</param>
    /// <param name="user">Who is logged in.</param>
    /// <param name="home">The user's home folder.</param>
    /// <param name="client">The client's address.</param>
    /// <param name="limit">How many descriptors the process may have; null for what the system says.</param>
    public SftpServer(SftpOptions options, SftpLog log, SftpUsers users, string user, string home, string client, ulong? limit = null)
    {
        var (handles, paths) = (new SftpHandles(limit ?? DescriptorLimit()), new SftpPaths());
        _replies = new SftpReplies(log);
        (_options, _log, _who) = (options, log, $"local user {Ssh.Wire.PeerText.Escape(user, 100)} from [{client}]");
        _files = new SftpFileRequests(_replies, handles, log);
        _paths = new SftpPathRequests(_replies, handles, log, paths, options.IsReadOnly);
        _names = new SftpNameRequests(_replies, handles, log, paths, users, OsText.Encode(home));
    }

    /// <summary>Serves until the client is done. Returns the process's status, sftp-server's.</summary>
    public int Run(int input, int output)
    {
        _log.Write(SshdLogLevel.Info, $"session opened for {_who}");
        _ = ProcessCalls.Control(output, ProcessCalls.SetStatusFlags, ProcessCalls.Control(output, ProcessCalls.GetStatusFlags, 0) | ProcessCalls.OpenNonBlocking);
        _files.Client = output;
        var status = Serve(input, output);
        _files.End();
        _log.Write(SshdLogLevel.Info, $"session closed for {_who}");
        return status;
    }

    private int Serve(int input, int output)
    {
        var polled = stackalloc ProcessCalls.PollRequest[2];
        while (true)
        {
            var status = HandleAll();
            if (status is not null && _replies.IsEmpty)
            {
                return status.Value;
            }

            // A client may send more before it reads: as long as there is room for replies it is heard.
            polled[0] = new ProcessCalls.PollRequest { Descriptor = status is null && _replies.HasRoom ? input : -1, Events = PollEvents.Readable };
            polled[1] = new ProcessCalls.PollRequest { Descriptor = _replies.IsEmpty ? -1 : output, Events = PollEvents.Writable };
            if (ProcessCalls.Poll(polled, 2, -1) < 0)
            {
                if (SftpCalls.Error == SftpCalls.Interrupted)
                {
                    continue;
                }

                return 2;
            }

            if (polled[1].Happened != 0 && Send(output) is { } failed)
            {
                return failed;
            }

            if (polled[0].Happened != 0 && Receive(input) is { } ended)
            {
                return SendRest(output, ended);
            }
        }
    }

    private int SendRest(int output, int status)
    {
        while (!_replies.IsEmpty)
        {
            var polled = new ProcessCalls.PollRequest { Descriptor = output, Events = PollEvents.Writable };
            if (ProcessCalls.Poll(&polled, 1, -1) < 0 ? SftpCalls.Error != SftpCalls.Interrupted : Send(output) is not null)
            {
                break;
            }
        }

        return status;
    }

    /// <summary>Null to go on.</summary>
    private int? Receive(int input)
    {
        if (InputRoom + LengthSize - _end < SftpReplies.MostMessage / 2 || _start == _end)
        {
            Buffer.BlockCopy(_input, _start, _input, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }

        nint count;
        fixed (byte* room = &_input[_end])
        {
            count = SftpCalls.Read(input, room, (nuint)(_input.Length - _end));
        }

        if (count < 0)
        {
            return SftpCalls.Error is SftpCalls.Interrupted or SftpCalls.TryAgain ? null : 1;
        }

        _end += (int)count;
        return count == 0 ? 0 : null;
    }

    /// <summary>Null to go on.</summary>
    private int? Send(int output)
    {
        nint count;
        fixed (byte* pending = _replies.Pending)
        {
            count = SftpCalls.Write(output, pending, (nuint)_replies.Pending.Length);
        }

        if (count < 0)
        {
            return SftpCalls.Error switch
            {
                SftpCalls.Interrupted or SftpCalls.TryAgain => null,
                SftpCalls.BrokenPipe => 0,
                _ => 1,
            };
        }

        _replies.Sent((int)count);
        return null;
    }

    /// <summary>All requests that are there, as far as there is room for replies. Null to go on, or the status to end with.</summary>
    private int? HandleAll()
    {
        while (_end - _start >= LengthSize && _replies.HasRoom)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(_input.AsSpan(_start));
            if (length is 0 or > SftpReplies.MostMessage)
            {
                _log.Write(SshdLogLevel.Error, $"bad message of {length} bytes for {_who}");
                return length == 0 ? BadMessage : BadLength;
            }

            if (_end - _start - LengthSize < length)
            {
                return null;
            }

            var message = _input.AsSpan(_start + LengthSize, (int)length);
            _start += LengthSize + (int)length;
            if (!Handle(message))
            {
                return BadMessage;
            }
        }

        return null;
    }

    /// <summary>False where the session has to end.</summary>
    private bool Handle(ReadOnlySpan<byte> message)
    {
        var reader = new SftpReader(message);
        var type = reader.Byte();
        var id = reader.UInt32();
        if (reader.IsBad)
        {
            return Refuse($"message {type} is too short");
        }

        if (type == SftpRequest.Init)
        {
            Greet(id);
            return true;
        }

        if (!_isReady)
        {
            return Refuse($"Received {type} request before init");
        }

        var extension = type == SftpRequest.Extended ? reader.Name() : default;
        if (reader.IsBad)
        {
            return Refuse("an extended request without a name");
        }

        var request = type == SftpRequest.Extended ? SftpRequest.OfExtension(extension) : SftpRequest.OfType(type);
        if (request is null)
        {
            Decline(id, type, extension);
            return true;
        }

        if (!_options.Permits(request, out var why))
        {
            _log.Write(SshdLogLevel.Verbose, why!);
            _replies.Status(id, SftpStatus.PermissionDenied);
            return true;
        }

        return (request.Extension is null ? Answer(type, ref reader, id) : AnswerExtended(request.Name, ref reader, id)) || Refuse($"a {request.Name} request that is not well-formed");
    }

    private void Greet(uint version)
    {
        _isReady = true;
        _replies.Version = version;
        _log.Write(SshdLogLevel.Verbose, $"received client version {version}");
        _replies.BeginVersion(OurVersion);
        foreach (var request in SftpRequest.All)
        {
            if (request.Extension is { } extension && _options.Permits(request, out _))
            {
                _replies.Add(extension);
                _replies.Add(request.Version);
            }
        }

        _replies.End();
    }

    /// <summary>An unknown extension is answered; an unknown message is not, as with sftp-server.</summary>
    private void Decline(uint id, byte type, ReadOnlySpan<byte> extension)
    {
        if (type == SftpRequest.Extended)
        {
            _log.Write(SshdLogLevel.Error, $"Unknown extended request \"{Ssh.Wire.PeerText.Escape(OsText.Decode(extension[..Math.Min(extension.Length, 100)]), 100)}\"");
            _replies.Status(id, SftpStatus.Unsupported);
        }
        else
        {
            _log.Write(SshdLogLevel.Error, $"Unknown message {type}");
        }
    }

    private bool Answer(byte type, ref SftpReader reader, uint id) => type switch
    {
        SftpRequest.Open => _paths.Open(ref reader, id),
        SftpRequest.Close => _files.Close(ref reader, id),
        SftpRequest.Read => _files.Read(ref reader, id),
        SftpRequest.Write => _files.Write(ref reader, id),
        SftpRequest.LinkStatus => _paths.Status(ref reader, id, followsLinks: false),
        SftpRequest.FileStatus => _files.Status(ref reader, id),
        SftpRequest.SetStatus => _paths.SetStatus(ref reader, id, followsLinks: true),
        SftpRequest.SetFileStatus => _files.SetStatus(ref reader, id),
        SftpRequest.OpenFolder => _paths.OpenFolder(ref reader, id),
        SftpRequest.ReadFolder => _names.ReadFolder(ref reader, id),
        SftpRequest.Remove => _paths.Remove(ref reader, id),
        SftpRequest.MakeFolder => _paths.MakeFolder(ref reader, id),
        SftpRequest.RemoveFolder => _paths.RemoveFolder(ref reader, id),
        SftpRequest.RealPath => _names.RealPath(ref reader, id),
        SftpRequest.Status => _paths.Status(ref reader, id, followsLinks: true),
        SftpRequest.Rename => _paths.Rename(ref reader, id),
        SftpRequest.ReadLink => _paths.ReadLink(ref reader, id),
        _ => _paths.MakeLink(ref reader, id),
    };

    private bool AnswerExtended(string name, ref SftpReader reader, uint id) => name switch
    {
        "posix-rename" => _paths.Replace(ref reader, id),
        "statvfs" => _paths.FileSystem(ref reader, id),
        "fstatvfs" => _files.FileSystem(ref reader, id),
        "hardlink" => _paths.MakeHardLink(ref reader, id),
        "fsync" => _files.Flush(ref reader, id),
        "lsetstat" => _paths.SetStatus(ref reader, id, followsLinks: false),
        "limits" => Limits(id),
        "expand-path" => _names.Expand(ref reader, id),
        "copy-data" => _files.Copy(ref reader, id),
        "home-directory" => _names.HomeFolder(ref reader, id),
        _ => _names.UsersAndGroups(ref reader, id),
    };

    private bool Limits(uint id)
    {
        var files = DescriptorLimit();
        _replies.BeginExtended(id);
        _replies.Add((ulong)SftpReplies.MostMessage);
        _replies.Add((ulong)SftpReplies.MostData);
        _replies.Add((ulong)SftpReplies.MostData);
        _replies.Add(files > OwnFiles ? files - OwnFiles : 0);
        _replies.End();
        return true;
    }

    private static ulong DescriptorLimit()
    {
        var files = stackalloc ulong[2];
        return SftpCalls.Limit(OpenFiles, files) == 0 ? files[0] : 0;
    }

    private bool Refuse(string why)
    {
        _log.Write(SshdLogLevel.Fatal, why);
        return false;
    }

    private static class PollEvents
    {
        public const short Readable = 1, Writable = 4; // POLLIN, POLLOUT
    }
}
