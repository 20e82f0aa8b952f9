using System.Runtime.InteropServices;
using System.Text;
using Adit.Server.Users;
using Adit.Ssh;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>The helper's whole work (docs/adr/0004): reads from descriptor 3 what it is to become, takes that identity for good, looks whether it has it, and becomes the program. What it
/// cannot do it says on descriptor 4, which ends when it has become the program.</summary>
public static unsafe class StartHelperProcess
{
    private const int Spec = 3, Report = 4, Standard = 2;
    private const int Failed = 255, NoSuchProgram = 1;
    private const nint CloseRange = 436; // the same number everywhere
    private const int SignalCount = 64;
    private const uint MostSpec = 16 * 1024 * 1024;

    /// <summary>Returns only when something went wrong.</summary>
    public static int Run()
    {
        try
        {
            // Whatever else was inherited is not for the program.
            const int closeOnExec = 4;
            _ = ProcessCalls.SystemCall(CloseRange, Report, unchecked((nint)uint.MaxValue), closeOnExec);
            _ = ProcessCalls.Control(Report, ProcessCalls.SetDescriptorFlags, 1);
            var start = ReadSpec();
            Become(start);
            return start.Signal is { } signal ? Send(signal.Group, signal.Signal) : Execute(start);
        }
        catch (SshException problem)
        {
            Say(Report, problem.Message + "\n");
            return Failed;
        }
    }

    private static ProgramStart ReadSpec()
    {
        using var spec = new SafeFileHandle(Spec, ownsHandle: true);
        var content = new MemoryStream();
        Span<byte> buffer = stackalloc byte[8192];
        int count;
        while ((count = ProcessCalls.Read(spec, buffer, out var error)) != 0)
        {
            if (count < 0 || content.Length > MostSpec)
            {
                throw new SshException(SshError.FileAccess, $"session-start is for adit sshd's own use: {ProcessCalls.Describe(error)}");
            }

            content.Write(buffer[..count]);
        }

        return ProgramStart.Read(content.ToArray());
    }

    private static void Become(ProgramStart start)
    {
        LimitFiles(start.OpenFiles);
        if (start.Identity is { } identity)
        {
            TakeGroups(identity);
        }

        if (start.Root is { } root)
        {
            RootFolder.Enter(root);
        }

        if (start.Identity is not null)
        {
            TakeUser(start.Identity);
        }
    }

    private static void TakeGroups(UserIdentity identity)
    {
        uint[] groups = [.. identity.Groups];
        fixed (uint* pointer = groups)
        {
            if (ProcessCalls.SetGroups((nuint)groups.Length, pointer) != 0)
            {
                throw Fatal("setgroups");
            }
        }

        if (ProcessCalls.SetGroup(identity.Gid, identity.Gid, identity.Gid) != 0)
        {
            throw Fatal("setresgid");
        }
    }

    /// <summary>From here on nothing is believed: the kernel may be asked to do less than it says (seccomp), and a program with root's rights in the hands of a user is the worst there is.</summary>
    private static void TakeUser(UserIdentity identity)
    {
        if (ProcessCalls.SetUser(identity.Uid, identity.Uid, identity.Uid) != 0)
        {
            throw Fatal("setresuid");
        }

        uint real, effective, saved;
        if (ProcessCalls.GetUser(&real, &effective, &saved) != 0 || real != identity.Uid || effective != identity.Uid || saved != identity.Uid
            || ProcessCalls.GetGroup(&real, &effective, &saved) != 0 || real != identity.Gid || effective != identity.Gid || saved != identity.Gid
            || !GroupsTaken().Order().SequenceEqual(identity.Groups.Order()))
        {
            throw new SshException(SshError.PolicyDenied, $"the identity of uid {identity.Uid} was taken but is not there");
        }

        const uint unchanged = uint.MaxValue;
        if (identity.Uid == 0)
        {
            return;
        }

        if (HasCapabilities() || ProcessCalls.SetUser(unchanged, 0, unchanged) == 0 || ProcessCalls.SetUser(0, 0, 0) == 0
            || (identity.Gid != 0 && !identity.Groups.Contains(0u) && ProcessCalls.SetGroup(unchanged, 0, unchanged) == 0) || ProcessCalls.SetGroups(0, null) == 0)
        {
            throw new SshException(SshError.PolicyDenied, $"was able to get root's rights back after taking the identity of uid {identity.Uid}");
        }
    }

    private static uint[] GroupsTaken()
    {
        var groups = new uint[Math.Max(ProcessCalls.GetGroups(0, null), 0)];
        fixed (uint* pointer = groups)
        {
            _ = ProcessCalls.GetGroups(groups.Length, pointer);
        }

        return groups;
    }

    private static bool HasCapabilities()
    {
        const int setsLength = 6; // effective, permitted, inheritable, twice
        var header = stackalloc uint[2];
        header[0] = 0x20080522; // _LINUX_CAPABILITY_VERSION_3
        header[1] = 0;
        var sets = stackalloc uint[setsLength];
        return ProcessCalls.GetCapabilities(header, sets) != 0 || (sets[0] | sets[1] | sets[3] | sets[4]) != 0;
    }

    private static int Send(int group, int signal) => ProcessCalls.Kill(-group, signal) == 0 ? 0 : NoSuchProgram;

    private static int Execute(ProgramStart start)
    {
        using var folder = new NativeStrings([start.WorkingFolder]);
        if (ProcessCalls.ChangeFolder(folder.First) != 0 && start.Root is null)
        {
            Say(Standard, $"Could not chdir to home directory {start.WorkingFolder}: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}\n");
        }

        using var path = new NativeStrings([start.File]);
        using var arguments = new NativeStrings(start.Arguments);
        using var environment = new NativeStrings(start.Environment.Select(variable => $"{variable.Key}={variable.Value}"));
        var signals = stackalloc byte[ProcessCalls.OpaqueSize];
        _ = ProcessCalls.EmptySignals(signals);

        // What the runtime ignores would stay ignored in the program (SIGPIPE above all).
        for (var signal = 1; signal <= SignalCount; signal++)
        {
            if (signal is not (ProcessCalls.SigKill or ProcessCalls.SigStop))
            {
                _ = ProcessCalls.SetSignal(signal, 0);
            }
        }

        ResetLibrarySignals();
        const int setMask = 2;
        _ = ProcessCalls.SetThreadMask(setMask, signals, null);
        _ = ProcessCalls.Execute(path.First, arguments.Pointer, environment.Pointer);
        Say(Standard, $"{start.File}: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}\n");
        return NoSuchProgram;
    }

    /// <summary>The C library keeps two signals to itself, leaves the first ignored in what posix_spawn starts (as this process was), and lets nobody change that by its own functions.</summary>
    private static void ResetLibrarySignals()
    {
        const int first = 32, second = 33, maskLength = 8, actionLength = 32;
        var number = RuntimeInformation.ProcessArchitecture switch { Architecture.X64 => 13, Architecture.Arm64 => 134, _ => 0 };
        var action = stackalloc byte[actionLength]; // SIG_DFL and no flags
        new Span<byte>(action, actionLength).Clear();
        if (number != 0)
        {
            _ = ProcessCalls.SystemCall(number, first, (nint)action, 0, maskLength);
            _ = ProcessCalls.SystemCall(number, second, (nint)action, 0, maskLength);
        }
    }

    private static void LimitFiles(ulong files)
    {
        const int openFiles = 7; // RLIMIT_NOFILE
        var limits = stackalloc ulong[2];
        if (files > 0 && ProcessCalls.SetLimit(0, openFiles, null, limits) == 0 && limits[0] > files)
        {
            limits[0] = files;
            _ = ProcessCalls.SetLimit(0, openFiles, limits, null);
        }
    }

    private static void Say(int descriptor, string text)
    {
        using var target = new SafeFileHandle(descriptor, ownsHandle: false);
        _ = ProcessCalls.Write(target, Encoding.UTF8.GetBytes(text), out _);
    }

    private static SshException Fatal(string call) => new(SshError.PolicyDenied, $"{call}: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}");
}
