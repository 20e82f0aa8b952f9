using System.Buffers.Binary;

namespace Adit.Cli.Terminal;

/// <summary>Reads a struct termios (Linux's and macOS's): makes it raw, and encodes it for another system (RFC 4254, section 8).</summary>
internal static class TerminalAttributes
{
    /// <summary>Ctrl-C, where a terminal sends no signal for it.</summary>
    public const byte GiveUp = 3;

    private const byte InputSpeed = 128;
    private const byte OutputSpeed = 129;
    private const byte NoCharacter = 255;

    private enum Field
    {
        Input,
        Output,
        Control,
        Local,
    }

    private static bool IsMac => OperatingSystem.IsMacOS();

    /// <summary>Opcode of a special character and its place in c_cc: Linux's, macOS's; -1 for none.</summary>
    private static ReadOnlySpan<sbyte> Characters =>
    [
        1, 0, 8, 2, 1, 9, 3, 2, 3, 4, 3, 5, 5, 4, 0, 6, 11, 1, 7, 16, 2, 8, 8, 12, 9, 9, 13, 10, 10, 10, 11, -1, 11, 12, 12, 6, 13, 14, 4, 14, 15, 14, 16, 7, -1, 17, -1, 18, 18, 13, 15,
    ];

    /// <summary>Opcode of a flag, where it is, and its bit on Linux and on macOS; 0 where it is not known.</summary>
    private static readonly (byte Opcode, Field Field, uint Linux, uint Mac)[] Flags =
    [
        (30, Field.Input, 0x4, 0x4), (31, Field.Input, 0x8, 0x8), (32, Field.Input, 0x10, 0x10), (33, Field.Input, 0x20, 0x20), (34, Field.Input, 0x40, 0x40),
        (35, Field.Input, 0x80, 0x80), (36, Field.Input, 0x100, 0x100), (37, Field.Input, 0x200, 0), (38, Field.Input, 0x400, 0x200), (39, Field.Input, 0x800, 0x800),
        (40, Field.Input, 0x1000, 0x400), (41, Field.Input, 0x2000, 0x2000), (42, Field.Input, 0x4000, 0x4000),
        (50, Field.Local, 0x1, 0x80), (51, Field.Local, 0x2, 0x100), (52, Field.Local, 0x4, 0), (53, Field.Local, 0x8, 0x8), (54, Field.Local, 0x10, 0x2), (55, Field.Local, 0x20, 0x4),
        (56, Field.Local, 0x40, 0x10), (57, Field.Local, 0x80, 0x80000000), (58, Field.Local, 0x100, 0x400000), (59, Field.Local, 0x8000, 0x400), (60, Field.Local, 0x200, 0x40),
        (61, Field.Local, 0x800, 0x1), (62, Field.Local, 0x4000, 0x20000000),
        (70, Field.Output, 0x1, 0x1), (71, Field.Output, 0x2, 0), (72, Field.Output, 0x4, 0x2), (73, Field.Output, 0x8, 0x10), (74, Field.Output, 0x10, 0x20), (75, Field.Output, 0x20, 0x40),
        (90, Field.Control, 0x20, 0x200), (91, Field.Control, 0x30, 0x300), (92, Field.Control, 0x100, 0x1000), (93, Field.Control, 0x200, 0x2000),
    ];

    /// <summary>Bauds for the codes B0 to B38400, then for those from B57600.</summary>
    private static ReadOnlySpan<int> Speeds => [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];

    private static ReadOnlySpan<int> FastSpeeds => [0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000];

    /// <summary>Every key as it is, at once and without echo; what is shown comes from elsewhere and is not touched either.</summary>
    public static void MakeRaw(Span<byte> attributes)
    {
        // ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF; then IGNPAR
        Clear(attributes, Field.Input, IsMac ? 0x20u | 0x40 | 0x80 | 0x100 | 0x200 | 0x800 | 0x400 : 0x20u | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x1000);
        Write(attributes, Field.Input, Read(attributes, Field.Input) | 0x4);
        // ISIG ICANON ECHO ECHOE ECHOK ECHONL IEXTEN
        Clear(attributes, Field.Local, IsMac ? 0x80u | 0x100 | 0x8 | 0x2 | 0x4 | 0x10 | 0x400 : 0x1u | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x8000);
        Clear(attributes, Field.Output, 0x1); // OPOST
        attributes[CharactersAt + (IsMac ? 16 : 6)] = 1; // VMIN
        attributes[CharactersAt + (IsMac ? 17 : 5)] = 0; // VTIME
    }

    /// <summary>Lines as they are, but keys send no signals, and Ctrl-C ends a line and is its last character: it gives up an answer, not the session around it.</summary>
    public static void MakeQuestion(Span<byte> attributes)
    {
        Clear(attributes, Field.Local, IsMac ? 0x80u : 0x1u); // ISIG
        attributes[CharactersAt + (IsMac ? 1 : 11)] = GiveUp; // VEOL
    }

    /// <summary>The modes as the wire has them.</summary>
    public static byte[] Encode(ReadOnlySpan<byte> attributes)
    {
        var result = new List<byte>(256);
        void Add(byte opcode, uint value)
        {
            result.Add(opcode);
            result.AddRange([(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value]);
        }

        var (input, output) = SpeedsOf(attributes);
        Add(OutputSpeed, output);
        Add(InputSpeed, input);
        for (var i = 0; i < Characters.Length; i += 3)
        {
            if (Characters[i + (IsMac ? 2 : 1)] is var place and >= 0)
            {
                var character = attributes[CharactersAt + place];
                Add((byte)Characters[i], character == (IsMac ? 255 : 0) ? NoCharacter : character);
            }
        }

        foreach (var (opcode, field, linux, mac) in Flags)
        {
            var bits = IsMac ? mac : linux;
            if (bits != 0)
            {
                Add(opcode, (Read(attributes, field) & bits) == bits ? 1u : 0);
            }
        }

        result.Add(0);
        return [.. result];
    }

    /// <summary>The modes of a terminal that has none set: no echo, no signals from keys, lines end as programs write them. What OpenSSH's master asks for when a passenger wants a terminal
    /// and has none; what such a passenger pipes in, a password say, is not sent back then.</summary>
    public static byte[] EncodeNone()
    {
        const int longerThanAny = 128;
        return Encode(new byte[longerThanAny]);
    }

    private static int WordSize => IsMac ? sizeof(ulong) : sizeof(uint);

    private static int CharactersAt => IsMac ? 32 : 17;

    private static uint Read(ReadOnlySpan<byte> attributes, Field field) => BinaryPrimitives.ReadUInt32LittleEndian(attributes[((int)field * WordSize)..]);

    private static void Write(Span<byte> attributes, Field field, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(attributes[((int)field * WordSize)..], value);

    private static void Clear(Span<byte> attributes, Field field, uint bits) => Write(attributes, field, Read(attributes, field) & ~bits);

    private static (uint Input, uint Output) SpeedsOf(ReadOnlySpan<byte> attributes)
    {
        if (IsMac)
        {
            return (BinaryPrimitives.ReadUInt32LittleEndian(attributes[56..]), BinaryPrimitives.ReadUInt32LittleEndian(attributes[64..]));
        }

        // CBAUD: four bits, and CBAUDEX for the faster ones. Linux has one speed for both ways.
        var code = Read(attributes, Field.Control);
        var speed = (uint)((code & 0x1000) != 0 ? FastSpeeds : Speeds)[(int)(code & 0xf)];
        return (speed, speed);
    }
}
