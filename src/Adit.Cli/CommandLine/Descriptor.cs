using System.Runtime.InteropServices;

namespace Adit.Cli.CommandLine;

/// <summary>Standard input, output and error as the plain file descriptors they are. <see cref="Console"/>'s streams set up the terminal, and say so on it, and
/// a FileStream writes to a regular file at a position of its own, over what others who share the descriptor wrote.</summary>
internal static partial class Descriptor
{
    public const int StandardInput = 0;
    public const int StandardOutput = 1;
    public const int StandardError = 2;

    /// <summary>EINTR.</summary>
    internal const int Interrupted = 4;

    private const short PollIn = 1;
    private const short PollOut = 4;

    private static readonly int WouldBlock = OperatingSystem.IsLinux() ? 11 : 35;
    private static readonly Lazy<Stream[]> ConsoleStreams = new(() => [Console.OpenStandardInput(), Console.OpenStandardOutput(), Console.OpenStandardError()]);

    /// <summary>Waits for bytes; 0 at the end. A failure counts as the end.</summary>
    public static int Read(int descriptor, Span<byte> buffer)
    {
        if (OperatingSystem.IsWindows())
        {
            return ConsoleStreams.Value[descriptor].Read(buffer);
        }

        while (true)
        {
            var count = read(descriptor, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
            if (count >= 0)
            {
                return (int)count;
            }

            if (!MayRetry(descriptor, PollIn))
            {
                return 0;
            }
        }
    }

    /// <summary>Writes all of it, waiting as long as it takes. False when nobody reads any more, or the disk is full.</summary>
    public static bool Write(int descriptor, ReadOnlySpan<byte> data)
    {
        if (OperatingSystem.IsWindows())
        {
            ConsoleStreams.Value[descriptor].Write(data);
            return true;
        }

        while (!data.IsEmpty)
        {
            var count = write(descriptor, ref MemoryMarshal.GetReference(data), (nuint)data.Length);
            if (count >= 0)
            {
                data = data[(int)count..];
            }
            else if (!MayRetry(descriptor, PollOut))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether a small write would not have to wait.</summary>
    public static bool HasRoom(int descriptor)
    {
        if (OperatingSystem.IsWindows())
        {
            return false;
        }

        var wanted = new PollDescriptor { Descriptor = descriptor, Events = PollOut };
        return poll(ref wanted, 1, 0) == 1 && wanted.Returned == PollOut;
    }

    /// <summary>Whether it is a terminal.</summary>
    public static bool IsTerminal(int descriptor) => !OperatingSystem.IsWindows() && isatty(descriptor) == 1;

    /// <summary>After a signal at once; where whoever shares the descriptor made it non-blocking, when it is ready.</summary>
    private static bool MayRetry(int descriptor, short events)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error == WouldBlock)
        {
            var wanted = new PollDescriptor { Descriptor = descriptor, Events = events };
            _ = poll(ref wanted, 1, -1);
        }

        return error == Interrupted || error == WouldBlock;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int descriptor, ref byte buffer, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, ref readonly byte data, nuint length);

    [LibraryImport("libc")]
    private static partial int isatty(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollDescriptor descriptors, nuint count, int timeout);
}
