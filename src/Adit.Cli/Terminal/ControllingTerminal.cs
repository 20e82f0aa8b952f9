using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;

namespace Adit.Cli.Terminal;

/// <summary>The terminal this process belongs to, whatever standard input is. A question may turn echo off; it comes back on whatever ends the question,
/// signals included.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed partial class ControllingTerminal : IDisposable
{
    /// <summary>Longest answer; the rest of the line is thrown away, as readpassphrase(3) does.</summary>
    private const int MaxAnswer = 1024;

    private readonly int _descriptor;

    private ControllingTerminal(int descriptor) => _descriptor = descriptor;

    /// <summary>Opens the process's own terminal, or for tests another one; null where there is none.</summary>
    public static ControllingTerminal? TryOpen(string path = "/dev/tty")
    {
        var descriptor = Native.Open(path, Native.ReadWrite | Native.CloseOnExec | Native.NotOurs);
        return descriptor < 0 ? null : new ControllingTerminal(descriptor);
    }

    /// <summary>Shows <paramref name="prompt"/> and reads one line. Null at end of input and when cancelled. The first signal that ends the process
    /// restores the terminal and then takes its usual course.</summary>
    public Task<string?> AskAsync(string prompt, bool echo, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(() => Ask(prompt, echo, cancellationToken), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    public void Dispose() => _ = Native.Close(_descriptor);

    private unsafe string? Ask(string prompt, bool echo, CancellationToken cancellationToken)
    {
        var wake = stackalloc int[2];
        if (Native.Pipe(wake) != 0)
        {
            return null;
        }

        int reader = wake[0], writer = wake[1];
        var mode = new TerminalMode(_descriptor);
        var hasEnded = 0;
        try
        {
            if (!echo)
            {
                mode.EchoOff();
            }

            // A stopped process leaves the terminal as it found it, and takes the echo away again when it goes on.
            using var stop = PosixSignalRegistration.Create(PosixSignal.SIGTSTP, _ => mode.Restore());
            using var resume = PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ =>
            {
                if (!echo)
                {
                    mode.EchoOff();
                }

                Write(prompt);
            });
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Leave());
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Leave());
            using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, _ => mode.Restore());
            using var cancelled = cancellationToken.Register(() => Native.Write(writer, [0], 1));
            Write(prompt);
            var answer = ReadLine(reader);
            EndLine(); // the end that was typed was not shown
            return answer;
        }
        finally
        {
            mode.Restore();
            _ = Native.Close(reader);
            _ = Native.Close(writer);
        }

        // What the shell says next is not to stand behind the question.
        void Leave()
        {
            mode.Restore();
            EndLine();
        }

        void EndLine()
        {
            if (!echo && Interlocked.Exchange(ref hasEnded, 1) == 0)
            {
                Write("\n");
            }
        }
    }

    private void Write(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var sent = 0; sent < bytes.Length;)
        {
            var written = Native.Write(_descriptor, bytes.AsSpan(sent), (nuint)(bytes.Length - sent));
            if (written < 0 && Marshal.GetLastPInvokeError() != Native.Interrupted)
            {
                return;
            }

            sent += Math.Max(0, (int)written);
        }
    }

    /// <summary>Reads up to a line's end; null when <paramref name="wake"/> becomes readable or nothing comes any more.</summary>
    private unsafe string? ReadLine(int wake)
    {
        Span<byte> line = stackalloc byte[MaxAnswer];
        var length = 0;
        try
        {
            var waits = stackalloc Native.PollDescriptor[2];
            while (true)
            {
                waits[0] = new() { Descriptor = _descriptor, Events = Native.PollIn };
                waits[1] = new() { Descriptor = wake, Events = Native.PollIn };
                if (Native.Poll(waits, 2, -1) < 0)
                {
                    if (Marshal.GetLastPInvokeError() == Native.Interrupted)
                    {
                        continue;
                    }

                    return null;
                }

                if (waits[1].Results != 0)
                {
                    return null;
                }

                byte one;
                var count = Native.Read(_descriptor, &one, 1);
                if (count < 0 && Marshal.GetLastPInvokeError() == Native.Interrupted)
                {
                    continue;
                }

                if (count <= 0)
                {
                    return length == 0 ? null : Encoding.UTF8.GetString(line[..length]);
                }

                if (one == TerminalAttributes.GiveUp)
                {
                    return null;
                }

                if (one is (byte)'\n' or (byte)'\r')
                {
                    return Encoding.UTF8.GetString(line[..length]);
                }

                if (length < MaxAnswer)
                {
                    line[length++] = one;
                }
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(line);
        }
    }

    /// <summary>The terminal's settings, as they were and with echo off. The structure is the system's own business but for the word with the local flags.</summary>
    [UnsupportedOSPlatform("windows")]
    private sealed class TerminalMode
    {
        private const int Size = 256; // more than any system's struct termios
        private readonly byte[] _saved = new byte[Size];
        private readonly Lock _gate = new();
        private readonly int _descriptor;
        private readonly bool _known;
        private bool _changed;

        public TerminalMode(int descriptor)
        {
            _descriptor = descriptor;
            _known = Native.GetAttributes(descriptor, _saved) == 0;
        }

        public void EchoOff()
        {
            lock (_gate)
            {
                if (!_known)
                {
                    return;
                }

                var silent = (byte[])_saved.Clone();
                // struct termios begins with the input, output, control and local flags: 64 bits each on macOS, 32 everywhere else.
                if (OperatingSystem.IsMacOS() || OperatingSystem.IsIOS())
                {
                    Clear(silent.AsSpan(3 * sizeof(ulong)), 0x8 | 0x10);
                }
                else if (OperatingSystem.IsLinux())
                {
                    Clear(silent.AsSpan(3 * sizeof(uint)), 0x8 | 0x40);
                }
                else
                {
                    Clear(silent.AsSpan(3 * sizeof(uint)), 0x8 | 0x10);
                }

                _changed = Native.SetAttributes(_descriptor, Native.AfterFlush, silent) == 0;
            }
        }

        public void Restore()
        {
            lock (_gate)
            {
                if (_changed)
                {
                    _changed = false;
                    _ = Native.SetAttributes(_descriptor, Native.AfterFlush, _saved);
                }
            }
        }

        private static void Clear(Span<byte> flags, uint bits)
        {
            var word = MemoryMarshal.Cast<byte, uint>(flags); // both systems are little-endian: the low word holds these bits
            word[0] &= ~bits;
        }
    }

    private static unsafe partial class Native
    {
        public const int ReadWrite = 2;
        public const short PollIn = 1;
        public const int Interrupted = 4; // EINTR
        public const int AfterFlush = 2; // TCSAFLUSH: typed-ahead input is no answer

        public static int CloseOnExec => OperatingSystem.IsLinux() ? 0x80000 : OperatingSystem.IsMacOS() ? 0x1000000 : 0x100000;

        /// <summary>O_NOCTTY: looking at a terminal does not make it ours.</summary>
        public static int NotOurs => OperatingSystem.IsLinux() ? 0x100 : OperatingSystem.IsMacOS() ? 0x20000 : 0x8000;

        [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Open(string path, int flags);

        [LibraryImport("libc", EntryPoint = "close")]
        public static partial int Close(int descriptor);

        [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
        public static partial nint Read(int descriptor, byte* buffer, nuint count);

        [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
        public static partial nint Write(int descriptor, ReadOnlySpan<byte> buffer, nuint count);

        [LibraryImport("libc", EntryPoint = "pipe", SetLastError = true)]
        public static partial int Pipe(int* descriptors);

        [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
        public static partial int Poll(PollDescriptor* descriptors, nuint count, int timeout);

        [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
        public static partial int GetAttributes(int descriptor, Span<byte> attributes);

        [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
        public static partial int SetAttributes(int descriptor, int when, ReadOnlySpan<byte> attributes);

        [StructLayout(LayoutKind.Sequential)]
        public struct PollDescriptor
        {
            public int Descriptor;
            public short Events;
            public short Results;
        }
    }
}
