using System.Text;
using Adit.Ssh.Transport;

namespace Adit.Ssh.Tests.Transport;

public class VersionExchangeTests
{
    [Fact]
    public void OursFitsAndCarriesTheAddendum()
    {
        Assert.Equal("SSH-2.0-OpenSSH.compatible.Adit_0.1", Encoding.ASCII.GetString(VersionExchange.BuildLocal()));
        Assert.Equal("SSH-2.0-OpenSSH.compatible.Adit_0.1 gate 3", Encoding.ASCII.GetString(VersionExchange.BuildLocal("gate 3")));
        int room = 253 - "SSH-2.0-OpenSSH.compatible.Adit_0.1 ".Length;
        Assert.Equal(253, VersionExchange.BuildLocal(new string('x', room)).Length);
        Assert.Equal(SshError.Configuration, Assert.Throws<SshException>(() => VersionExchange.BuildLocal(new string('x', room + 1))).Error);
        Assert.Equal(SshError.Configuration, Assert.Throws<SshException>(() => VersionExchange.BuildLocal("a\nb")).Error);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "SSH-2.0-OpenSSH_9.2p1 Debian-2")]
    [InlineData("SSH-2.0-dropbear_2022.83\n", "SSH-2.0-dropbear_2022.83")]
    [InlineData("SSH-1.99-Cisco-1.25\r\n", "SSH-1.99-Cisco-1.25")]
    [InlineData("SSH-2.0-x\r\n", "SSH-2.0-x")]
    public void ReadsWholeAndByteByByteAndLeavesTheRest(string line, string expected)
    {
        byte[] bytes = [.. Encoding.ASCII.GetBytes(line), 0, 0, 5, 0x14];
        foreach (var role in Enum.GetValues<SshRole>())
        {
            var whole = new VersionExchange(role);
            Assert.Equal(line.Length, whole.Read(bytes));
            Assert.True(whole.IsComplete);
            Assert.Equal(expected, whole.RemoteVersion);
            Assert.Equal(expected, Encoding.ASCII.GetString(whole.RemoteVersionBytes.Span));
            Assert.Equal(0, whole.Read(bytes));

            var single = new VersionExchange(role);
            for (int i = 0; i < line.Length; i++)
            {
                Assert.False(single.IsComplete);
                Assert.Equal(1, single.Read(bytes.AsSpan(i, 1)));
            }
            Assert.Equal(expected, single.RemoteVersion);
        }
    }

    [Fact]
    public void AClientReadsLinesBeforeTheBannerAServerDoesNot()
    {
        const string text = "Welcome!\r\nSSH is served here\n\r\nSSH-2.0-x\r\n";
        var client = new VersionExchange(SshRole.Client);
        Assert.Equal(text.Length, client.Read(Encoding.ASCII.GetBytes(text)));
        Assert.Equal("SSH-2.0-x", client.RemoteVersion);

        var server = new VersionExchange(SshRole.Server);
        var error = Assert.Throws<SshException>(() => server.Read(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(SshError.VersionMismatch, error.Error);
        Assert.Contains("\"Welcome!\"", error.Message, StringComparison.Ordinal);
        Assert.Equal("Invalid SSH identification string.\r\n", Encoding.ASCII.GetString(server.Rejection.Span));
    }

    [Theory]
    [InlineData("SSH-2.0-\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-2-x\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-x.0-y\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-2.0-x\0y\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-2.0-x\u001b[2Jy\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-2.0-x\ry\r\n", "Invalid SSH identification string.\r\n")]
    [InlineData("SSH-1.5-old\r\n", "Protocol major versions differ.\r\n")]
    [InlineData("SSH-3.0-new\r\n", "Protocol major versions differ.\r\n")]
    public void RefusesWithOpenSshsWords(string line, string rejection)
    {
        var exchange = new VersionExchange(SshRole.Client);
        var error = Assert.Throws<SshException>(() => exchange.Read(Encoding.Latin1.GetBytes(line)));
        Assert.Equal(SshError.VersionMismatch, error.Error);
        Assert.Equal(rejection, Encoding.ASCII.GetString(exchange.Rejection.Span));
        Assert.False(exchange.IsComplete);
        // INVARIANT 28: no control character of the peer's reaches a log.
        Assert.DoesNotContain(error.Message, c => char.IsControl(c));
    }

    // INVARIANT 12: before authentication everything has its bound.
    [Fact]
    public void LinesAndTheirNumberAreBounded()
    {
        var longLine = new VersionExchange(SshRole.Client);
        longLine.Read(Encoding.ASCII.GetBytes(new string('a', 8192)));
        Assert.Throws<SshException>(() => longLine.Read("a"u8));

        var manyLines = new VersionExchange(SshRole.Client);
        for (int i = 0; i < 1023; i++)
            manyLines.Read("x\r\n"u8);
        var error = Assert.Throws<SshException>(() => manyLines.Read("x\r\n"u8));
        Assert.Equal("kex_exchange_identification: No SSH version received in first 1024 lines from server", error.Message);

        var justEnough = new VersionExchange(SshRole.Client);
        for (int i = 0; i < 1023; i++)
            justEnough.Read("x\r\n"u8);
        justEnough.Read("SSH-2.0-x\r\n"u8);
        Assert.True(justEnough.IsComplete);
    }

    [Theory]
    [InlineData("OpenSSH_9.2p1 Debian-2", true, "9.2", false)]
    [InlineData("OpenSSH_10.3", true, "10.3", false)]
    [InlineData("OpenSSH_for_Windows_8.1", true, null, false)]
    [InlineData("OpenSSH.compatible.Adit_0.1 hello", false, null, true)]
    [InlineData("OpenSSH.compatible.other_0.1", false, null, false)]
    [InlineData("dropbear_2022.83", false, null, false)]
    public void QuirksComeFromTheSoftwareVersion(string software, bool openSsh, string? version, bool adit)
    {
        var quirks = PeerQuirks.From(software);
        Assert.Equal(openSsh, quirks.IsOpenSsh);
        Assert.Equal(version is null ? null : Version.Parse(version), quirks.OpenSshVersion);
        Assert.Equal(adit, quirks.IsAdit);
        Assert.Equal(openSsh || adit, quirks.HasOpenSshsWays);
    }

    // INVARIANT 30
    [Fact]
    public void AnyBytesEndInAnErrorOrAVersion()
    {
        var random = new Random(4253);
        byte[] alphabet = [.. "SSH-2.0-x\r\n1.99 "u8, 0, 7, 0xff];
        for (int round = 0; round < 2000; round++)
        {
            var bytes = new byte[random.Next(1, 60)];
            for (int i = 0; i < bytes.Length; i++)
                bytes[i] = alphabet[random.Next(alphabet.Length)];
            var exchange = new VersionExchange(random.Next(2) == 0 ? SshRole.Client : SshRole.Server);
            try
            {
                int used = exchange.Read(bytes);
                Assert.True(exchange.IsComplete || used == bytes.Length);
            }
            catch (SshException error)
            {
                Assert.Equal(SshError.VersionMismatch, error.Error);
                Assert.False(exchange.Rejection.IsEmpty);
            }
        }
    }
}
