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
    private SafeFileHandle? _proof;
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
        if (Open(processId) is not { } descriptor)
        {
            // An old kernel, or a container that forbids it: a thread that waits.
            _ = BlockingWork.RunAsync(() => program.Reap(0), CancellationToken.None);
            return program;
        }

        program._watched = new PolledDescriptor(descriptor, _ => program.OnReady());
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
    public static RunningProgram OfAnother(int processId, bool endsItsGroup = false) => new(processId, endsItsGroup) { _proof = Open(processId) };

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

        IsLost(exit);
    }

    /// <summary>A child of another process that is gone: nothing is known of it any more, and its number may be somebody else's.</summary>
    public void IsLost(ProgramExit exit)
    {
        lock (_lock)
        {
            _reaped = true;
            _proof?.Dispose();
        }

        _exit.TrySetResult(exit);
    }

    /// <summary>A child of another process that is gone: nobody tells of its end any more, so it is ended. Its process group is hung up, and killed when it has ended or is still there after <paramref name="grace"/>; killed at once where it cannot be
    /// told how long its number is its own.</summary>
    public async Task EndOrphanAsync(TimeSpan grace)
    {
        if (_proof is { } proof && IsRunning(proof))
        {
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var watched = new PolledDescriptor(proof, _ =>
            {
                SignalGroup(ProcessCalls.SigKill); // at once: what it left in its group does not stay either, and without that its number is free
                ended.TrySetResult();
            });
            SignalGroup(ProcessCalls.SigHangup);
            SignalGroup(ProcessCalls.SigContinue);
            watched.Watch(DescriptorLoop.Readable);
            await Task.WhenAny(ended.Task, Task.Delay(grace)).ConfigureAwait(false);
            if (IsRunning(proof))
            {
                SignalGroup(ProcessCalls.SigKill);
            }

            watched.Close();
        }
        else
        {
            // Nothing shows how long its number is its own, or that of what it left in its group: now or never.
            SignalGroup(ProcessCalls.SigKill);
        }

        IsLost(new ProgramExit(null, ProcessCalls.SigHangup));
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

    /// <summary>Its pidfd, which tells of its end; null where there is none to be had.</summary>
    private static SafeFileHandle? Open(int processId)
    {
        var descriptor = (int)ProcessCalls.SystemCall(OpenProcess, processId, 0, 0);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true); // closed on exec as it is
    }

    private static unsafe bool IsRunning(SafeFileHandle proof)
    {
        var request = new ProcessCalls.PollRequest { Descriptor = (int)proof.DangerousGetHandle(), Events = (short)DescriptorLoop.Readable };
        return ProcessCalls.Poll(&request, 1, 0) == 0;
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
