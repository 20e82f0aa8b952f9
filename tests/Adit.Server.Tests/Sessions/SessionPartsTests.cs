using System.Buffers.Binary;
using System.Text;
using Adit.Server.Authentication;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Server.Sessions;
using Adit.Server.Tests.Support;
using Adit.Server.Users;
using Adit.Ssh.Authentication;

namespace Adit.Server.Tests.Sessions;

public class SessionPartsTests
{
    private const int InputFlags = 0, OutputFlags = 4, ControlFlags = 8, LocalFlags = 12, Characters = 17;

    private static readonly UserAccount Alice = new("alice", 1000, 1000, "/home/alice", "/bin/zsh");

    // RFC 4254, section 8, and <bits/termios.h>.
    [Fact]
    public void ModesBecomeTermios()
    {
        var attributes = Apply(
            (1, 3), (2, 28), (5, 4), (6, 255), (10, 26), (18, 15), // VINTR VQUIT VEOF VEOL VSUSP VDISCARD
            (36, 1), (38, 0), (42, 1), // ICRNL, no IXON, IUTF8
            (50, 1), (51, 0), (53, 1), (59, 1), // ISIG, no ICANON, ECHO, IEXTEN
            (70, 1), (72, 1), (91, 1), (92, 1), // OPOST ONLCR CS8 PARENB
            (128, 9600), (129, 115200));
        Assert.Equal([3, 28, 4, 0, 26, 15], new[] { 0, 1, 4, 11, 10, 13 }.Select(index => (int)attributes[Characters + index]));
        Assert.Equal(0x100u | 0x4000u, Word(attributes, InputFlags));
        Assert.Equal(0x1u | 0x8u | 0x8000u, Word(attributes, LocalFlags));
        Assert.Equal(0x1u | 0x4u, Word(attributes, OutputFlags));
        Assert.Equal(0x30u | 0x100u | 0x1002u, Word(attributes, ControlFlags));
    }

    [Fact]
    public void ModesEndAtTheirEndAtWhatHasNoLengthAndWhereTheyBreakOff()
    {
        Assert.Equal(0, Applied([0, 1, 0, 0, 0, 3])[Characters]);
        Assert.Equal(0, Applied([200, 1, 0, 0, 0, 3])[Characters]);
        Assert.Equal(0, Applied([1, 0, 0, 3])[Characters]);
        Assert.Equal(3, Applied([150, 9, 9, 9, 9, 1, 0, 0, 0, 3])[Characters]); // not known, but its length is
    }

    [Fact]
    public void TheEnvironmentIsSshds()
    {
        var environment = new SessionEnvironment();
        environment.AddBasics(Alice, "/bin/zsh", [new("LANG", "C"), new("USER", "mallory"), new("PATH", "/tmp"), new("SSH_CLIENT", "x")], "xterm", usesPam: false);
        environment.AddCredentials([new("FROM_KEY", "1"), new("FROM_KEY", "2")]);
        var notice = environment.AddFile("/f", "#c\n\nA=1\n  B=x=y\nnonsense\nC=3"u8, new EnvironmentNames("A,B"));
        environment.AddConfigured(["ADMIN=a=b", "A=admin"]);
        environment.AddConnection(new AuthenticationPeer("10.0.0.7", 50000, "10.0.0.1", 22, "", 1), "/dev/pts/3", "ls");
        Assert.Equal("Bad line 5 in /f\n", notice);
        Assert.Equal(
            [
                "A=admin", "ADMIN=a=b", "B=x=y", "FROM_KEY=1", "HOME=/home/alice", "LANG=C", "LOGNAME=alice", "MAIL=/var/mail/alice", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/games", "SHELL=/bin/zsh",
                "SSH_CLIENT=10.0.0.7 50000 22", "SSH_CONNECTION=10.0.0.7 50000 10.0.0.1 22", "SSH_ORIGINAL_COMMAND=ls", "SSH_TTY=/dev/pts/3", "TERM=xterm", "USER=alice",
            ],
            environment.Variables.Where(variable => variable.Key != "TZ").Select(variable => $"{variable.Key}={variable.Value}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TextThatIsNoUtf8SurvivesBothWays()
    {
        byte[] bytes = [.. Encoding.UTF8.GetBytes("naïve 😀 "), 0xff, 0xe9, 0x20, 0xf0, 0x9f];
        Assert.Equal(bytes, OsText.Encode(OsText.Decode(bytes)));
        Assert.Equal("naïve", OsText.Decode(Encoding.UTF8.GetBytes("naïve")));
    }

    [Fact]
    public void WhatTheHelperIsToldArrivesWhole()
    {
        var start = new ProgramStart
        {
            File = "/bin/sh",
            Arguments = ["-sh", "", "a b"],
            Environment = new Dictionary<string, string> { ["A"] = "=b=", ["C"] = "" },
            WorkingFolder = "/home/x",
            Identity = new UserIdentity(1, 2, [2, 3, 4]),
            Root = "/srv",
            OpenFiles = 1024,
            Signal = (123, 15),
        };
        var read = ProgramStart.Read(start.ToArray());
        Assert.Equal((start.File, start.WorkingFolder, start.Root, start.OpenFiles, start.Signal), (read.File, read.WorkingFolder, read.Root, read.OpenFiles, read.Signal));
        Assert.Equal(start.Arguments, read.Arguments);
        Assert.Equal(start.Environment, read.Environment);
        Assert.Equal((1u, 2u), (read.Identity!.Uid, read.Identity.Gid));
        Assert.Equal([2, 3, 4], read.Identity.Groups);
    }

    [Theory]
    [InlineData("relative", "chroot path does not begin at root")]
    [InlineData("/nonexistent/folder", "safely_chroot: stat(\"/nonexistent/\"): No such file or directory")]
    [InlineData("/tmp/x", "bad ownership or modes for chroot directory component \"/tmp/\"")]
    [InlineData("/tmp", "bad ownership or modes for chroot directory \"/tmp\"")]
    [InlineData("/etc/passwd", "chroot path \"/etc/passwd\" is not a directory")]
    [InlineData("/usr/bin", null)]
    [InlineData("/", null)]
    public void ARootFolderIsRootsFromTheTopDown(string path, string? fault) => Assert.Equal(fault, RootFolder.Fault(path));

    [Fact]
    public void TheFileAboutTheLoginIsItsOwnersAlone()
    {
        using var folder = new TempFolder();
        using var user = new Login();
        var login = new ServerLogin(user.Alice, user.Config, LoginRights.Unrestricted) { Information = "password\n" };
        var file = AuthenticationFile.Create(login, user.Users.ProcessUid, user.Log, folder.Path)!;
        Assert.Equal("password\n", File.ReadAllText(file.Path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file.Path));
        Assert.Equal($"{user.Alice.Uid}", Commands.Run("/usr/bin/stat", "-c", "%u", file.Path).Trim());
        file.Remove();
        Assert.Empty(Directory.GetFiles(folder.Path));

        Assert.Null(AuthenticationFile.Create(login, user.Users.ProcessUid, user.Log, folder["missing"]));
        Assert.Contains(user.Log.Errors, line => line.StartsWith("ExposeAuthInfo: cannot write ", StringComparison.Ordinal));
    }

    private static byte[] Apply(params (byte Opcode, uint Value)[] modes)
    {
        var encoded = new List<byte>();
        var word = new byte[4];
        foreach (var (opcode, value) in modes)
        {
            BinaryPrimitives.WriteUInt32BigEndian(word, value);
            encoded.Add(opcode);
            encoded.AddRange(word);
        }

        return Applied([.. encoded, 0]);
    }

    private static byte[] Applied(byte[] encoded)
    {
        var attributes = new byte[TerminalModes.AttributesLength];
        TerminalModes.Apply(encoded, attributes);
        return attributes;
    }

    private static uint Word(byte[] attributes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(attributes.AsSpan(offset));
}
