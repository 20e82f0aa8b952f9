using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Processes;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;

namespace Adit.Server.Tests.Sessions;

[SupportedOSPlatform("linux")]
public sealed class LoginRecordsTests : IDisposable
{
    private static readonly TerminalLogin Login = new("alice", 3, 4711, "pts/12", "10.0.0.7");
    private static readonly DateTimeOffset Time = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_250);

    private static bool IsWide => System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64;

    private static int Size => IsWide ? 400 : 384;

    private readonly TempFolder _folder = new();
    private readonly CapturingLogger _log = new();

    // <bits/utmpx.h> of glibc.
    [Theory]
    [InlineData(false, 384, 340, 344, 348)]
    [InlineData(true, 400, 344, 352, 360)]
    public void ARecordIsGlibcs(bool isWide, int size, int seconds, int microseconds, int address)
    {
        var record = LoginRecords.Record(Login, isOver: false, Time, isWide);
        Assert.Equal(size, record.Length);
        Assert.Equal([7, 0, 0, 0], record[..4]);
        Assert.Equal(4711, BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(4)));
        Assert.Equal("pts/12", Text(record, 8, 32));
        Assert.Equal("s/12", Text(record, 40, 4));
        Assert.Equal("alice", Text(record, 44, 32));
        Assert.Equal("10.0.0.7", Text(record, 76, 256));
        Assert.Equal(1_700_000_000, BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(seconds)));
        Assert.Equal(250_000, BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(microseconds)));
        Assert.Equal([10, 0, 0, 7, 0, 0, 0, 0], record[address..(address + 8)]);

        var over = LoginRecords.Record(Login, isOver: true, Time, isWide);
        Assert.Equal(8, over[0]);
        Assert.Equal(record[4..44], over[4..44]);
        Assert.All(over[44..336], value => Assert.Equal(0, value));
        Assert.Equal(record[seconds..address], over[seconds..address]);
        Assert.All(over[address..], value => Assert.Equal(0, value));
    }

    [Fact]
    public void AddressesOfBothKindsAndLongNamesFit()
    {
        var record = LoginRecords.Record(Login with { Address = "2001:db8::1", User = new string('u', 40) }, isOver: false, Time, isWide: false);
        Assert.Equal(new byte[] { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, record[348..364]);
        Assert.Equal(new string('u', 32) + "2001:db8::1", Text(record, 44, 288));
        Assert.Equal([10, 0, 0, 7], LoginRecords.Record(Login with { Address = "::ffff:10.0.0.7" }, isOver: false, Time, isWide: false)[348..352]);
        Assert.All(LoginRecords.Record(Login with { Address = "UNKNOWN" }, isOver: false, Time, isWide: false)[348..], value => Assert.Equal(0, value));
    }

    [Fact]
    public void TheLastLoginIsToldInSshdsWords()
    {
        var record = LoginRecords.LastRecord(Login, Time);
        Assert.Equal("pts/12", Text(record, 4, 32));
        var local = Time.ToLocalTime();
        var expected = string.Create(CultureInfo.InvariantCulture, $"Last login: {local:ddd MMM} {local.Day,2} {local:HH:mm:ss yyyy} from 10.0.0.7\n");
        Assert.Equal(expected, LoginRecords.Notice(record));
        Assert.Equal("", LoginRecords.Notice(new byte[LoginRecords.LastSize]));
    }

    [Fact]
    public async Task ALoginIsInAllFilesAndItsEndToo()
    {
        var records = Files(make: true);
        var login = Recorded(records);
        Assert.Equal("", records.Notice(Login.Uid));
        await login.BeginAsync();
        Assert.StartsWith("Last login: ", records.Notice(Login.Uid), StringComparison.Ordinal);
        Assert.Equal("", records.Notice(Login.Uid - 1));
        Assert.Equal("", records.Notice(Login.Uid + 1));
        Assert.Equal(7, Assert.Single(Types("now")));
        await login.EndAsync();
        Assert.Equal(8, Assert.Single(Types("now")));
        Assert.Equal([7, 8], Types("history"));
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task FilesThatAreNotThereAreNotMade()
    {
        var records = Files(make: false);
        var login = Recorded(records);
        await login.BeginAsync();
        await login.EndAsync();
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        Assert.Equal("", records.Notice(Login.Uid));
    }

    [Fact]
    public async Task TheTerminalsOwnRecordIsReplacedAndNoOther()
    {
        var records = Files(make: true);
        var boot = new byte[Size];
        boot[0] = 2;
        "s/12"u8.CopyTo(boot.AsSpan(40)); // of a type without terminals
        var earlier = LoginRecords.Record(Login with { User = "bob", ProcessId = 1 }, isOver: true, Time, IsWide);
        var nameless = LoginRecords.Record(Login with { Line = "pts/77" }, isOver: false, Time, IsWide);
        nameless.AsSpan(40, 4).Clear();
        byte[] many = [.. Enumerable.Range(100, 100).SelectMany(n => LoginRecords.Record(Login with { Line = $"pts/{n}" }, isOver: false, Time, IsWide))];
        await File.WriteAllBytesAsync(_folder["now"], [.. boot, .. many, .. nameless, .. earlier, 1, 2, 3]);
        await Recorded(records).BeginAsync();
        await Recorded(records, Login with { Line = "pts/77", User = "carol" }).BeginAsync();
        await Recorded(records, Login with { Line = "pts/13", User = "dave" }).BeginAsync();
        byte[][] found = [.. (await File.ReadAllBytesAsync(_folder["now"])).Chunk(Size)];
        Assert.Equal(boot, found[0]);
        Assert.Equal(many, found[1..101].SelectMany(record => record));
        Assert.Equal(["carol", "alice", "dave"], found[101..].Select(record => Text(record, 44, 32)));
        Assert.All(found, record => Assert.Equal(Size, record.Length));
    }

    [Fact]
    public async Task WhatAFullDiskLeftOfARecordIsNotInTheWay()
    {
        var records = Files(make: true);
        var whole = LoginRecords.Record(Login, isOver: false, Time, IsWide);
        await File.WriteAllBytesAsync(_folder["history"], [.. whole, 7, 7, 7]);
        await Recorded(records).BeginAsync();
        var found = await File.ReadAllBytesAsync(_folder["history"]);
        Assert.Equal(2 * Size, found.Length);
        Assert.Equal(whole, found[..Size]);
        Assert.Equal("alice", Text(found[Size..], 44, 32));
    }

    // Any user may read utmp, and so hold a lock on it.
    [Fact]
    public async Task ALockThatAReaderHoldsLeavesNoLoginWithoutEnd()
    {
        var records = Files(make: true);
        var (early, late) = (Recorded(records), Recorded(records, Login with { Line = "pts/13" }));
        await early.BeginAsync();
        using (var reader = File.OpenHandle(_folder["now"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            Assert.True(FileLock.TryShare(reader));
            await late.BeginAsync();
            Assert.Equal([7, 7], Types("history"));
            Assert.StartsWith("Last login: ", records.Notice(Login.Uid), StringComparison.Ordinal);
            await early.EndAsync();
            Assert.Equal([8], Types("now"));
        }

        await late.EndAsync();
        Assert.Equal([7, 7, 8, 8], Types("history"));
        Assert.Equal([8], Types("now"));
    }

    // The C library's kind of lock, which belongs to a process.
    [Fact]
    public async Task ALockOfOtherProgramsKindIsMinded()
    {
        var records = Files(make: true);
        using var reader = new FileStream(_folder["now"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        reader.Lock(0, 0);
        await Recorded(records).BeginAsync();
        Assert.Equal([7], Types("history"));
        Assert.Empty(Types("now"));
    }

    // flock(2) is what the runtime takes by itself, and fails for.
    [Fact]
    public async Task ALockOfTheRuntimesKindIsNot()
    {
        var records = Files(make: true);
        string[] names = ["now", "history", "last"];
        var held = names.Select(name => File.OpenHandle(_folder[name], FileMode.Open, FileAccess.Read, FileShare.None)).ToList();
        try
        {
            await Recorded(records).BeginAsync();
            Assert.StartsWith("Last login: ", records.Notice(Login.Uid), StringComparison.Ordinal);
        }
        finally
        {
            held.ForEach(file => file.Dispose());
        }

        Assert.Equal([7], Types("history"));
        Assert.Equal([7], Types("now"));
    }

    [Fact]
    public async Task ALoginThatIsOverDoesNotBeginAnyMore()
    {
        var login = Recorded(Files(make: true));
        await login.EndAsync();
        await login.BeginAsync();
        Assert.Empty(Types("history"));
        Assert.Empty(Types("now"));
    }

    [Fact]
    public void WhatComesLateLeavesTheNextLoginOnTheTerminalAlone()
    {
        var records = Files(make: true);
        var (late, next) = (new CancellationToken(canceled: true), Login with { ProcessId = 4712, User = "bob" });
        Assert.True(records.Write(next, isOver: false, CancellationToken.None));
        Assert.False(records.Write(Login, isOver: true, late));
        Assert.False(records.Write(Login, isOver: false, late));
        Assert.Equal("bob", Text(File.ReadAllBytes(_folder["now"]), 44, 32));
        Assert.True(records.Write(next, isOver: true, late));
        Assert.Equal([8], Types("now"));
    }

    [Fact]
    public async Task NoFailureComesOut()
    {
        var login = Recorded(Files(make: true), Login with { User = null! });
        await login.BeginAsync();
        Assert.Contains("cannot be recorded", Assert.Single(_log.Lines), StringComparison.Ordinal);
        await login.EndAsync();
    }

    public void Dispose() => _folder.Dispose();

    private LoginRecords Files(bool make)
    {
        foreach (var name in make ? ["now", "history", "last"] : Array.Empty<string>())
        {
            File.WriteAllBytes(_folder[name], []);
        }

        return new LoginRecords(_folder["now"], _folder["history"], _folder["last"]);
    }

    private RecordedLogin Recorded(LoginRecords records, TerminalLogin? login = null) => new(records, login ?? Login, _log);

    private IEnumerable<int> Types(string name) => File.ReadAllBytes(_folder[name]).Chunk(Size).Select(record => (int)record[0]);

    private static string Text(byte[] record, int at, int room) => Encoding.ASCII.GetString(record, at, room).TrimEnd('\0');
}
