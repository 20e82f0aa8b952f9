using System.Buffers.Binary;
using System.Runtime.Versioning;
using System.Text;
using Adit.Server.Configuration;
using Adit.Server.Processes;
using Adit.Ssh;

namespace Adit.Server.Sftp;

/// <summary>A process that becomes an SFTP server in place of a program (docs/adr/0011).</summary>
[SupportedOSPlatform("linux")]
internal static unsafe class SftpProcess
{
    private const string Name = SftpStart.ProgramName;
    private const int Input = 0, Output = 1, Error = 2;
    private const int GetDumpable = 3, SetDumpable = 4; // PR_GET_DUMPABLE, PR_SET_DUMPABLE

    /// <summary>Whether the C library looks for this TZ among the system's time zones alone, or at no file at all. It takes the user's word for any other file, a device or a pipe as well.</summary>
    public static bool IsNameOfTimeZone(string? name) =>
        name is null || ((name is [':', .. var rest] ? rest : name) is var file && !file.StartsWith('/') && !file.Contains("..", StringComparison.Ordinal));

    /// <summary>The time zone of what is listed is read now: in another root folder it is not there.</summary>
    /// <param name="name">TZ of the session; null for the system's. The user may have chosen it.</param>
    public static void SetTimeZone(string? name)
    {
        if (name is not null)
        {
            _ = SftpCalls.SetVariable("TZ", name, 1);
        }

        SftpCalls.LoadTimeZone();
    }

    /// <summary>Serves nobody for once, so that nothing has to be loaded, bound or compiled behind a change of the root folder: what is there then need not be ours. Changes no file. Throws <see cref="SshException"/> where that cannot be.</summary>
    public static void Rehearse()
    {
        using var script = ProcessCalls.Own(ProcessCalls.CreateMemoryFile(Name, 1));
        using var nowhere = ProcessCalls.Own(Users.LibC.Open("/dev/null", ProcessCalls.OpenReadWrite | ProcessCalls.OpenCloseOnExec));
        var data = Script();
        if (script.IsInvalid || nowhere.IsInvalid || ProcessCalls.Write(script, data, out _) != data.Length || ProcessCalls.Seek(script, 0, 0) != 0)
        {
            throw new SshException(SshError.ResourceLimit, $"{Name} cannot be made ready for another root folder: {ProcessCalls.Describe(SftpCalls.Error)}");
        }

        var (from, to) = ((int)script.DangerousGetHandle(), (int)nowhere.DangerousGetHandle());
        foreach (var isForServer in (ReadOnlySpan<bool>)[true, false])
        {
            var log = new SftpLog(SshdLogLevel.Debug3, to, isForServer);
            _ = new SftpServer(SftpOptions.Parse(["-l", "DEBUG3", "-e", "-d", "%d", "-u", "022", "-P", "none"], Name, "/", 0), log, new SftpUsers(isInOtherRoot: isForServer), Name, "/", "").Run(from, to);
            _ = ProcessCalls.Seek(script, 0, 0);
        }

        Say(to, SftpOptions.Parse(["-Q", "requests"], Name, "/", 0).End!);
        _ = SftpCalls.ControlProcess(GetDumpable, 0, 0, 0, 0);
        _ = ProcessCalls.SetUmask(ProcessCalls.SetUmask(0));
    }

    /// <summary>Serves the session on the first three descriptors. Returns the process's status.</summary>
    /// <param name="start">For whom.</param>
    /// <param name="arguments">The name first.</param>
    /// <param name="isInOtherRoot">The root folder was changed.</param>
    /// <param name="reports">Where the server hears from this process.</param>
    /// <param name="uid">The user's.</param>
    public static int Run(SftpStart start, IReadOnlyList<string> arguments, bool isInOtherRoot, int reports, uint uid)
    {
        string[] given = [.. arguments];
        var options = SftpOptions.Parse(given[1..], start.User, start.Home, uid);
        if (options.End is { } end)
        {
            Say(options.EndStatus == 0 ? Output : Error, end);
            return options.EndStatus;
        }

        // Nobody but root may look into this process, even where it always was the user's.
        _ = SftpCalls.ControlProcess(SetDumpable, 0, 0, 0, 0);
        if (options.Umask is { } umask)
        {
            _ = ProcessCalls.SetUmask(umask);
        }

        var log = new SftpLog(options.Level, options.LogsToStandardError ? Error : reports, !options.LogsToStandardError);
        if (options.Facility is { } facility)
        {
            log.Write(SshdLogLevel.Info, $"-f {facility} has no effect: what is logged goes where the server's log goes");
        }

        if (options.StartFolder is { } folder)
        {
            using var path = new NativeStrings([folder]);
            if (SftpCalls.ChangeFolder(path.First) != 0)
            {
                log.Write(SshdLogLevel.Error, $"chdir to \"{Ssh.Wire.PeerText.Escape(folder)}\" failed: {ProcessCalls.Describe(SftpCalls.Error)}");
            }
        }

        return new SftpServer(options, log, new SftpUsers(isInOtherRoot), start.User, start.Home, start.Client).Run(Input, Output);
    }

    private static void Say(int descriptor, string text) => SftpLog.WriteAll(descriptor, Encoding.UTF8.GetBytes(text));

    /// <summary>Every kind of request about nothing (no file has an empty name), then some about the null device and the folder it is in.</summary>
    private static byte[] Script()
    {
        var script = new MemoryStream();
        Add(script, SftpRequest.Init, [0, 0, 0, 3]);
        foreach (var request in SftpRequest.All)
        {
            var name = request.Extension is { } extension ? String(Encoding.ASCII.GetBytes(extension)) : [];
            Add(script, request.Type, [0, 0, 0, 1, .. name, .. new byte[64]]);
        }

        byte[] first = [0, 0, 0, 1, .. String([0, 0, 0, 0])], second = [0, 0, 0, 1, .. String([0, 0, 0, 1])], device = String("/dev/null"u8);
        Add(script, SftpRequest.Open, [0, 0, 0, 1, .. device, 0, 0, 0, 3, 0, 0, 0, 0]);
        Add(script, SftpRequest.OpenFolder, [0, 0, 0, 1, .. String("/dev"u8)]);
        Add(script, SftpRequest.Read, [.. first, .. new byte[8], 0, 0, 1, 0]);
        Add(script, SftpRequest.Write, [.. first, .. new byte[8], .. String("nothing"u8)]);
        Add(script, SftpRequest.FileStatus, first);
        Add(script, SftpRequest.SetFileStatus, [.. first, 0, 0, 0, 0]);
        Add(script, SftpRequest.ReadFolder, second);
        Add(script, SftpRequest.Status, [0, 0, 0, 1, .. device]);
        Add(script, SftpRequest.RealPath, [0, 0, 0, 1, .. String("/dev/stdin/../none"u8)]);
        Add(script, SftpRequest.RealPath, [0, 0, 0, 1, .. String("/proc/self"u8)]);
        foreach (var (extension, fields) in (ReadOnlySpan<(string, byte[])>)
            [("fstatvfs@openssh.com", first[4..]), ("fsync@openssh.com", first[4..]), ("expand-path@openssh.com", String("~/x"u8)), ("expand-path@openssh.com", String("~root"u8)), ("home-directory", String("root"u8)),
                ("copy-data", [.. first[4..], .. new byte[16], .. second[4..], .. new byte[8]]), ("users-groups-by-id@openssh.com", [.. String(new byte[8]), .. String(new byte[8])]), ("none", [])])
        {
            Add(script, SftpRequest.Extended, [0, 0, 0, 1, .. String(Encoding.ASCII.GetBytes(extension)), .. fields]);
        }

        Add(script, SftpRequest.Close, first);
        Add(script, 99, [0, 0, 0, 1]);
        Add(script, SftpRequest.Open, [0]);
        return script.ToArray();
    }

    private static byte[] String(ReadOnlySpan<byte> text)
    {
        var data = new byte[sizeof(int) + text.Length];
        BinaryPrimitives.WriteInt32BigEndian(data, text.Length);
        text.CopyTo(data.AsSpan(sizeof(int)));
        return data;
    }

    private static void Add(MemoryStream script, byte type, byte[] fields)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(length, fields.Length + 1);
        script.Write(length);
        script.WriteByte(type);
        script.Write(fields);
    }
}
