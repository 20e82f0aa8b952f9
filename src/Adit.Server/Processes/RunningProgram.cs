using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Adit.Server.Users;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>How a program ended: one of the two is set, or neither where somebody else has reaped it.</summary>
internal readonly record struct ProgramExit(int? Status, int? Signal = null, bool CoreDumped = false)
{
    /// <summary>Room for waitid's siginfo_t.</summary>
    public const int InformationLength = 128;

    /// <summary>From what waitid filled in.</summary>
    public static ProgramExit Read(ReadOnlySpan<byte> information)
    {
        const int codeOffset = 8, statusOffset = 24, exited = 1, dumped = 3;
        var code = BinaryPrimitives.ReadInt32LittleEndian(information[codeOffset..]);
        var status = BinaryPrimitives.ReadInt32LittleEndian(information[statusOffset..]);
        return code == 0 ? default : code == exited ? new ProgramExit(status) : new ProgramExit(null, status, code == dumped);
    }
}

/// <summary>A child of this process, or of one that starts programs for it (<see cref="IProgramParent"/>), the leader of a session and of a process group, from its start to its end. It is reaped as soon as it has ended, whoever waits or not.</summary>
internal sealed class RunningProgram
{
    private const int ById = 1, Exited = 4, NoHang = 1;
    private const nint OpenProcess = 434; // pidfd_open; the same number everywhere

    private readonly TaskCompletionSource<ProgramExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private PolledDescriptor? _watched;
    private bool _reaped;

    private readonly bool _endsItsGroup;

    private RunningProgram(int processId, bool endsItsGroup = false) => (ProcessId, _endsItsGroup) = (processId, endsItsGroup);

    public int ProcessId { get; }

    /// <summary>Completes when it has ended. Never faults.</summary>
    public Task<ProgramExit> Exit => _exit.Task;

    /// <summary>Takes a child over.</summary>
    /// <param name="processId">The child.</param>
    /// <param name="endsItsGroup">What is left of its process group is killed once it has ended, before its number can be another's.</param>
    public static RunningProgram Watch(int processId, bool endsItsGroup = false)
    {
        var program = new RunningProgram(processId, endsItsGroup);
        var descriptor = (int)ProcessCalls.SystemCall(OpenProcess, processId, 0, 0);
        if (descriptor < 0)
        {
            // An old kernel, or a container that forbids it: a thread that waits.
            _ = BlockingWork.RunAsync(() => program.Reap(0), CancellationToken.None);
            return program;
        }

        _ = ProcessCalls.Control(descriptor, ProcessCalls.SetDescriptorFlags, 1);
        program._watched = new PolledDescriptor(new SafeFileHandle(descriptor, ownsHandle: true), _ => program.OnReady());
        program._watched.Watch(DescriptorLoop.Readable);
        return program;
    }

    /// <summary>One that could not be started, and ended as a shell would have that found no program.</summary>
    public static RunningProgram Ended(int status)
    {
        var program = new RunningProgram(0) { _reaped = true };
        program._exit.SetResult(new ProgramExit(status));
        return program;
    }

    /// <summary>A child of another process, which keeps its number taken until <see cref="HasEnded"/> was called and tells of its end.</summary>
    public static RunningProgram OfAnother(int processId, bool endsItsGroup = false) => new(processId, endsItsGroup);

    /// <summary>A child of another process has ended: from here on its number may be somebody else's.</summary>
    public void HasEnded(ProgramExit exit)
    {
        lock (_lock)
        {
            if (!_reaped)
            {
                _reaped = true;
                EndGroup();
            }
        }

        _exit.TrySetResult(exit);
    }

    /// <summary>A child of another process that is gone: nobody tells of its end any more, so it is ended. Its process group is hung up, and killed when it is still there after <paramref name="grace"/>.</summary>
    public async Task EndOrphanAsync(TimeSpan grace)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var descriptor = (int)ProcessCalls.SystemCall(OpenProcess, ProcessId, 0, 0);
        PolledDescriptor? watched = null;
        if (descriptor >= 0)
        {
            _ = ProcessCalls.Control(descriptor, ProcessCalls.SetDescriptorFlags, 1);
            watched = new PolledDescriptor(new SafeFileHandle(descriptor, ownsHandle: true), _ => ended.TrySetResult());
            watched.Watch(DescriptorLoop.Readable);
        }

        SignalGroup(ProcessCalls.SigHangup);
        SignalGroup(ProcessCalls.SigContinue);
        await Task.WhenAny(ended.Task, Task.Delay(grace)).ConfigureAwait(false);
        SignalGroup(ProcessCalls.SigKill); // what it left in its group does not stay either
        watched?.Close();
        HasEnded(new ProgramExit(null, ProcessCalls.SigHangup));
    }

    /// <summary>Sends a signal to its process group, with this process's rights. False when it has ended, or may not be sent any.</summary>
    public bool SignalGroup(int signal)
    {
        lock (_lock)
        {
            // Until it is reaped its number is nobody else's.
            return !_reaped && ProcessCalls.Kill(-ProcessId, signal) == 0;
        }
    }

    private void OnReady()
    {
        if (Reap(NoHang))
        {
            _watched!.Close();
        }
        else
        {
            _watched!.Watch(DescriptorLoop.Readable);
        }
    }

    private bool Reap(int options)
    {
        const int leaveIt = 0x1000000; // WNOWAIT
        Span<byte> information = stackalloc byte[ProgramExit.InformationLength];
        information.Clear();
        lock (_lock)
        {
            if (options == NoHang)
            {
                if (!TryWait(information, NoHang | leaveIt))
                {
                    return false;
                }

                EndGroup();
                _ = TryWait(information, NoHang);
            }
        }

        if (options != NoHang)
        {
            // Without the lock: it waits. First for the end alone, so that the number stays taken until the mark is set.
            _ = TryWait(information, leaveIt);
            lock (_lock)
            {
                EndGroup();
                _ = TryWait(information, NoHang);
                _reaped = true;
            }
        }

        _exit.TrySetResult(ProgramExit.Read(information));
        return true;
    }

    private void EndGroup()
    {
        if (_endsItsGroup)
        {
            _ = ProcessCalls.Kill(-ProcessId, ProcessCalls.SigKill);
        }
    }

    /// <summary>True when it has ended; also when it is no child any more.</summary>
    private unsafe bool TryWait(Span<byte> information, int options)
    {
        fixed (byte* pointer = information)
        {
            int result;
            do
            {
                result = ProcessCalls.Wait(ById, ProcessId, pointer, Exited | options);
            }
            while (result != 0 && Marshal.GetLastPInvokeError() == ProcessCalls.Interrupted);
            const int processOffset = 16; // 0: still running
            if (result == 0 && BinaryPrimitives.ReadInt32LittleEndian(information[processOffset..]) == 0)
            {
                return false;
            }

            _reaped |= options == NoHang;
            return true;
        }
    }
}
