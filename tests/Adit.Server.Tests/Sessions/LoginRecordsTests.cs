using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;

namespace Adit.Server.Tests.Sessions;

[SupportedOSPlatform("linux")]
public sealed class LoginRecordsTests : IDisposable
{
    private static readonly TerminalLogin Login = new("alice", 3, 4711, "pts/12", "10.0.0.7");
    private static readonly DateTimeOffset Time = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_250);

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
        Assert.Equal("", records.Notice(Login.Uid));
        await records.BeginAsync(Login, _log);
        Assert.StartsWith("Last login: ", records.Notice(Login.Uid), StringComparison.Ordinal);
        Assert.Equal("", records.Notice(Login.Uid - 1));
        Assert.Equal("", records.Notice(Login.Uid + 1));
        Assert.Equal(7, Assert.Single(Types("now")));
        await records.EndAsync(Login, _log);
        Assert.Equal(8, Assert.Single(Types("now")));
        Assert.Equal([7, 8], Types("history"));
    }

    [Fact]
    public async Task FilesThatAreNotThereAreNotMade()
    {
        var records = Files(make: false);
        await records.BeginAsync(Login, _log);
        await records.EndAsync(Login, _log);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        Assert.Equal("", records.Notice(Login.Uid));
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

    private IEnumerable<int> Types(string name)
    {
        var size = LoginRecords.Record(Login, isOver: true, Time, System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64).Length;
        return File.ReadAllBytes(_folder[name]).Chunk(size).Select(record => (int)record[0]);
    }

    private static string Text(byte[] record, int at, int room) => Encoding.ASCII.GetString(record, at, room).TrimEnd('\0');
}
