using System.Runtime.InteropServices;
using System.Text;
using Adit.Ssh;
using Adit.Ssh.Wire.Messages;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>A pseudo-terminal: the end that this process reads and writes, which makes nobody wait, and the end that a program sees. When the last descriptor of the first is closed,
/// the kernel hangs up: the program's session gets SIGHUP.</summary>
internal sealed unsafe class PseudoTerminal : IDisposable
{
    private const nuint SetWindowSize = 0x5414; // TIOCSWINSZ
    private const int PathRoom = 128;

    private SafeFileHandle? _slave;

    private PseudoTerminal(SafeFileHandle master, SafeFileHandle slave, string path) => (Master, _slave, Path) = (master, slave, path);

    /// <summary>This process's end.</summary>
    public SafeFileHandle Master { get; }

    /// <summary>The program's end: "/dev/pts/3".</summary>
    public string Path { get; }

    /// <summary>Throws <see cref="SshException"/> when there is none to be had.</summary>
    public static PseudoTerminal Open()
    {
        var master = ProcessCalls.Own(ProcessCalls.OpenTerminal(ProcessCalls.OpenReadWrite | ProcessCalls.OpenNoControllingTerminal | ProcessCalls.OpenCloseOnExec));
        SafeFileHandle? slave = null;
        try
        {
            var name = stackalloc byte[PathRoom];
            if (master.IsInvalid || ProcessCalls.GrantTerminal(master) != 0 || ProcessCalls.UnlockTerminal(master) != 0)
            {
                throw Failed("openpty", Marshal.GetLastPInvokeError());
            }

            if (ProcessCalls.TerminalName(master, name, PathRoom) is not 0 and var error)
            {
                throw Failed("ptsname_r", error);
            }

            var path = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(name));
            slave = ProcessCalls.Own(Users.LibC.Open(path, ProcessCalls.OpenReadWrite | ProcessCalls.OpenNoControllingTerminal | ProcessCalls.OpenCloseOnExec));
            if (slave.IsInvalid)
            {
                throw Failed(path, Marshal.GetLastPInvokeError());
            }

            ProgramLauncher.SetNonBlocking(master);
            return new PseudoTerminal(master, slave, path);
        }
        catch
        {
            slave?.Dispose();
            master.Dispose();
            throw;
        }
    }

    /// <summary>Gives the program's end to a user. Throws <see cref="SshException"/> when that fails.</summary>
    /// <param name="user">Who gets it.</param>
    /// <param name="group">The group "tty", whose programs may write messages to it; null where there is none, then nobody may.</param>
    /// <param name="userGroup">The user's group, for that case.</param>
    public void GiveTo(uint user, uint? group, uint userGroup)
    {
        const uint userAlone = 0x180, withGroup = 0x190; // 0600, 0620
        if (ProcessCalls.ChangeOwner(_slave!, user, group ?? userGroup) != 0 || ProcessCalls.ChangeMode(_slave!, group is null ? userAlone : withGroup) != 0)
        {
            throw Failed($"chown({Path}, {user}, {group ?? userGroup})", Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Sets what the client's terminal is set to (RFC 4254, section 8).</summary>
    public void ApplyModes(ReadOnlySpan<byte> modes)
    {
        var attributes = stackalloc byte[TerminalModes.AttributesLength];
        var span = new Span<byte>(attributes, TerminalModes.AttributesLength);
        if (_slave is { } slave && ProcessCalls.GetTerminal(slave, attributes) == 0)
        {
            TerminalModes.Apply(modes, span);
            _ = ProcessCalls.SetTerminal(slave, 0, attributes);
        }
    }

    /// <summary>A size larger than a terminal can have is cut, as sshd does.</summary>
    public void Resize(WindowSize size)
    {
        var values = stackalloc ushort[4]; // struct winsize
        (values[0], values[1], values[2], values[3]) = ((ushort)size.Rows, (ushort)size.Columns, (ushort)size.PixelWidth, (ushort)size.PixelHeight);
        try
        {
            _ = ProcessCalls.ControlDevice(Master, SetWindowSize, values);
        }
        catch (ObjectDisposedException)
        {
            // the program is over
        }
    }

    /// <summary>False when it cannot be sent.</summary>
    public bool SendBreak()
    {
        try
        {
            return ProcessCalls.SendBreak(Master, 0) == 0;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Another descriptor of this process's end; it counts as one that holds the terminal.</summary>
    public SafeFileHandle DuplicateMaster()
    {
        var copy = ProcessCalls.Own(ProcessCalls.Control(Master, ProcessCalls.DuplicateCloseOnExec, 3));
        return copy.IsInvalid ? throw Failed("dup", Marshal.GetLastPInvokeError()) : copy;
    }

    /// <summary>The program has its end, so this process's hold on that can go: reading shows when the program's is closed.</summary>
    public void ReleaseSlave()
    {
        _slave?.Dispose();
        _slave = null;
    }

    public void Dispose()
    {
        ReleaseSlave();
        Master.Dispose();
    }

    private static SshException Failed(string what, int error) => new(SshError.ResourceLimit, $"{what}: {ProcessCalls.Describe(error)}");
}
