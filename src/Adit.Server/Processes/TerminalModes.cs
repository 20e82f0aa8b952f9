using System.Buffers.Binary;

namespace Adit.Server.Processes;

/// <summary>The settings of a terminal as RFC 4254, section 8, encodes them, applied to the C library's struct termios of Linux.</summary>
internal static class TerminalModes
{
    /// <summary>Four words of flags, the line discipline, 32 characters (and padding), two speeds.</summary>
    public const int AttributesLength = 60;

    private const int InputFlags = 0, OutputFlags = 4, ControlFlags = 8, LocalFlags = 12, Characters = 17;

    private const byte End = 0, InputSpeed = 128, OutputSpeed = 129, FirstUndefined = 160;
    private const byte FirstCharacter = 1, FirstFlag = 30;

    /// <summary>Where the characters VINTR … VDISCARD of opcodes 1 to 18 are; -1 for those that Linux has not.</summary>
    private static ReadOnlySpan<sbyte> CharacterIndex => [0, 1, 2, 3, 4, 11, 16, 8, 9, 10, -1, 12, 14, 15, -1, 7, -1, 13];

    private static readonly (byte Opcode, byte Word, uint Bit)[] Flags =
    [
        (30, InputFlags, 0x4), (31, InputFlags, 0x8), (32, InputFlags, 0x10), (33, InputFlags, 0x20), (34, InputFlags, 0x40), (35, InputFlags, 0x80), (36, InputFlags, 0x100),
        (37, InputFlags, 0x200), (38, InputFlags, 0x400), (39, InputFlags, 0x800), (40, InputFlags, 0x1000), (41, InputFlags, 0x2000), (42, InputFlags, 0x4000),
        (50, LocalFlags, 0x1), (51, LocalFlags, 0x2), (52, LocalFlags, 0x4), (53, LocalFlags, 0x8), (54, LocalFlags, 0x10), (55, LocalFlags, 0x20), (56, LocalFlags, 0x40),
        (57, LocalFlags, 0x80), (58, LocalFlags, 0x100), (59, LocalFlags, 0x8000), (60, LocalFlags, 0x200), (61, LocalFlags, 0x800), (62, LocalFlags, 0x4000),
        (70, OutputFlags, 0x1), (71, OutputFlags, 0x2), (72, OutputFlags, 0x4), (73, OutputFlags, 0x8), (74, OutputFlags, 0x10), (75, OutputFlags, 0x20),
        (90, ControlFlags, 0x20), (91, ControlFlags, 0x30), (92, ControlFlags, 0x100), (93, ControlFlags, 0x200),
    ];

    /// <summary>The speeds of struct termios by their bits per second.</summary>
    private static readonly (uint Rate, uint Speed)[] Speeds =
    [
        (0, 0), (50, 1), (75, 2), (110, 3), (134, 4), (150, 5), (200, 6), (300, 7), (600, 8), (1200, 9), (1800, 10), (2400, 11), (4800, 12), (9600, 13), (19200, 14), (38400, 15),
        (57600, 0x1001), (115200, 0x1002), (230400, 0x1003),
    ];

    /// <summary>Applies them in order, up to the end mark, to the first opcode that has no defined length, or to where they break off.</summary>
    /// <param name="modes">What the client sent.</param>
    /// <param name="attributes">struct termios.</param>
    public static void Apply(ReadOnlySpan<byte> modes, Span<byte> attributes)
    {
        while (!modes.IsEmpty && modes[0] is not End and < FirstUndefined && modes.Length >= 1 + sizeof(uint))
        {
            Apply(modes[0], BinaryPrimitives.ReadUInt32BigEndian(modes[1..]), attributes);
            modes = modes[(1 + sizeof(uint))..];
        }
    }

    private static void Apply(byte opcode, uint value, Span<byte> attributes)
    {
        switch (opcode)
        {
            case InputSpeed or OutputSpeed:
                SetSpeed(value, attributes);
                break;
            case >= FirstCharacter when opcode - FirstCharacter < CharacterIndex.Length:
                if (CharacterIndex[opcode - FirstCharacter] is >= 0 and var index)
                {
                    const uint disabled = 255;
                    attributes[Characters + index] = value == disabled ? (byte)0 : (byte)value;
                }

                break;
            case >= FirstFlag:
                foreach (var flag in Flags)
                {
                    if (flag.Opcode == opcode)
                    {
                        SetBit(attributes[flag.Word..], flag.Bit, value != 0);
                    }
                }

                break;
        }
    }

    /// <summary>Linux has one speed for both ways here.</summary>
    private static void SetSpeed(uint rate, Span<byte> attributes)
    {
        const uint speedMask = 0x100F;
        foreach (var (known, speed) in Speeds)
        {
            if (known == rate)
            {
                var flags = BinaryPrimitives.ReadUInt32LittleEndian(attributes[ControlFlags..]);
                BinaryPrimitives.WriteUInt32LittleEndian(attributes[ControlFlags..], (flags & ~speedMask) | speed);
            }
        }
    }

    private static void SetBit(Span<byte> word, uint bit, bool on)
    {
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(word);
        BinaryPrimitives.WriteUInt32LittleEndian(word, on ? flags | bit : flags & ~bit);
    }
}
