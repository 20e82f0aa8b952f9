using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>The user's rc file, or else the system's (sshd(8), "SSHRC"): the first that is there runs, and is waited for.</summary>
/// <param name="Shell">The account's shell, which runs /bin/sh with the user's file.</param>
/// <param name="UserFile">~/.ssh/rc; null where it may not run.</param>
/// <param name="SystemFile">/etc/ssh/sshrc.</param>
/// <param name="Input">Its standard input: "protocol cookie" and a newline with X11, else nothing.</param>
internal sealed record ProgramPrelude(string Shell, string? UserFile, string SystemFile, string Input)
{
    private const string SystemShell = "/bin/sh";
    private const int Exists = 0;

    /// <summary>Runs it in this process's place and with its rights: standard output and error are this process's own, the terminal and the process group too. How it ends changes nothing.</summary>
    public unsafe void Run(NativeStrings environment)
    {
        if (UserFile is not null && IsThere(UserFile))
        {
            Run(Shell, [Shell, "-c", $"{SystemShell} {Quote(UserFile)}"], environment);
        }
        else if (IsThere(SystemFile))
        {
            Run(SystemShell, [SystemShell, SystemFile], environment);
        }
    }

    private unsafe void Run(string file, string[] words, NativeStrings environment)
    {
        var ends = stackalloc int[2];
        if (ProcessCalls.Pipe(ends, ProcessCalls.OpenCloseOnExec) != 0)
        {
            return;
        }

        using var writing = new SafeFileHandle(ends[1], ownsHandle: true);
        int process = 0, error;
        using (new SafeFileHandle(ends[0], ownsHandle: true))
        {
            error = Spawn(file, words, environment, ends[0], out process);
        }

        if (error != 0)
        {
            using var standardError = new SafeFileHandle(2, ownsHandle: false);
            _ = ProcessCalls.Write(standardError, OsText.Encode($"Could not run {words[^1]}: {ProcessCalls.Describe(error)}\n"), out _);
            return;
        }

        _ = ProcessCalls.Write(writing, OsText.Encode(Input), out _); // a few dozen bytes
        writing.Dispose();
        const int byId = 1, exited = 4;
        var information = stackalloc byte[128]; // siginfo_t
        while (ProcessCalls.Wait(byId, process, information, exited) != 0 && System.Runtime.InteropServices.Marshal.GetLastPInvokeError() == ProcessCalls.Interrupted)
        {
        }
    }

    private static unsafe int Spawn(string file, string[] words, NativeStrings environment, int input, out int process)
    {
        using var path = new NativeStrings([file]);
        using var arguments = new NativeStrings(words);
        byte* actions = stackalloc byte[ProcessCalls.OpaqueSize], attributes = stackalloc byte[ProcessCalls.OpaqueSize], signals = stackalloc byte[ProcessCalls.OpaqueSize];
        _ = ProcessCalls.InitializeActions(actions);
        _ = ProcessCalls.InitializeAttributes(attributes);
        _ = ProcessCalls.SetFlags(attributes, ProcessCalls.SpawnSetSignalDefaults | ProcessCalls.SpawnSetSignalMask);
        _ = ProcessCalls.FillSignals(signals);
        _ = ProcessCalls.SetSignalDefaults(attributes, signals);
        _ = ProcessCalls.EmptySignals(signals);
        _ = ProcessCalls.SetSignalMask(attributes, signals);
        _ = ProcessCalls.AddDuplicate(actions, input, 0);
        int started;
        var error = ProcessCalls.Spawn(&started, path.First, actions, attributes, arguments.Pointer, environment.Pointer);
        process = started;
        _ = ProcessCalls.DestroyActions(actions);
        _ = ProcessCalls.DestroyAttributes(attributes);
        return error;
    }

    private static unsafe bool IsThere(string file)
    {
        using var path = new NativeStrings([file]);
        return ProcessCalls.Access(path.First, Exists) == 0;
    }

    /// <summary>A path as one word of a shell's, of whatever family.</summary>
    private static string Quote(string path) =>
        path.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '/' or '.' or '_' or '-') ? path : "'" + path.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
