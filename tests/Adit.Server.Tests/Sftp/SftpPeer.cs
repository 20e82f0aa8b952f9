using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Sftp;

namespace Adit.Server.Tests.Sftp;

/// <summary>An SFTP server, ours on a thread or OpenSSH's as a process, and the two streams to it.</summary>
[SupportedOSPlatform("linux")]
internal sealed class SftpPeer : IAsyncDisposable
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly Stream _input, _output;
    private readonly Func<Task> _end;

    private SftpPeer(Stream input, Stream output, Task<int> status, Func<Task> end) => (_input, _output, Status, _end) = (input, output, status, end);

    /// <summary>What the process ends with.</summary>
    public Task<int> Status { get; }

    public static SftpPeer Ours(string home, string user, params string[] options) => Ours(null, home, user, options);

    /// <param name="limit">How many descriptors the process may have.</param>
    public static SftpPeer Ours(ulong? limit, string home, string user, params string[] options)
    {
        var ((input, toServer), (fromServer, output)) = (ProgramLauncher.CreatePipe(), ProgramLauncher.CreatePipe());
        var parsed = SftpOptions.Parse(options, user, home, 0);
        Assert.Null(parsed.End);
        var status = Task.Factory.StartNew(() =>
        {
            using (input)
            using (output)
            {
                return new SftpServer(parsed, new SftpLog(SshdLogLevel.Quiet, 2, isForServer: false), new SftpUsers(isInOtherRoot: false), user, home, "127.0.0.1", limit)
                    .Run((int)input.DangerousGetHandle(), (int)output.DangerousGetHandle());
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return new SftpPeer(new FileStream(toServer, FileAccess.Write, 0), new FileStream(fromServer, FileAccess.Read, 0), status, () => Task.CompletedTask);
    }

    public static SftpPeer Theirs(string program, params string[] options)
    {
        var process = Process.Start(new ProcessStartInfo(program, options) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        return new SftpPeer(process.StandardInput.BaseStream, process.StandardOutput.BaseStream, WaitAsync(process), () =>
        {
            process.Kill();
            process.Dispose();
            return Task.CompletedTask;
        });
    }

    public async Task SendAsync(byte[] bytes) => await _input.WriteAsync(bytes).AsTask().WaitAsync(Deadline);

    public void EndInput() => _input.Dispose();

    /// <summary>The next message without its length; null at the end.</summary>
    public async Task<byte[]?> ReceiveAsync()
    {
        var length = new byte[sizeof(int)];
        if (await _output.ReadAtLeastAsync(length, length.Length, throwOnEndOfStream: false).AsTask().WaitAsync(Deadline) < length.Length)
        {
            return null;
        }

        var message = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
        await _output.ReadExactlyAsync(message).AsTask().WaitAsync(Deadline);
        return message;
    }

    public async Task<SftpReply> AskAsync(byte[] message)
    {
        await SendAsync(message);
        return new SftpReply(await ReceiveAsync() ?? throw new EndOfStreamException("the server ended"));
    }

    public async ValueTask DisposeAsync()
    {
        await _input.DisposeAsync();
        await _output.DisposeAsync();
        await _end();
    }

    private static async Task<int> WaitAsync(Process process)
    {
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}

/// <summary>Messages of a client's.</summary>
internal static class SftpMessages
{
    public static byte[] Init { get; } = Of(1, UInt32(3));

    /// <summary>With its length.</summary>
    public static byte[] Of(byte type, params byte[][] fields)
    {
        byte[] body = [type, .. fields.SelectMany(field => field)];
        return [.. UInt32((uint)body.Length), .. body];
    }

    public static byte[] Request(byte type, params byte[][] fields) => Of(type, [UInt32(7), .. fields]);

    public static byte[] Extended(string name, params byte[][] fields) => Request(200, [String(name), .. fields]);

    public static byte[] UInt32(uint value)
    {
        var bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] UInt64(ulong value)
    {
        var bytes = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] String(byte[] text) => [.. UInt32((uint)text.Length), .. text];

    public static byte[] String(string text) => String(Encoding.UTF8.GetBytes(text));

    public static byte[] Handle(uint number) => String(UInt32(number));

    public static byte[] NoAttributes { get; } = UInt32(0);

    public static byte[] Mode(uint mode) => [.. UInt32(4), .. UInt32(mode)];
}

/// <summary>A server's message, and how it is compared: times of this year and the order of names are nobody's, nor what is above the folder.</summary>
internal sealed class SftpReply(byte[] message)
{
    private const uint LatestFixedTime = 1_700_000_000;

    public byte[] Message => message;

    public byte Type => message[0];

    /// <summary>Of a status.</summary>
    public SftpStatus Status => Type == 101 ? (SftpStatus)BinaryPrimitives.ReadUInt32BigEndian(message.AsSpan(5)) : SftpStatus.Ok;

    /// <summary>Of data, or a handle.</summary>
    public byte[] Data => message[9..];

    public List<(byte[] Name, string LongName, string Attributes)> Names
    {
        get
        {
            var reader = new SftpReader(message.AsSpan(5));
            var names = new List<(byte[], string, string)>();
            for (var count = reader.UInt32(); count > 0; count--)
            {
                names.Add((reader.String().ToArray(), Encoding.Latin1.GetString(reader.String()), Show(reader.Attributes())));
            }

            return names;
        }
    }

    /// <param name="root">The server's own folder, which is not in the text.</param>
    public string Show(string root)
    {
        var shown = Type switch
        {
            105 => "attributes " + ShowAttributes(),
            104 => "names " + string.Join('\n', Names.Where(name => !name.Name.AsSpan().SequenceEqual(".."u8)).OrderBy(name => Convert.ToHexString(name.Name), StringComparer.Ordinal).Select(name => $"{Encoding.Latin1.GetString(name.Name)} {WithoutTime(name.LongName)} {name.Attributes}")),
            201 when message.Length == 5 + (11 * 8) => "file system " + Convert.ToHexString(message.AsSpan(5, 16)) + Convert.ToHexString(message.AsSpan(5 + 64)),
            _ => Type + " " + Encoding.Latin1.GetString(message.AsSpan(1)),
        };
        return shown.Replace(root, "ROOT", StringComparison.Ordinal);
    }

    private string ShowAttributes() => Show(new SftpReader(message.AsSpan(5)).Attributes());

    private static string WithoutTime(string longName) => System.Text.RegularExpressions.Regex.Replace(longName, " [A-Z][a-z]{2} [ 0-9]{2} ([0-9:]{5}| [0-9]{4}) ", " TIME ");

    private static string Show(SftpAttributes attributes) =>
        $"{attributes.Flags:x} {attributes.Size} {attributes.Uid} {attributes.Gid} {Convert.ToString(attributes.Mode, 8)} {Fixed(attributes.Accessed)} {Fixed(attributes.Modified)}";

    private static uint Fixed(uint time) => time > LatestFixedTime ? 1 : time;
}
