using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Sftp;
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

    private static readonly int[] EndingSignals = [1, 2, 3, 15]; // HUP, INT, QUIT, TERM

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
            if (start.Sftp is { } sftp && OperatingSystem.IsLinux())
            {
                return Serve(start, sftp);
            }

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

    /// <summary>The root folder last but one: whoever can write below it could have us load something as root, so from there to the user's identity nothing runs that did not run before.</summary>
    private static void Become(ProgramStart start)
    {
        LimitFiles(start.OpenFiles);
        start.Attributes.Apply();
        if (start.Identity is not { } identity)
        {
            if (start.Root is { } folder)
            {
                RootFolder.Enter(folder);
            }

            return;
        }

        TakeGroups(identity);
        uint[] groups = [.. identity.Groups.Distinct().Order()];
        var taken = new uint[groups.Length + 1];
        const uint unchanged = uint.MaxValue;
        _ = TakeUser(unchanged, unchanged, groups, taken);
        if (start.Root is { } root)
        {
            RootFolder.Enter(root);
        }

        switch (TakeUser(identity.Uid, identity.Gid, groups, taken))
        {
            case Identity.Refused:
                throw Fatal("setresuid");
            case Identity.NotThere:
                throw new SshException(SshError.PolicyDenied, $"the identity of uid {identity.Uid} was taken but is not there");
            case Identity.NotAlone:
                throw new SshException(SshError.PolicyDenied, $"was able to get root's rights back after taking the identity of uid {identity.Uid}");
        }
    }

    private enum Identity
    {
        Taken,
        Refused,
        NotThere,
        NotAlone,
    }

    private static void TakeGroups(UserIdentity identity)
    {
        uint[] groups = [.. identity.Groups.Distinct()];
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

    /// <summary>From here on nothing is believed: the kernel may be asked to do less than it says (seccomp), and a program with root's rights in the hands of a user is the worst there is.
    /// With -1 for the ids nothing is changed: a rehearsal, after which every call in here is compiled and bound.</summary>
    private static Identity TakeUser(uint uid, uint gid, uint[] groups, uint[] taken)
    {
        const uint unchanged = uint.MaxValue;
        var isRehearsal = uid == unchanged;
        if (ProcessCalls.SetUser(uid, uid, uid) != 0)
        {
            return Identity.Refused;
        }

        uint real, effective, saved;
        var isThere = ProcessCalls.GetUser(&real, &effective, &saved) == 0 && real == uid && effective == uid && saved == uid;
        isThere = (isRehearsal || isThere) && ProcessCalls.GetGroup(&real, &effective, &saved) == 0 && real == gid && effective == gid && saved == gid;
        if (!HasGroups(groups, taken) || !(isRehearsal || isThere))
        {
            return Identity.NotThere;
        }

        var hasCapabilities = HasCapabilities();
        if (uid == 0)
        {
            return Identity.Taken;
        }

        var root = isRehearsal ? unchanged : 0;
        var isRootAgain = ProcessCalls.SetUser(unchanged, root, unchanged) == 0;
        isRootAgain |= ProcessCalls.SetUser(root, root, root) == 0;
        isRootAgain |= gid != 0 && (isRehearsal || Array.IndexOf(groups, 0u) < 0) && ProcessCalls.SetGroup(unchanged, root, unchanged) == 0;
        isRootAgain |= !isRehearsal && ProcessCalls.SetGroups(0, null) == 0; // bound by TakeGroups
        return hasCapabilities || isRootAgain ? Identity.NotAlone : Identity.Taken;
    }

    /// <summary>Whether this process has these groups, which are in rising order, and no others.</summary>
    private static bool HasGroups(uint[] groups, uint[] taken)
    {
        fixed (uint* pointer = taken)
        {
            if (ProcessCalls.GetGroups(taken.Length, pointer) != groups.Length)
            {
                return false;
            }
        }

        Array.Sort(taken, 0, groups.Length);
        return groups.AsSpan().SequenceEqual(taken.AsSpan(0, groups.Length));
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

    /// <summary>Becomes an SFTP server in place of a program: nothing of one has to be where this process is now.</summary>
    [SupportedOSPlatform("linux")]
    private static int Serve(ProgramStart start, SftpStart sftp)
    {
        // The user may have set it: with root's rights no file is opened that the system does not have for this.
        var zone = start.Environment.GetValueOrDefault("TZ");
        var isKnown = SftpProcess.IsNameOfTimeZone(zone);
        SftpProcess.SetTimeZone(isKnown ? zone : null);
        if (start.Root is not null)
        {
            SftpProcess.Rehearse();
        }

        Become(start);
        if (!isKnown && start.Root is null)
        {
            SftpProcess.SetTimeZone(zone);
        }

        EnterFolder(start);
        using (var environment = new NativeStrings(start.Environment.Select(variable => $"{variable.Key}={variable.Value}")))
        {
            start.Prelude?.Run(environment);
        }

        // What ends a program ends this one; the runtime would tidy up first.
        foreach (var signal in EndingSignals)
        {
            _ = ProcessCalls.SetSignal(signal, 0);
        }

        return SftpProcess.Run(sftp, start.Arguments, start.Root is not null, Report, start.Identity?.Uid ?? LibC.GetEffectiveUserId());
    }

    private static void EnterFolder(ProgramStart start)
    {
        using var folder = new NativeStrings([start.WorkingFolder]);
        if (ProcessCalls.ChangeFolder(folder.First) != 0 && start.Root is null)
        {
            Say(Standard, $"Could not chdir to home directory {start.WorkingFolder}: {ProcessCalls.Describe(Marshal.GetLastPInvokeError())}\n");
        }
    }

    private static int Execute(ProgramStart start)
    {
        EnterFolder(start);
        using var path = new NativeStrings([start.File]);
        using var arguments = new NativeStrings(start.Arguments);
        using var environment = new NativeStrings(start.Environment.Select(variable => $"{variable.Key}={variable.Value}"));
        start.Prelude?.Run(environment);
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
