using System.Buffers.Binary;
using System.Diagnostics;
using Adit.Cli.Terminal;
using Microsoft.Win32.SafeHandles;

namespace Adit.Cli.Tests.Terminal;

public sealed class LocalTerminalTests
{
    // RFC 4254, section 8: the numbers stand for themselves.
    [Theory]
    [InlineData("sane", 53, 1)]
    [InlineData("-echo", 53, 0)]
    [InlineData("-icanon", 51, 0)]
    [InlineData("-isig", 50, 0)]
    [InlineData("-opost", 70, 0)]
    [InlineData("-icrnl", 36, 0)]
    [InlineData("ixany", 39, 1)]
    [InlineData("iutf8", 42, 1)]
    [InlineData("intr ^E", 1, 5)]
    [InlineData("erase ^H", 3, 8)]
    [InlineData("susp undef", 10, 255)]
    [InlineData("cstopb", 91, 1)] // eight bits: a pseudo-terminal knows no other size
    [InlineData("cstopb", 92, 0)]
    [InlineData("9600", 129, 9600)]
    [InlineData("115200", 128, 115200)]
    [InlineData("sane", 72, 1)]
    public async Task Modes_are_encoded(string setting, byte opcode, int value)
    {
        await using var person = new PseudoTerminal();
        using var near = Open(person);
        Stty(person, setting);
        using var terminal = LocalTerminal.TryOpen((int)near.DangerousGetHandle())!;
        Assert.Equal((uint)value, Decode(TerminalAttributes.Encode(terminal.Attributes))[opcode]);
    }

    [Fact]
    public async Task Every_mode_stands_there_once_and_the_end_is_marked()
    {
        await using var person = new PseudoTerminal();
        using var near = Open(person);
        using var terminal = LocalTerminal.TryOpen((int)near.DangerousGetHandle())!;
        var modes = TerminalAttributes.Encode(terminal.Attributes);
        Assert.Equal(0, modes[^1]);
        Assert.Equal((modes.Length - 1) / 5, Decode(modes).Count);
        Assert.Equal(Enumerable.Range(30, 13).Concat(Enumerable.Range(50, 13)).Concat(Enumerable.Range(70, 6)).Concat(Enumerable.Range(90, 4)),
            Decode(modes).Keys.Where(opcode => opcode is >= 30 and < 128).Order().Select(opcode => (int)opcode));
    }

    [Fact]
    public async Task Raw_and_back()
    {
        await using var person = new PseudoTerminal();
        using var near = Open(person);
        var before = Stty(person, "-g");
        using (var terminal = LocalTerminal.TryOpen((int)near.DangerousGetHandle())!)
        {
            terminal.EnterRaw();
            var raw = Stty(person, "-a");
            Assert.All(["-echo ", "-icanon", "-isig", "-iexten", "-opost", "-icrnl", "-ixon"], mode => Assert.Contains(mode, raw, StringComparison.Ordinal));
            terminal.LeaveRaw();
            Assert.Equal(before, Stty(person, "-g"));
            terminal.EnterRaw();
        }

        Assert.Equal(before, Stty(person, "-g"));
    }

    [Fact]
    public async Task The_size_is_the_terminals()
    {
        await using var person = new PseudoTerminal();
        using var near = Open(person);
        Stty(person, "rows 33 cols 111");
        using var terminal = LocalTerminal.TryOpen((int)near.DangerousGetHandle())!;
        Assert.Equal((111, 33), (terminal.Size.Columns, terminal.Size.Rows));
    }

    [Fact]
    public void Other_descriptors_are_no_terminals()
    {
        using var file = new TemporaryFile("");
        using var handle = File.OpenHandle(file.Path);
        Assert.Null(LocalTerminal.TryOpen((int)handle.DangerousGetHandle()));
    }

    private static SafeFileHandle Open(PseudoTerminal terminal) => File.OpenHandle(terminal.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    private static string Stty(PseudoTerminal terminal, string setting)
    {
        using var stty = Process.Start(new ProcessStartInfo("stty", ["-F", terminal.Path, .. setting.Split(' ')]) { RedirectStandardOutput = true })!;
        var said = stty.StandardOutput.ReadToEnd();
        stty.WaitForExit();
        Assert.Equal(0, stty.ExitCode);
        return said;
    }

    private static Dictionary<byte, uint> Decode(ReadOnlySpan<byte> modes)
    {
        var result = new Dictionary<byte, uint>();
        for (; modes[0] != 0; modes = modes[5..])
        {
            result.Add(modes[0], BinaryPrimitives.ReadUInt32BigEndian(modes[1..]));
        }

        return result;
    }
}
