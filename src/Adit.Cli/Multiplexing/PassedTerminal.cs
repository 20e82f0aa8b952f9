using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Adit.Ssh.Wire;

namespace Adit.Cli.Multiplexing;

/// <summary>Looks at a terminal by a descriptor of it: its size, its modes, and sets them to raw and back. The numbers are Linux's.</summary>
internal static partial class PassedTerminal
{
    private const nuint GetWindowSize = 0x5413; // TIOCGWINSZ

    /// <summary>Room for struct termios: four words of flags (input, output, control, local), a line discipline, the special characters, the speeds.</summary>
    private const int TermiosSize = 256;
    private const int InputFlags = 0;
    private const int OutputFlags = 4;
    private const int ControlFlags = 8;
    private const int LocalFlags = 12;
    private const int Characters = 17;
    private const int InputSpeed = 52;
    private const int OutputSpeed = 56;
    private const int VTime = 5;
    private const int VMin = 6;
    private const int AfterDrain = 1; // TCSADRAIN

    private const uint CharacterSize = 0x30; // CSIZE

    /// <summary>Opcode of RFC 4254, section 8, and the place among the special characters.</summary>
    private static readonly (byte Opcode, int Place)[] CharacterModes =
        [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 11), (7, 16), (8, 8), (9, 9), (10, 10), (12, 12), (13, 14), (14, 15), (16, 7), (18, 13)];

    /// <summary>Opcode, word and bit.</summary>
    private static readonly (byte Opcode, int Word, uint Bit)[] FlagModes =
    [
        (30, InputFlags, 0x4), (31, InputFlags, 0x8), (32, InputFlags, 0x10), (33, InputFlags, 0x20), (34, InputFlags, 0x40), (35, InputFlags, 0x80),
        (36, InputFlags, 0x100), (37, InputFlags, 0x200), (38, InputFlags, 0x400), (39, InputFlags, 0x800), (40, InputFlags, 0x1000), (41, InputFlags, 0x2000),
        (42, InputFlags, 0x4000), (50, LocalFlags, 0x1), (51, LocalFlags, 0x2), (52, LocalFlags, 0x4), (53, LocalFlags, 0x8), (54, LocalFlags, 0x10),
        (55, LocalFlags, 0x20), (56, LocalFlags, 0x40), (57, LocalFlags, 0x80), (58, LocalFlags, 0x100), (59, LocalFlags, 0x8000), (60, LocalFlags, 0x200),
        (61, LocalFlags, 0x800), (62, LocalFlags, 0x4000), (70, OutputFlags, 0x1), (71, OutputFlags, 0x2), (72, OutputFlags, 0x4), (73, OutputFlags, 0x8),
        (74, OutputFlags, 0x10), (75, OutputFlags, 0x20), (92, ControlFlags, 0x100), (93, ControlFlags, 0x200),
    ];

    /// <summary>Speeds by their code; those from 0x1001 on are the fast ones.</summary>
    private static readonly uint[] SlowSpeeds = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
    private static readonly uint[] FastSpeeds = [57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000];

    /// <summary>Its size; all zero where it is no terminal.</summary>
    public static (int Columns, int Rows, int Width, int Height) Size(int descriptor) =>
        ioctl(descriptor, GetWindowSize, out var size) == 0 ? (size.Columns, size.Rows, size.Width, size.Height) : default;

    /// <summary>Its modes as pty-req takes them; none where it is no terminal.</summary>
    public static byte[] Modes(int descriptor)
    {
        Span<byte> termios = stackalloc byte[TermiosSize];
        return tcgetattr(descriptor, termios) == 0 ? Encode(termios) : [];
    }

    /// <summary>Makes it raw until disposed: what is typed goes through as it is. Null where it is no terminal.</summary>
    public static IDisposable? EnterRawMode(int descriptor)
    {
        var saved = new byte[TermiosSize];
        if (tcgetattr(descriptor, saved) != 0)
        {
            return null;
        }

        var raw = (byte[])saved.Clone();
        // Of the input only bytes with wrong parity are looked at.
        Change(raw, InputFlags, set: 0x4, clear: 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x1000);
        Change(raw, LocalFlags, set: 0, clear: 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x8000);
        Change(raw, OutputFlags, set: 0, clear: 0x1);
        raw[Characters + VMin] = 1;
        raw[Characters + VTime] = 0;
        return tcsetattr(descriptor, AfterDrain, raw) == 0 ? new RawMode(descriptor, saved) : null;
    }

    internal static byte[] Encode(ReadOnlySpan<byte> termios)
    {
        var writer = new SshWriter(256);
        Write(ref writer, 129, Speed(Word(termios, OutputSpeed)));
        Write(ref writer, 128, Speed(Word(termios, InputSpeed)));
        foreach (var (opcode, place) in CharacterModes)
        {
            var character = termios[Characters + place];
            Write(ref writer, opcode, character == 0 ? 255u : character); // 0 switches it off here, 255 there
        }

        foreach (var (opcode, word, bit) in FlagModes)
        {
            Write(ref writer, opcode, (Word(termios, word) & bit) != 0 ? 1u : 0);
        }

        var size = Word(termios, ControlFlags) & CharacterSize;
        Write(ref writer, 90, size == 0x20 ? 1u : 0);
        Write(ref writer, 91, size == 0x30 ? 1u : 0);
        writer.WriteByte(0);
        return writer.ToArray();
    }

    private static void Write(ref SshWriter writer, byte opcode, uint value)
    {
        writer.WriteByte(opcode);
        writer.WriteUInt32(value);
    }

    private static uint Speed(uint code) => code < SlowSpeeds.Length ? SlowSpeeds[code] : code - 0x1001 < FastSpeeds.Length ? FastSpeeds[code - 0x1001] : 9600;

    private static uint Word(ReadOnlySpan<byte> termios, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(termios[offset..]);

    private static void Change(Span<byte> termios, int offset, uint set, uint clear) =>
        BinaryPrimitives.WriteUInt32LittleEndian(termios[offset..], (Word(termios, offset) & ~clear) | set);

    [LibraryImport("libc")]
    private static partial int ioctl(int descriptor, nuint request, out WindowSize size);

    [LibraryImport("libc")]
    private static partial int tcgetattr(int descriptor, Span<byte> attributes);

    [LibraryImport("libc")]
    private static partial int tcsetattr(int descriptor, int when, ReadOnlySpan<byte> attributes);

    /// <summary>struct winsize</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }

    private sealed class RawMode(int descriptor, byte[] saved) : IDisposable
    {
        private int _isLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isLeft, 1) == 0)
            {
                _ = tcsetattr(descriptor, AfterDrain, saved);
            }
        }
    }
}
