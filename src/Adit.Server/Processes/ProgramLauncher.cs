using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Adit.Server.Users;
using Adit.Ssh;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>A program that was started.</summary>
/// <param name="Program">It runs, or has ended already.</param>
/// <param name="Notice">What its standard error begins with; null for nothing.</param>
internal sealed record LaunchedProgram(RunningProgram Program, string? Notice);

/// <summary>Starts programs without fork(2), which a managed process cannot survive: by posix_spawn, directly where this process's identity is the right one, through the helper where
/// another is to be taken (docs/adr/0004). What is started leads a session and a process group of its own, with every signal as a new process has it and nothing open but its streams.</summary>
/// <param name="helper">For other users' programs and other roots; null for none.</param>
/// <param name="users">Accounts and their groups.</param>
/// <param name="logger">Hears of what the helper could not do.</param>
internal sealed unsafe class ProgramLauncher(StartHelper? helper, IUserDatabase users, ILogger logger)
{
    private const int SpecDescriptor = 3, ReportDescriptor = 4, FirstFree = 5;
    private const int OpenFilesLimit = 7; // RLIMIT_NOFILE
    private const int SearchFolder = 1; // X_OK
    private const int NoSuchProgram = 1;

    /// <summary>posix_spawn_file_actions_addclosefrom_np; null where the C library is older than it (glibc 2.34).</summary>
    private static readonly delegate* unmanaged<byte*, int, int> CloseFrom = FindCloseFrom();

    private static readonly Lazy<ulong> UsualOpenFiles = new(FindUsualOpenFiles);

    /// <summary>There is a helper.</summary>
    public bool HasHelper => helper is not null;

    /// <summary>How <paramref name="account"/>'s programs are to be started. Null with a reason where they cannot be. May take as long as the name service does.</summary>
    /// <param name="account">Whose.</param>
    /// <param name="root">The folder that is to be their root; null for none.</param>
    /// <param name="identity">The identity to take; null for this process's own.</param>
    public string? Obstacle(UserAccount account, string? root, out UserIdentity? identity)
    {
        identity = null;
        var isRoot = users.ProcessUid == 0;
        if (account.Uid != users.ProcessUid && !isRoot)
        {
            return $"this server is not root, so it starts programs for its own user only, not for {account.Name}";
        }

        if (root is not null && !isRoot)
        {
            return "only root can change a program's root folder (ChrootDirectory)";
        }

        if (isRoot)
        {
            var wanted = new UserIdentity(account.Uid, account.Gid, [.. users.GroupIds(account).Append(account.Gid).Distinct().Order()]);
            if (account.Uid != users.ProcessUid || !IsOwn(wanted))
            {
                identity = wanted;
            }
        }

        return (identity is not null || root is not null) && helper is null ? "programs of other users and in other roots need a helper, and this server has none" : null;
    }

    /// <summary>Starts it. May take a few milliseconds, longer where the file system does. Throws <see cref="SshException"/> when nothing can be started; a program that does not exist
    /// is one that ended with status 1, as a shell's would.</summary>
    public LaunchedProgram Launch(ProgramStart start, ProgramStreams streams)
    {
        start = start with { OpenFiles = UsualOpenFiles.Value };
        return start.NeedsHelper ? LaunchByHelper(start, streams) : LaunchDirectly(start, streams);
    }

    private static LaunchedProgram LaunchDirectly(ProgramStart start, ProgramStreams streams)
    {
        string? notice = null;
        var folder = start.WorkingFolder;
        if (FolderError(folder) is { } reason)
        {
            notice = $"Could not chdir to home directory {folder}: {reason}\n";
            folder = "/";
        }

        var error = Spawn(start.File, start.Arguments, start.Environment.Select(variable => $"{variable.Key}={variable.Value}"), folder, streams, null, null, out var process);
        if (error != 0)
        {
            return new LaunchedProgram(RunningProgram.Ended(NoSuchProgram), $"{notice}{start.File}: {ProcessCalls.Describe(error)}\n");
        }

        LimitFiles(process, start.OpenFiles);
        return new LaunchedProgram(RunningProgram.Watch(process, start.EndsItsGroup), notice);
    }

    /// <summary>The helper reads what to do from memory that nobody else can open, and says what it could not do by a pipe that ends when it has become the program.</summary>
    private LaunchedProgram LaunchByHelper(ProgramStart start, ProgramStreams streams)
    {
        if (helper is null)
        {
            throw new SshException(SshError.Configuration, "there is no helper to start programs with");
        }

        using var spec = ProcessCalls.Own(ProcessCalls.CreateMemoryFile("adit-session", 1), FirstFree);
        var data = start.ToArray();
        if (spec.IsInvalid || ProcessCalls.Write(spec, data, out _) != data.Length || ProcessCalls.Seek(spec, 0, 0) != 0)
        {
            throw Failed("memfd_create", Marshal.GetLastPInvokeError());
        }

        var (reading, writing) = CreatePipe(FirstFree);
        using (writing)
        {
            var error = Spawn(helper.File, helper.Arguments, HelperEnvironment(), "/", streams, spec, writing, out var process);
            if (error != 0)
            {
                reading.Dispose();
                throw Failed(helper.File, error);
            }

            HelperReport.Read(reading, logger);
            return new LaunchedProgram(RunningProgram.Watch(process, start.EndsItsGroup), null);
        }
    }

    /// <summary>Starts the helper as itself, with a pipe each way at descriptors 3 and 4: it keeps this process's identity and answers orders. Throws <see cref="SshException"/> when it cannot.</summary>
    /// <param name="word">What it is to be, behind its own arguments.</param>
    /// <param name="orders">Where it is told what to do; closing it ends it.</param>
    /// <param name="reports">Where it answers.</param>
    public RunningProgram LaunchHelper(string word, out SafeFileHandle orders, out SafeFileHandle reports)
    {
        if (helper is null)
        {
            throw new SshException(SshError.Configuration, "there is no helper to start");
        }

        (var ordersRead, orders) = CreatePipe(FirstFree);
        using (ordersRead)
        {
            (reports, var reportsWritten) = CreatePipe(FirstFree);
            using (reportsWritten)
            using (var nowhere = ProcessCalls.Own(LibC.Open("/dev/null", ProcessCalls.OpenReadWrite | ProcessCalls.OpenCloseOnExec), FirstFree))
            {
                var error = Spawn(helper.File, [.. helper.Arguments, word], HelperEnvironment(), "/", new ProgramStreams(nowhere, nowhere, nowhere), ordersRead, reportsWritten, out var process);
                if (error == 0)
                {
                    return RunningProgram.Watch(process);
                }

                orders.Dispose();
                reports.Dispose();
                throw Failed(helper.File, error);
            }
        }
    }

    /// <summary>A pipe whose ends other programs do not get.</summary>
    public static (SafeFileHandle Reading, SafeFileHandle Writing) CreatePipe(int least = 3)
    {
        var ends = stackalloc int[2];
        if (ProcessCalls.Pipe(ends, ProcessCalls.OpenCloseOnExec) != 0)
        {
            throw Failed("pipe", Marshal.GetLastPInvokeError());
        }

        return (ProcessCalls.Own(ends[0], least), ProcessCalls.Own(ends[1], least));
    }

    /// <summary>This end does not make its user wait.</summary>
    public static void SetNonBlocking(SafeFileHandle descriptor) =>
        _ = ProcessCalls.Control(descriptor, ProcessCalls.SetStatusFlags, ProcessCalls.Control(descriptor, ProcessCalls.GetStatusFlags, 0) | ProcessCalls.OpenNonBlocking);

    private static int Spawn(
        string file, IEnumerable<string> arguments, IEnumerable<string> environment, string folder, ProgramStreams streams, SafeFileHandle? spec, SafeFileHandle? report, out int process)
    {
        using var path = new NativeStrings([file]);
        using var words = new NativeStrings(arguments);
        using var variables = new NativeStrings(environment);
        using var workingFolder = new NativeStrings([folder]);
        byte* actions = stackalloc byte[ProcessCalls.OpaqueSize], attributes = stackalloc byte[ProcessCalls.OpaqueSize], signals = stackalloc byte[ProcessCalls.OpaqueSize];
        _ = ProcessCalls.InitializeActions(actions);
        _ = ProcessCalls.InitializeAttributes(attributes);
        try
        {
            _ = ProcessCalls.SetFlags(attributes, ProcessCalls.SpawnSetSession | ProcessCalls.SpawnSetSignalDefaults | ProcessCalls.SpawnSetSignalMask);
            _ = ProcessCalls.FillSignals(signals);
            _ = ProcessCalls.SetSignalDefaults(attributes, signals);
            _ = ProcessCalls.EmptySignals(signals);
            _ = ProcessCalls.SetSignalMask(attributes, signals);
            AddStreams(actions, streams);
            if (spec is not null)
            {
                _ = ProcessCalls.AddDuplicate(actions, Number(spec), SpecDescriptor);
                _ = ProcessCalls.AddDuplicate(actions, Number(report!), ReportDescriptor);
            }

            // All that this process opens is closed on exec; what it inherited from whoever started it may not be.
            if (CloseFrom is not null)
            {
                _ = CloseFrom(actions, spec is null ? SpecDescriptor : FirstFree);
            }

            _ = ProcessCalls.AddChangeFolder(actions, workingFolder.First);
            int started;
            var error = ProcessCalls.Spawn(&started, path.First, actions, attributes, words.Pointer, variables.Pointer);
            process = started;
            return error;
        }
        finally
        {
            _ = ProcessCalls.DestroyActions(actions);
            _ = ProcessCalls.DestroyAttributes(attributes);
        }
    }

    private static void AddStreams(byte* actions, ProgramStreams streams)
    {
        if (streams.Terminal is { } terminal)
        {
            // The first terminal that the leader of a new session opens is its controlling one.
            _ = ProcessCalls.AddOpen(actions, 0, terminal, ProcessCalls.OpenReadWrite, 0);
            _ = ProcessCalls.AddDuplicate(actions, 0, 1);
            _ = ProcessCalls.AddDuplicate(actions, 0, 2);
            return;
        }

        _ = ProcessCalls.AddDuplicate(actions, Number(streams.Input!), 0);
        _ = ProcessCalls.AddDuplicate(actions, Number(streams.Output!), 1);
        _ = ProcessCalls.AddDuplicate(actions, Number(streams.Error!), 2);
    }

    private static int Number(SafeFileHandle handle) => (int)handle.DangerousGetHandle();

    /// <summary>What the runtime needs to find itself, and no port for debuggers.</summary>
    private static IEnumerable<string> HelperEnvironment() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Where(variable => variable.Key is not ("DOTNET_EnableDiagnostics" or "DOTNET_TieredPGO"))
            .Select(variable => $"{variable.Key}={variable.Value}").Concat(["DOTNET_EnableDiagnostics=0", "DOTNET_TieredPGO=0"]);

    /// <summary>Why a folder cannot be worked in; null when it can.</summary>
    private static string? FolderError(string folder)
    {
        if (folder.Contains('\0'))
        {
            return ProcessCalls.Describe(ProcessCalls.NoEntry);
        }

        using var path = new NativeStrings([folder + "/."]);
        return ProcessCalls.Access(path.First, SearchFolder) == 0 ? null : ProcessCalls.Describe(Marshal.GetLastPInvokeError());
    }

    private bool IsOwn(UserIdentity wanted)
    {
        if (users is not SystemUsers || ProcessCalls.GetEffectiveGroup() != wanted.Gid)
        {
            return users is not SystemUsers;
        }

        var count = ProcessCalls.GetGroups(0, null);
        var groups = new uint[Math.Max(count, 0)];
        fixed (uint* pointer = groups)
        {
            count = ProcessCalls.GetGroups(groups.Length, pointer);
        }

        return groups.Take(count).Append(wanted.Gid).Distinct().Order().SequenceEqual(wanted.Groups);
    }

    private static void LimitFiles(int process, ulong files)
    {
        var limits = stackalloc ulong[2];
        if (files > 0 && ProcessCalls.SetLimit(process, OpenFilesLimit, null, limits) == 0 && limits[0] > files)
        {
            limits[0] = files;
            _ = ProcessCalls.SetLimit(process, OpenFilesLimit, limits, null);
        }
    }

    /// <summary>The limit that this process was started with, as far as it can be told: its parent's. A service manager has more for itself than it gives.</summary>
    private static ulong FindUsualOpenFiles()
    {
        const ulong usual = 1024;
        const string row = "Max open files";
        try
        {
            var parent = ProcessCalls.GetParent();
            var line = parent <= 1 ? null : File.ReadLines($"/proc/{parent.ToString(CultureInfo.InvariantCulture)}/limits").FirstOrDefault(text => text.StartsWith(row, StringComparison.Ordinal));
            var soft = line?[row.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
            return ulong.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var files) ? files : usual;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return usual;
        }
    }

    private static delegate* unmanaged<byte*, int, int> FindCloseFrom() =>
        NativeLibrary.TryLoad("libc.so.6", out var library) && NativeLibrary.TryGetExport(library, "posix_spawn_file_actions_addclosefrom_np", out var function)
            ? (delegate* unmanaged<byte*, int, int>)function
            : null;

    private static SshException Failed(string what, int error) => new(SshError.ResourceLimit, $"cannot start a program: {what}: {ProcessCalls.Describe(error)}");

    /// <summary>What a helper says before it becomes the program: nothing, or why it cannot.</summary>
    private sealed class HelperReport
    {
        private const int MaxLength = 4096;

        private readonly List<byte> _said = [];
        private readonly PolledDescriptor _descriptor;
        private readonly ILogger _logger;

        private HelperReport(SafeFileHandle reading, ILogger logger)
        {
            _logger = logger;
            _descriptor = new PolledDescriptor(reading, _ => OnReady());
        }

        public static void Read(SafeFileHandle reading, ILogger logger)
        {
            SetNonBlocking(reading);
            new HelperReport(reading, logger)._descriptor.Watch(DescriptorLoop.Readable);
        }

        private void OnReady()
        {
            Span<byte> buffer = stackalloc byte[512];
            int count, error;
            while ((count = ProcessCalls.Read(_descriptor.Handle, buffer, out error)) > 0)
            {
                if (_said.Count < MaxLength)
                {
                    _said.AddRange(buffer[..count]);
                }
            }

            if (count < 0 && error == ProcessCalls.TryAgain)
            {
                _descriptor.Watch(DescriptorLoop.Readable);
                return;
            }

            _descriptor.Close();
            if (_said.Count > 0)
            {
                _logger.LogError("{Problem}", PeerText.Escape(Encoding.UTF8.GetString([.. _said]).TrimEnd(), MaxLength));
            }
        }
    }
}
