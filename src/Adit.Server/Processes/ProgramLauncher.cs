using System.Runtime.InteropServices;
using System.Text;
using Adit.Server.Sftp;
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

/// <summary>A helper to be started by another process, and what it is told.</summary>
/// <param name="Helper">What to run.</param>
/// <param name="Spec">Its descriptor 3.</param>
/// <param name="Reading">What it says, for <see cref="ProgramLauncher.Hear"/>, whose it is then.</param>
/// <param name="Writing">Its descriptor 4.</param>
internal sealed record HelperOrder(StartHelper Helper, SafeFileHandle Spec, SafeFileHandle Reading, SafeFileHandle Writing);

/// <summary>Starts programs without fork(2), which a managed process cannot survive: by posix_spawn, directly where this process's identity is the right one, through the helper where
/// another is to be taken (docs/adr/0004). What is started leads a session and a process group of its own, with every signal as a new process has it and nothing open but its streams.</summary>
/// <param name="helper">For other users' programs and other roots; null for none.</param>
/// <param name="users">Accounts and their groups.</param>
/// <param name="logger">Hears of what the helper could not do.</param>
internal sealed unsafe class ProgramLauncher(StartHelper? helper, IUserDatabase users, ILogger logger)
{
    private const int OpenFilesResource = 7; // RLIMIT_NOFILE
    private const int SearchFolder = 1; // X_OK
    private const int NoSuchProgram = 1;

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
        start = start with { OpenFiles = OpenFilesLimit.Usual };
        // A program that is limited from outside may have asked for its limit before.
        return start.NeedsHelper || (helper is not null && OpenFiles() > start.OpenFiles) ? LaunchByHelper(start, streams) : LaunchDirectly(start, streams);
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

        var error = ProgramSpawn.Spawn(start.File, start.Arguments, start.Environment.Select(variable => $"{variable.Key}={variable.Value}"), folder, streams, null, null, out var process);
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

        using var spec = SpecOf(start);
        var (reading, writing) = CreatePipe(ProgramSpawn.FirstFree);
        using (writing)
        {
            var error = ProgramSpawn.Spawn(helper.File, HelperFor(start).Arguments, ProgramSpawn.HelperEnvironment(), "/", streams, spec, writing, out var process);
            if (error != 0)
            {
                reading.Dispose();
                throw Failed(helper.File, error);
            }

            HelperReport.Read(reading, logger);
            return new LaunchedProgram(RunningProgram.Watch(process, start.EndsItsGroup), null);
        }
    }

    /// <summary>What a helper needs to become a program, for a process that starts it: the helper's own start, and how it is told what to become. Throws <see cref="SshException"/> where there is no helper.</summary>
    public HelperOrder Order(ProgramStart start)
    {
        if (helper is null)
        {
            throw new SshException(SshError.Configuration, "there is no helper to start programs with");
        }

        var spec = SpecOf(start with { OpenFiles = OpenFilesLimit.Usual });
        try
        {
            var (reading, writing) = CreatePipe(ProgramSpawn.FirstFree);
            return new HelperOrder(HelperFor(start), spec, reading, writing);
        }
        catch
        {
            spec.Dispose();
            throw;
        }
    }

    /// <summary>Has what a helper says logged, until it is the program.</summary>
    public void Hear(SafeFileHandle reports) => HelperReport.Read(reports, logger);

    /// <summary>A helper that stays shows what it is: the word is for those who look at the list of processes.</summary>
    private StartHelper HelperFor(ProgramStart start) => start.Sftp is null ? helper! : helper! with { Arguments = [.. helper.Arguments, SftpStart.ProgramName] };

    private static SafeFileHandle SpecOf(ProgramStart start)
    {
        var spec = ProcessCalls.Own(ProcessCalls.CreateMemoryFile("adit-session", 1), ProgramSpawn.FirstFree);
        var data = start.ToArray();
        if (spec.IsInvalid || ProcessCalls.Write(spec, data, out _) != data.Length || ProcessCalls.Seek(spec, 0, 0) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            spec.Dispose();
            throw Failed("memfd_create", error);
        }

        return spec;
    }

    /// <summary>Starts the helper as itself, with a socket for orders at descriptor 3 and a pipe for reports at 4: it keeps this process's identity. Throws <see cref="SshException"/> when it cannot.</summary>
    /// <param name="word">What it is to be, behind its own arguments.</param>
    /// <param name="orders">Where it is told what to do, by <see cref="DescriptorSocket"/>; closing it ends it.</param>
    /// <param name="reports">Where it answers.</param>
    public RunningProgram LaunchHelper(string word, out SafeFileHandle orders, out SafeFileHandle reports)
    {
        if (helper is null)
        {
            throw new SshException(SshError.Configuration, "there is no helper to start");
        }

        (var ordersRead, orders) = DescriptorSocket.CreatePair(ProgramSpawn.FirstFree);
        using (ordersRead)
        {
            SafeFileHandle reportsWritten;
            try
            {
                (reports, reportsWritten) = CreatePipe(ProgramSpawn.FirstFree);
            }
            catch
            {
                orders.Dispose();
                throw;
            }

            using (reportsWritten)
            using (var nowhere = ProcessCalls.Own(LibC.Open("/dev/null", ProcessCalls.OpenReadWrite | ProcessCalls.OpenCloseOnExec), ProgramSpawn.FirstFree))
            {
                var error = ProgramSpawn.Spawn(helper.File, [.. helper.Arguments, word], ProgramSpawn.HelperEnvironment(), "/", new ProgramStreams(nowhere, nowhere, nowhere), ordersRead, reportsWritten, out var process);
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

        return ProcessGroups.Get().Append(wanted.Gid).Distinct().Order().SequenceEqual(wanted.Groups);
    }

    /// <summary>This process's own limit of open files, which what it starts would inherit.</summary>
    private static ulong OpenFiles()
    {
        var limits = stackalloc ulong[2];
        return ProcessCalls.SetLimit(0, OpenFilesResource, null, limits) == 0 ? limits[0] : 0;
    }

    private static void LimitFiles(int process, ulong files)
    {
        var limits = stackalloc ulong[2];
        if (files > 0 && ProcessCalls.SetLimit(process, OpenFilesResource, null, limits) == 0 && limits[0] > files)
        {
            limits[0] = files;
            _ = ProcessCalls.SetLimit(process, OpenFilesResource, limits, null);
        }
    }

    private static SshException Failed(string what, int error) => new(SshError.ResourceLimit, $"cannot start a program: {what}: {ProcessCalls.Describe(error)}");

    /// <summary>What a helper says before it becomes the program: nothing, or why it cannot; and the log of one that serves SFTP.</summary>
    private sealed class HelperReport
    {
        private const int MaxLength = 4096, Piece = 4096;

        private readonly List<byte> _said = [];
        private readonly PolledDescriptor _descriptor;
        private readonly ILogger _logger;
        private readonly SftpLogLines _sftp;

        private HelperReport(SafeFileHandle reading, ILogger logger)
        {
            _logger = logger;
            _sftp = new SftpLogLines(logger);
            _descriptor = new PolledDescriptor(reading, _ => OnReady());
        }

        public static void Read(SafeFileHandle reading, ILogger logger)
        {
            SetNonBlocking(reading);
            new HelperReport(reading, logger)._descriptor.Watch(DescriptorLoop.Readable);
        }

        /// <summary>One piece, and then others have their turn: what a client has SFTP log may come faster than it is written.</summary>
        private void OnReady()
        {
            Span<byte> buffer = stackalloc byte[Piece];
            var count = ProcessCalls.Read(_descriptor.Handle, buffer, out var error);
            if (count > 0 && !_sftp.Takes(buffer[..count]) && _said.Count < MaxLength)
            {
                _said.AddRange(buffer[..count]);
            }

            if (count > 0 || error == ProcessCalls.TryAgain)
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
