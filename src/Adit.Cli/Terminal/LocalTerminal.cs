using System.Runtime.InteropServices;
using Adit.Cli.CommandLine;

namespace Adit.Cli.Terminal;

/// <summary>A terminal's size; pixels are 0 where not known.</summary>
internal readonly record struct TerminalSize(int Columns, int Rows, int PixelWidth, int PixelHeight);

/// <summary>The terminal that a session is shown on. While it is raw every key goes to the far side unread; it is put right again on whatever ends that, signals included, and a process that
/// was stopped makes it raw again when it goes on.</summary>
internal sealed partial class LocalTerminal : IDisposable
{
    private const int AfterOutput = 1; // TCSADRAIN
    private const int AttributesSize = 256; // more than any system's struct termios

    private readonly int _descriptor;
    private readonly byte[] _saved;
    private readonly Lock _gate = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private bool _wanted;
    private bool _raw;

    private LocalTerminal(int descriptor, byte[] saved) => (_descriptor, _saved) = (descriptor, saved);

    /// <summary>Null where the descriptor is no terminal.</summary>
    public static LocalTerminal? TryOpen(int descriptor)
    {
        var attributes = new byte[AttributesSize];
        return Descriptor.IsTerminal(descriptor) && tcgetattr(descriptor, attributes) == 0 ? new LocalTerminal(descriptor, attributes) : null;
    }

    /// <summary>Its modes before it became raw, as the system keeps them.</summary>
    public ReadOnlySpan<byte> Attributes => _saved;

    /// <summary>Its size now; zeros where not known.</summary>
    public TerminalSize Size
    {
        get
        {
            var size = new ushort[4];
            return ioctl(_descriptor, OperatingSystem.IsLinux() ? 0x5413u : 0x40087468u, size) == 0 ? new TerminalSize(size[1], size[0], size[2], size[3]) : default;
        }
    }

    /// <summary>Keys go through as they are from now on.</summary>
    public void EnterRaw()
    {
        if (_signals.Count == 0 && !OperatingSystem.IsWindows())
        {
            // The first ending signal is for an orderly end, by whoever handles it, and the next takes its usual course: either way the terminal is put right.
            foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT })
            {
                _signals.Add(PosixSignalRegistration.Create(signal, _ => LeaveRaw()));
            }

            _signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGCONT, context =>
            {
                context.Cancel = true; // or the runtime puts back what it found at the start
                Resume();
            }));
        }

        lock (_gate)
        {
            _wanted = true;
            Set();
        }
    }

    /// <summary>As it was.</summary>
    public void LeaveRaw()
    {
        lock (_gate)
        {
            _wanted = false;
            Restore();
        }
    }

    /// <summary>As it was, for an answer to be typed by, but for keys that would end the session: <see cref="ControllingTerminal"/> knows Ctrl-C. <see cref="EnterRaw"/> follows.</summary>
    public void EnterQuestion()
    {
        lock (_gate)
        {
            _wanted = false;
            var lines = (byte[])_saved.Clone();
            TerminalAttributes.MakeQuestion(lines);
            _raw = tcsetattr(_descriptor, AfterOutput, lines) == 0; // to be put back whatever happens
        }
    }

    /// <summary>Stops this process as Ctrl-Z at a shell does; returns when it was continued.</summary>
    public void Suspend()
    {
        lock (_gate)
        {
            Restore();
        }

        _ = kill(Environment.ProcessId, OperatingSystem.IsLinux() ? 20 : 18); // SIGTSTP
        Resume();
    }

    public void Dispose()
    {
        foreach (var signal in _signals)
        {
            signal.Dispose();
        }

        LeaveRaw();
    }

    private void Resume()
    {
        lock (_gate)
        {
            if (_wanted)
            {
                Set();
            }
        }
    }

    private void Set()
    {
        var raw = (byte[])_saved.Clone();
        TerminalAttributes.MakeRaw(raw);
        _raw = tcsetattr(_descriptor, AfterOutput, raw) == 0;
    }

    private void Restore()
    {
        if (_raw)
        {
            _raw = false;
            _ = tcsetattr(_descriptor, AfterOutput, _saved);
        }
    }

    [LibraryImport("libc")]
    private static partial int tcgetattr(int descriptor, Span<byte> attributes);

    [LibraryImport("libc")]
    private static partial int tcsetattr(int descriptor, int when, ReadOnlySpan<byte> attributes);

    [LibraryImport("libc")]
    private static partial int ioctl(int descriptor, nuint request, Span<ushort> size);

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);
}
