using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Sftp;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using static Adit.Server.Tests.Sftp.SftpMessages;

namespace Adit.Server.Tests.Sftp;

/// <summary>The same requests to OpenSSH's sftp-server and to ours, in equal folders, get the same replies.</summary>
[SupportedOSPlatform("linux")]
public class SftpComparisonTests
{
    private const string Program = "/usr/lib/openssh/sftp-server";

    [TheoryNeeding(Program)]
    [InlineData("")]
    [InlineData("-R")]
    [InlineData("-P open,rename,statvfs,symlink")]
    [InlineData("-p open,close,read,stat,lstat,realpath,opendir,readdir,limits")]
    public Task WrittenRequestsGetTheSameReplies(string options) => CompareAsync(root => Written(root), options);

    [TheoryNeeding(Program)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task RandomRequestsGetTheSameReplies(int seed) => CompareAsync(root => Made(root, new Random(seed), 1500), "");

    // A version before 3 gets no texts; extensions are for everybody.
    [FactNeeding(Program)]
    public Task AnOldClientIsAnsweredAlike() => CompareAsync(root => [Request(17, String(root + "/none")), Extended("limits@openssh.com")], "", Of(1, UInt32(2)));

    [TheoryNeeding(Program)]
    [InlineData(new byte[] { 0, 4, 0, 1, 5 }, 11)]
    [InlineData(new byte[] { 255, 255, 255, 255, 5 }, 11)]
    [InlineData(new byte[] { 0, 0, 0, 5, 17, 0, 0, 0, 1 }, 255)]
    [InlineData(new byte[] { 0, 0, 0, 0, 1 }, 255)]
    [InlineData(new byte[] { 0, 0, 0, 9, 17, 0, 0, 0, 1, 255, 255, 255, 255, 1 }, 255)]
    [InlineData(new byte[] { 0, 0, 0, 12, 17, 0, 0, 0, 1, 0, 0, 0, 3, 65, 0, 65 }, 255)]
    public async Task WhatBreaksTheProtocolEndsBothAlike(byte[] message, int status)
    {
        foreach (var peer in Both("/", ""))
        {
            await using (peer)
            {
                await peer.AskAsync(Init);
                await peer.SendAsync(message);
                Assert.Equal(status, await peer.Status.WaitAsync(SftpPeer.Deadline));
            }
        }
    }

    [FactNeeding(Program)]
    public async Task NothingIsServedBeforeTheVersion()
    {
        foreach (var peer in Both("/", ""))
        {
            await using (peer)
            {
                await peer.SendAsync(Request(17, String("/")));
                Assert.Equal(255, await peer.Status.WaitAsync(SftpPeer.Deadline));
                Assert.Null(await peer.ReceiveAsync());
            }
        }
    }

    private static IEnumerable<SftpPeer> Both(string home, string options)
    {
        var words = options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var account = new SystemUsers().Find(LibC.GetEffectiveUserId())!;
        yield return SftpPeer.Theirs(Program, words);
        yield return SftpPeer.Ours(home.Length > 1 ? home : account.HomeDirectory, account.Name, words);
    }

    private static async Task CompareAsync(Func<string, IEnumerable<byte[]>> requests, string options, byte[]? init = null)
    {
        var all = new List<List<string>>();
        foreach (var peer in Both("/", options))
        {
            await using (peer)
            {
                using var folder = new TempFolder();
                var root = Prepare(folder);
                var replies = new List<string>();
                await peer.SendAsync(init ?? Init);
                replies.Add(Convert.ToHexString((await peer.ReceiveAsync())!));
                foreach (var request in requests(root))
                {
                    replies.Add($"{replies.Count}: {request[4]} {Encoding.Latin1.GetString(request.AsSpan(9)).Replace(root, "ROOT", StringComparison.Ordinal)} => {Comparable(request, await peer.AskAsync(request), root)}");
                }

                peer.EndInput();
                Assert.Equal(0, await peer.Status.WaitAsync(SftpPeer.Deadline));
                all.Add(replies);
                Commands.Run("/usr/bin/find", root, "-mindepth", "1", "-delete"); // names that are no text are none for .NET
            }
        }

        for (var i = 0; i < all[0].Count; i++)
        {
            Assert.Equal(all[0][i], all[1][i]);
        }
    }

    /// <summary>Theirs calls it a success when a copy ends ahead of the length that was asked for, unless 64 KiB and more were left.</summary>
    private static string Comparable(byte[] request, SftpReply reply, string root) =>
        reply.Status == SftpStatus.EndOfFile && request.AsSpan().IndexOf("copy-data"u8) > 0 ? new SftpReply([101, 0, 0, 0, 7, 0, 0, 0, 0, .. String("Success"), .. String("")]).Show(root) : reply.Show(root);

    /// <summary>A folder with some of everything.</summary>
    private static string Prepare(TempFolder folder)
    {
        folder.Write("file", "some text\n");
        folder.Write("folder/inner", new string('x', 100_000));
        File.CreateSymbolicLink(folder["link"], "file");
        File.CreateSymbolicLink(folder["loop"], "loop");
        File.CreateSymbolicLink(folder["dangling"], "folder/none");
        File.CreateSymbolicLink(folder["folder/up"], "../file");
        File.CreateSymbolicLink(folder["there"], folder["folder"]);
        File.SetUnixFileMode(folder["file"], (UnixFileMode)0b111_110_100_001);
        return folder.Path;
    }

    private static IEnumerable<byte[]> Written(string root)
    {
        byte[] name(string path) => String(root + path);
        byte[] open(string path, uint flags) => Request(3, name(path), UInt32(flags), NoAttributes);
        var zero = UInt64(0);
        foreach (var path in new[] { "/file", "/link", "/loop", "/dangling", "/none", "/none/none", "/file/x", "/folder", "/", "/" + new string('n', 256), "/" + new string('p', 5000), "/folder/../file", "/there/up", "/there/", "/file/" })
        {
            foreach (var type in new byte[] { 7, 17, 16, 19 })
            {
                yield return Request(type, name(path));
            }

            yield return Extended("expand-path@openssh.com", name(path));
            yield return Extended("statvfs@openssh.com", name(path));
        }

        foreach (var path in new[] { "", "~nobody-of-that-name", "~root", "~root/x" })
        {
            yield return Extended("expand-path@openssh.com", String(path));
        }

        yield return Request(16, String("/../.."));
        yield return Request(17, String(""));
        yield return Request(17, [0, 0, 0, 2, (byte)'/', 0]);
        yield return open("/file", 1);
        yield return Request(5, Handle(0), zero, UInt32(5));
        yield return Request(5, Handle(0), zero, UInt32(0));
        yield return Request(5, Handle(0), UInt64(5), UInt32(uint.MaxValue));
        yield return Request(5, Handle(0), UInt64(10), UInt32(10));
        yield return Request(5, Handle(0), UInt64(ulong.MaxValue), UInt32(10));
        yield return Request(5, Handle(0), UInt64(long.MaxValue), UInt32(10));
        yield return Request(6, Handle(0), zero, String("not open for writing"));
        yield return Request(8, Handle(0));
        yield return Extended("fsync@openssh.com", Handle(0));
        yield return Extended("fstatvfs@openssh.com", Handle(0));
        yield return open("/new", 2 | 8 | 0x20);
        yield return open("/new", 2 | 8 | 0x20);
        yield return Request(6, Handle(1), UInt64(3), String("abc"));
        yield return Request(6, Handle(1), zero, String(""));
        yield return Request(6, Handle(1), UInt64(ulong.MaxValue), String("x"));
        yield return Request(6, Handle(1), UInt64(1UL << 62), String("x"));
        yield return Request(5, Handle(1), zero, UInt32(10));
        yield return Request(10, Handle(1), UInt32(13), UInt64(4), UInt32(416), UInt32(1000), UInt32(2000));
        yield return Request(8, Handle(1));
        yield return Extended("copy-data", Handle(0), zero, zero, Handle(1), UInt64(2));
        yield return Extended("copy-data", Handle(0), UInt64(2), UInt64(3), Handle(1), zero);
        yield return Extended("copy-data", Handle(0), UInt64(2), UInt64(300), Handle(1), zero);
        yield return Extended("copy-data", Handle(1), zero, zero, Handle(0), zero);
        yield return Extended("copy-data", Handle(1), zero, zero, Handle(1), zero);
        yield return Extended("copy-data", Handle(9), zero, zero, Handle(1), zero);
        yield return Request(4, Handle(0));
        yield return Request(4, Handle(0));
        yield return open("/new", 3 | 4);
        yield return Request(6, Handle(0), UInt64(0), String("at the end"));
        yield return Request(5, Handle(0), zero, UInt32(100));
        foreach (var type in new byte[] { 4, 8, 12 })
        {
            yield return Request(type, Handle(77));
            yield return Request(type, String("a handle that is none"));
            yield return Request(type, String(""));
        }

        yield return Request(11, name("/none"));
        yield return Request(11, name("/file"));
        yield return Request(11, name("/"));
        yield return Request(12, Handle(2));
        yield return Request(12, Handle(2));
        yield return Request(8, Handle(2));
        yield return Request(5, Handle(2), zero, UInt32(1));
        yield return Request(12, Handle(0));
        yield return Extended("fsync@openssh.com", Handle(2));
        yield return Request(4, Handle(2));
        yield return Request(4, Handle(1));
        yield return Request(14, name("/made"), Mode(0x1ED));
        yield return Request(14, name("/made"), NoAttributes);
        yield return Request(14, name("/made/too"), NoAttributes);
        yield return Request(15, name("/made"));
        yield return Request(13, name("/made"));
        yield return Request(18, name("/file"), name("/link"));
        yield return Request(18, name("/file"), name("/made/file"));
        yield return Request(18, name("/made"), name("/folder"));
        yield return Request(18, name("/made"), name("/moved"));
        yield return Request(18, name("/none"), name("/moved"));
        yield return Request(18, name("/loop"), name("/loop2"));
        yield return Extended("posix-rename@openssh.com", name("/moved/file"), name("/new"));
        yield return Extended("posix-rename@openssh.com", name("/moved"), name("/new"));
        yield return Extended("hardlink@openssh.com", name("/new"), name("/newer"));
        yield return Extended("hardlink@openssh.com", name("/new"), name("/newer"));
        yield return Request(20, String("a target"), name("/made-link"));
        yield return Request(20, String("a target"), name("/made-link"));
        yield return Request(20, String(""), name("/made-link2"));
        yield return Request(19, name("/made-link"));
        yield return Extended("lsetstat@openssh.com", name("/made-link"), UInt32(8), UInt32(5), UInt32(6));
        yield return Extended("lsetstat@openssh.com", name("/made-link"), Mode(0x1FF));
        yield return Extended("lsetstat@openssh.com", name("/made-link"), UInt32(1), zero);
        yield return Request(7, name("/made-link"));
        yield return Request(9, name("/new"), UInt32(1 | 4 | 8), UInt64(5), UInt32(0x8F00 | 0x1A4), UInt32(1), UInt32(2));
        yield return Request(9, name("/new"), UInt32(1), UInt64(ulong.MaxValue));
        yield return Request(9, name("/none"), UInt32(0));
        yield return Request(9, name("/none"), Mode(0));
        yield return Request(9, name("/new"), UInt32(0x80000000), UInt32(1), String("a"), String("b"));
        yield return Request(7, name("/new"));
        byte[] odd = [.. Encoding.UTF8.GetBytes(root), (byte)'/', 0xFF, 0xFE, (byte)'\n', 0xC3];
        yield return Request(3, String(odd), UInt32(2 | 8), NoAttributes);
        yield return Request(16, String(odd));
        yield return Request(7, String(odd));
        yield return Request(11, name(""));
        yield return Request(12, Handle(2));
        yield return Extended("limits@openssh.com");
        yield return Extended("home-directory", String("root"));
        yield return Extended("home-directory", String("nobody-of-that-name"));
        yield return Extended("users-groups-by-id@openssh.com", String([0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4]), String([0, 0, 0, 0, 9, 9, 9, 9]));
        yield return Extended("unknown@example.com", String("x"));
        yield return Request(13, name("/newer"));
        yield return Request(15, name("/moved"));
        yield return [.. UInt32(13), 17, .. UInt32(7), .. String("/x"), 1, 2]; // more than its fields
    }

    /// <summary>Requests about few names, so that they meet each other. Links only point to what is beside or below them.</summary>
    private static IEnumerable<byte[]> Made(string root, Random random, int count)
    {
        string[] names = ["/file", "/a", "/b", "/folder", "/folder/a", "/folder/inner", "/link", "/loop", "/none/x", "/there/a", "/folder/../a", "/folder/up", "", "/.", "/\u00e9"];
        string[] targets = ["file", "a", "b", "folder", "none", "./folder/", "folder/a", "loop"];
        string[] extensions = ["posix-rename@openssh.com", "hardlink@openssh.com", "lsetstat@openssh.com", "fsync@openssh.com", "expand-path@openssh.com", "copy-data", "statvfs@openssh.com"];
        byte[] any() => String(root + names[random.Next(names.Length)]);
        byte[] handle() => Handle((uint)random.Next(6));
        byte[] offset() => UInt64((ulong)random.Next(200));
        byte[] attributes()
        {
            var flags = (uint)random.Next(16) & ~2u;
            return
            [
                .. UInt32(flags), .. (flags & 1) != 0 ? UInt64((ulong)random.Next(5000)) : [], .. (flags & 4) != 0 ? UInt32((uint)random.Next(0x200) | 0x1C0) : [],
                .. (flags & 8) != 0 ? [.. UInt32((uint)random.Next(1_000_000_000)), .. UInt32((uint)random.Next(1_000_000_000))] : Array.Empty<byte>(),
            ];
        }

        for (; count > 0; count--)
        {
            yield return random.Next(3, 22) switch
            {
                3 => Request(3, any(), UInt32((uint)random.Next(64)), attributes()),
                4 => Request(4, handle()),
                5 => Request(5, handle(), offset(), UInt32((uint)random.Next(1000))),
                6 => Request(6, handle(), offset(), String(new string((char)random.Next('a', 'z'), random.Next(100)))),
                8 => Request(8, handle()),
                9 => Request(9, any(), attributes()),
                10 => Request(10, handle(), attributes()),
                11 => Request(11, any()),
                12 => Request(12, handle()),
                14 => Request(14, any(), attributes()),
                18 => Request(18, any(), any()),
                20 => Request(20, String(targets[random.Next(targets.Length)]), any()),
                21 => extensions[random.Next(extensions.Length)] switch
                {
                    "lsetstat@openssh.com" => Extended("lsetstat@openssh.com", any(), attributes()),
                    "fsync@openssh.com" => Extended("fsync@openssh.com", handle()),
                    "copy-data" => Extended("copy-data", handle(), offset(), UInt64((ulong)random.Next(1, 50)), handle(), offset()),
                    var extension => Extended(extension, any(), any()),
                },
                var type => Request((byte)type, any()),
            };
        }
    }
}
