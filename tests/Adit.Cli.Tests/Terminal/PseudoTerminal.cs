using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Adit.Cli.Tests.Terminal;

/// <summary>A pseudo-terminal: the test holds the side of the person.</summary>
internal sealed partial class PseudoTerminal : IAsyncDisposable
{
    /// <summary>How long something may take to show. A machine that is busy with other tests needs seconds for what it does at once otherwise.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly FileStream _master;
    private readonly AnonymousPipeServerStream _end = new(PipeDirection.Out);
    private readonly Task _reading;
    private readonly StringBuilder _screen = new();
    private (string Text, TaskCompletionSource Shown)? _waiting;
    private int _looked;

    public PseudoTerminal()
    {
        var descriptor = posix_openpt(2 | 0x100); // O_RDWR | O_NOCTTY
        Assert.True(descriptor >= 0 && grantpt(descriptor) == 0 && unlockpt(descriptor) == 0);
        var name = new byte[128];
        Assert.Equal(0, ptsname_r(descriptor, name, (nuint)name.Length));
        Path = Encoding.ASCII.GetString(name.AsSpan(0, name.AsSpan().IndexOf((byte)0)));
        _master = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0);
        _reading = Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The other side's name: /dev/pts/N.</summary>
    public string Path { get; }

    /// <summary>Everything shown so far.</summary>
    public string Screen
    {
        get
        {
            lock (_screen)
            {
                return _screen.ToString();
            }
        }
    }

    /// <summary>Whether typing shows, by stty(1).</summary>
    public static bool Echoes(string path)
    {
        using var stty = Process.Start(new ProcessStartInfo("stty", ["-F", path, "-a"]) { RedirectStandardOutput = true })!;
        var settings = stty.StandardOutput.ReadToEnd().ReplaceLineEndings(" ");
        stty.WaitForExit();
        return settings.Contains(" echo ", StringComparison.Ordinal);
    }

    public void Type(string text)
    {
        _master.Write(Encoding.UTF8.GetBytes(text));
        _master.Flush();
    }

    /// <summary>As a window that is dragged: programs in it get SIGWINCH.</summary>
    public void Resize(int rows, int columns) =>
        Assert.Equal(0, ioctl((int)_master.SafeFileHandle.DangerousGetHandle(), 0x5414, [(ushort)rows, (ushort)columns, 0, 0])); // TIOCSWINSZ

    /// <summary>Waits until <paramref name="text"/> is shown, after what was waited for before.</summary>
    public async Task WaitForAsync(string text)
    {
        var shown = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_screen)
        {
            _waiting = (text, shown);
            Look();
        }

        try
        {
            await shown.Task.WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            Assert.Fail($"not shown within {Patience.TotalSeconds:0} s: \"{text}\". The screen has: {Screen}");
        }
    }

    /// <summary>As when a window is closed: who still holds the other side is hung up. Waits for nobody, for a test that failed has a better reason to tell.</summary>
    public async ValueTask DisposeAsync()
    {
        await _end.DisposeAsync();
        await _reading;
        await _master.DisposeAsync();
    }

    private void Read()
    {
        var buffer = new byte[4096];
        try
        {
            for (int count; WaitReadable() && (count = _master.Read(buffer)) > 0;)
            {
                lock (_screen)
                {
                    _screen.Append(Encoding.UTF8.GetString(buffer, 0, count));
                    Look();
                }
            }
        }
        catch (IOException)
        {
            // EIO: nobody holds the other side any more.
        }
    }

    /// <summary>False when the terminal is to be closed: a reader that is inside the system would keep it open.</summary>
    private bool WaitReadable()
    {
        const short Readable = 1; // POLLIN
        Span<PollDescriptor> descriptors =
        [
            new() { Descriptor = (int)_master.SafeFileHandle.DangerousGetHandle(), Events = Readable },
            new() { Descriptor = (int)_end.ClientSafePipeHandle.DangerousGetHandle(), Events = Readable },
        ];
        while (poll(ref descriptors[0], (nuint)descriptors.Length, -1) < 0)
        {
            // EINTR
        }

        return descriptors[1].Returned == 0;
    }

    private void Look()
    {
        if (_waiting is { } waiting && _screen.ToString().IndexOf(waiting.Text, _looked, StringComparison.Ordinal) is var at and >= 0)
        {
            _looked = at + waiting.Text.Length;
            _waiting = null;
            waiting.Shown.SetResult();
        }
    }

    [LibraryImport("libc")]
    private static partial int poll(ref PollDescriptor descriptors, nuint count, int timeout);

    [LibraryImport("libc")]
    private static partial int posix_openpt(int flags);

    [LibraryImport("libc")]
    private static partial int ioctl(int descriptor, nuint request, ushort[] size);

    [LibraryImport("libc")]
    private static partial int grantpt(int descriptor);

    [LibraryImport("libc")]
    private static partial int unlockpt(int descriptor);

    [LibraryImport("libc")]
    private static partial int ptsname_r(int descriptor, byte[] name, nuint length);

    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
