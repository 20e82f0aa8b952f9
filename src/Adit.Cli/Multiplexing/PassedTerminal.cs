using System.Runtime.InteropServices;

namespace Adit.Cli.Multiplexing;

/// <summary>Looks at a terminal that belongs to somebody else.</summary>
internal static partial class PassedTerminal
{
    private const nuint GetWindowSize = 0x5413; // TIOCGWINSZ

    /// <summary>Its size; all zero where it is no terminal.</summary>
    public static (int Columns, int Rows, int Width, int Height) Size(int descriptor) =>
        ioctl(descriptor, GetWindowSize, out var size) == 0 ? (size.Columns, size.Rows, size.Width, size.Height) : default;

    [LibraryImport("libc")]
    private static partial int ioctl(int descriptor, nuint request, out WindowSize size);

    /// <summary>struct winsize</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }
}
