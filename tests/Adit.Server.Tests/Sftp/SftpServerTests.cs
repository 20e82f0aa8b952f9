using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Sftp;
using Adit.Server.Tests.Support;
using static Adit.Server.Tests.Sftp.SftpMessages;

namespace Adit.Server.Tests.Sftp;

[SupportedOSPlatform("linux")]
public class SftpServerTests
{
    private const byte HandleType = 102, DataType = 103;

    // As with any program: what was asked for before the end of input is done and answered.
    [Fact]
    public async Task EverythingThatWasAskedForIsAnsweredBeforeTheEnd()
    {
        using var folder = new TempFolder();
        await using var peer = SftpPeer.Ours("/", "alice");
        var piece = new byte[32 * 1024];
        byte[] open = Request(3, String(folder["file"]), UInt32(2 | 8), NoAttributes);
        await peer.SendAsync([.. Init, .. open]);
        Assert.NotNull(await peer.ReceiveAsync());
        Assert.Equal(HandleType, (await peer.ReceiveAsync())![0]);
        const int count = 40;
        var sending = SendAllAsync();
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(SftpStatus.Ok, new SftpReply((await peer.ReceiveAsync())!).Status);
        }

        await sending;
        Assert.Null(await peer.ReceiveAsync());
        Assert.Equal(0, await peer.Status.WaitAsync(SftpPeer.Deadline));
        Assert.Equal(count * piece.Length, new FileInfo(folder["file"]).Length);

        async Task SendAllAsync()
        {
            for (var i = 0; i < count; i++)
            {
                await peer.SendAsync(Request(6, Handle(0), UInt64((ulong)(i * piece.Length)), String(piece)));
            }

            peer.EndInput();
        }
    }

    // A client that asks for much before it reads any of it: replies wait within bounds, and none is lost.
    [Fact]
    public async Task RepliesWaitForASlowReader()
    {
        using var folder = new TempFolder();
        var content = new byte[200_000];
        new Random(5).NextBytes(content);
        await File.WriteAllBytesAsync(folder["file"], content);
        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.SendAsync([.. Init, .. Request(3, String(folder["file"]), UInt32(1), NoAttributes)]);
        await peer.ReceiveAsync();
        await peer.ReceiveAsync();
        const int count = 60;
        for (var i = 0; i < count; i++)
        {
            await peer.SendAsync(Request(5, Handle(0), UInt64(0), UInt32(200_000)));
        }

        for (var i = 0; i < count; i++)
        {
            var reply = new SftpReply((await peer.ReceiveAsync())!);
            Assert.Equal(DataType, reply.Type);
            Assert.True(content.AsSpan().SequenceEqual(reply.Data));
        }
    }

    [Fact]
    public async Task NamesAreBytes()
    {
        using var folder = new TempFolder();
        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        byte[] name = [0xFF, (byte)'a', 0xC3, (byte)'\n', 0x80], path = [.. Encoding.UTF8.GetBytes(folder.Path + "/"), .. name];
        Assert.Equal(HandleType, (await peer.AskAsync(Request(3, String(path), UInt32(2 | 8), NoAttributes))).Type);
        Assert.Equal(HandleType, (await peer.AskAsync(Request(11, String(folder.Path)))).Type);
        Assert.Contains((await peer.AskAsync(Request(12, Handle(1)))).Names, entry => entry.Name.AsSpan().SequenceEqual(name));
        Assert.Equal(SftpStatus.Ok, (await peer.AskAsync(Request(13, String(path)))).Status);
    }

    [Fact]
    public async Task AFolderOfManyEntriesComesInPieces()
    {
        using var folder = new TempFolder();
        for (var i = 0; i < 1234; i++)
        {
            folder.Write($"{new string('n', 200)}{i}", "");
        }

        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        await peer.AskAsync(Request(11, String(folder.Path)));
        var names = new HashSet<string>();
        while (await peer.AskAsync(Request(12, Handle(0))) is { Type: 104 } reply)
        {
            Assert.InRange(reply.Names.Count, 1, 100);
            Assert.All(reply.Names, entry => Assert.True(names.Add(Encoding.UTF8.GetString(entry.Name))));
        }

        Assert.Equal(1234 + 2, names.Count);
    }

    // A client may open what the process has descriptors for, and is told when there are no more.
    [Fact]
    public async Task HandlesThatWereClosedAreGivenOutAgain()
    {
        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        byte[] open = Request(3, String("/dev/null"), UInt32(1), NoAttributes);
        for (var i = 0; i < 20_000; i++)
        {
            Assert.Equal(UInt32(0), (await peer.AskAsync(open)).Data);
            Assert.Equal(SftpStatus.Ok, (await peer.AskAsync(Request(4, Handle(0)))).Status);
        }
    }

    // A process without a descriptor left dies as soon as its runtime needs one.
    [Fact]
    public async Task TheLastDescriptorsAreNotForClients()
    {
        await using var peer = SftpPeer.Ours(10, "/", "alice");
        await peer.AskAsync(Init);
        Assert.Equal(SftpStatus.Failure, (await peer.AskAsync(Request(3, String("/dev/null"), UInt32(1), NoAttributes))).Status);
        Assert.Equal(SftpStatus.Failure, (await peer.AskAsync(Request(11, String("/dev")))).Status);
        Assert.Equal(SftpStatus.NoSuchFile, (await peer.AskAsync(Request(4, Handle(0)))).Status);
    }

    // A file without an end would be copied for as long as the machine runs.
    [Fact]
    public async Task ACopyEndsWithItsClient()
    {
        var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        await peer.AskAsync(Request(3, String("/dev/zero"), UInt32(1), NoAttributes));
        await peer.AskAsync(Request(3, String("/dev/null"), UInt32(2), NoAttributes));
        await peer.SendAsync(Extended("copy-data", Handle(0), UInt64(0), UInt64(0), Handle(1), UInt64(0)));
        await peer.DisposeAsync();
        await peer.Status.WaitAsync(SftpPeer.Deadline);
    }

    // The rest is names of files, which the C library opens whoever may read them, devices and pipes too.
    [Theory]
    [InlineData(null, true)]
    [InlineData("", true)]
    [InlineData("UTC", true)]
    [InlineData(":Europe/Berlin", true)]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3", true)]
    [InlineData("<+03>-3", true)]
    [InlineData("/etc/localtime", false)]
    [InlineData(":/etc/localtime", false)]
    [InlineData("../../../dev/tty", false)]
    [InlineData("Europe/../../x", false)]
    public void ATimeZoneIsOneOfTheSystems(string? name, bool isOne) => Assert.Equal(isOne, SftpProcess.IsNameOfTimeZone(name));

    // Names that nobody has are answered without a name, and no answer is longer than a message may be.
    [Fact]
    public async Task ManyUsersAtOnceAreRefused()
    {
        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        var reply = await peer.AskAsync(Extended("users-groups-by-id@openssh.com", String(new byte[240_000]), String([])));
        Assert.Equal(SftpStatus.Failure, reply.Status);
    }

    // Whatever is sent: an answer or the end of the session, and nothing thrown. Names begin with a folder that is not there, and a name that is cut short is none.
    [Fact]
    public async Task AnySequenceOfBytesIsAnsweredOrEndsTheSession()
    {
        var random = new Random(20261128);
        for (var session = 0; session < 150; session++)
        {
            await using var peer = SftpPeer.Ours("/", "alice");
            var reading = ReadAllAsync(peer);
            try
            {
                await peer.SendAsync(Init);
                for (var i = 0; i < 200; i++)
                {
                    await peer.SendAsync(Twist(random));
                }
            }
            catch (IOException)
            {
                // It has ended the session.
            }

            peer.EndInput();
            Assert.Contains(await peer.Status.WaitAsync(SftpPeer.Deadline), (int[])[0, 11, 255]);
            await reading.WaitAsync(SftpPeer.Deadline);
        }
    }

    [Theory]
    [InlineData("", null, 0)]
    [InlineData("-R -e -l VERBOSE -u 077", null, 0)]
    [InlineData("-Re -lINFO", null, 0)]
    [InlineData("-d /up/%u", null, 0)]
    [InlineData("-x", "usage: ", 1)]
    [InlineData("-h", "usage: ", 1)]
    [InlineData("-d", "usage: ", 1)]
    [InlineData("-u 1777", "Invalid umask \"1777\"", 255)]
    [InlineData("-u 8", "Invalid umask \"8\"", 255)]
    [InlineData("-l LOUD", "Invalid log level \"LOUD\"", 1)]
    [InlineData("-f NOWHERE", "Invalid log facility \"NOWHERE\"", 1)]
    [InlineData("-Q requests", "open\nclose\n", 0)]
    [InlineData("-Q else", "Invalid query type", 1)]
    [InlineData("-p open -p close", "Permitted requests already set", 255)]
    public void OptionsAreThoseOfSftpServer(string words, string? said, int status)
    {
        var options = SftpOptions.Parse(words.Split(' ', StringSplitOptions.RemoveEmptyEntries), "alice", "/home/alice", 1000);
        Assert.StartsWith(said ?? "", options.End ?? "", StringComparison.Ordinal);
        Assert.Equal((said is null, status), (options.End is null, options.EndStatus));
    }

    [Fact]
    public void TheStartFolderMayNameUserAndHome()
    {
        Assert.Equal("/up/alice/%/home/alice", SftpOptions.Parse(["-d", "/up/%u/%%%d"], "alice", "/home/alice", 1000).StartFolder);
        Assert.Equal("/home/alice/x", SftpOptions.Parse(["-d", "~/x"], "alice", "/home/alice", 1000).StartFolder);
    }

    // What a helper says is an SFTP session's log or a fault of its own.
    [Fact]
    public void TheServerTellsALogFromAFault()
    {
        var log = new CapturingLogger();
        var lines = new SftpLogLines(log);
        Assert.True(lines.Takes("\u0001Iinternal-sftp[1]: open \"a"u8));
        Assert.True(lines.Takes("\u001b\"\n\u0001Einternal-sftp[1]: no\nforged\n"u8));
        Assert.Contains("internal-sftp[1]: open \"a\\033\"", log.Lines);
        Assert.Contains("internal-sftp[1]: no", log.Errors);
        Assert.DoesNotContain(log.Lines, line => line.Contains("forged", StringComparison.Ordinal));
        Assert.False(new SftpLogLines(log).Takes("setresuid: no"u8));
    }

    // What happens ahead of a change of the root folder changes nothing, and can be done by anybody.
    [Fact]
    public void TheRehearsalEnds() => SftpProcess.Rehearse();

    // Behind a change of the root folder a folder that was opened before it leads out.
    [Fact]
    public async Task NothingStaysOpen()
    {
        using var folder = new TempFolder();
        await using var peer = SftpPeer.Ours("/", "alice");
        await peer.AskAsync(Init);
        Assert.Equal(HandleType, (await peer.AskAsync(Request(11, String(folder.Path)))).Type);
        Assert.Equal(HandleType, (await peer.AskAsync(Request(3, String(folder["file"]), UInt32(2 | 8), NoAttributes))).Type);
        Assert.Equal(2, CountOpen());
        peer.EndInput();
        await peer.Status.WaitAsync(SftpPeer.Deadline);
        Assert.Equal(0, CountOpen());

        int CountOpen() => Directory.GetFileSystemEntries("/proc/self/fd").Count(descriptor => new FileInfo(descriptor).LinkTarget?.StartsWith(folder.Path, StringComparison.Ordinal) == true);
    }

    private static async Task ReadAllAsync(SftpPeer peer)
    {
        while (await peer.ReceiveAsync() is not null)
        {
        }
    }

    private static byte[] Twist(Random random)
    {
        byte[] name = [.. "/no-such-folder-of-anybody/"u8, .. Noise(random, random.Next(40))];
        byte[] fields = random.Next(6) switch
        {
            0 => [.. String(name), .. Noise(random, random.Next(60))],
            1 => [.. String(name), .. String(name), .. Noise(random, random.Next(30))],
            2 => [.. Handle((uint)random.Next(3)), .. Noise(random, random.Next(60))],
            3 => [.. String("copy-data@openssh.com"), .. Noise(random, 40)],
            4 => [.. String(SftpRequest.All[random.Next(18, SftpRequest.All.Length)].Extension!), .. String(name), .. String(name), .. Noise(random, 20)],
            _ => [0xFF, 0xFF, .. Noise(random, random.Next(20))], // a length that no message has
        };
        var message = Request((byte)(random.Next(10) == 0 ? random.Next(256) : random.Next(3, 21)), fields);
        if (random.Next(8) == 0)
        {
            message = message[..random.Next(1, message.Length)];
        }

        return message;
    }

    private static byte[] Noise(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
