using System.Collections;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Adit.Server.Processes;

/// <summary>posix_spawn as all programs are started by it (docs/adr/0004): a session and process group of its own, every signal as a new process has it, nothing open but what it is given. The
/// child has what belongs to the calling thread: namespaces, keyrings, audit's login id.</summary>
internal static unsafe class ProgramSpawn
{
    /// <summary>Descriptors from here up are never in the way of those that a helper gets.</summary>
    public const int FirstFree = 5;

    private const int SpecDescriptor = 3, ReportDescriptor = 4;

    /// <summary>posix_spawn_file_actions_addclosefrom_np; null where the C library is older than it (glibc 2.34).</summary>
    private static readonly delegate* unmanaged<byte*, int, int> CloseFrom = FindCloseFrom();

    /// <summary>Starts a program; returns the error, 0 for none.</summary>
    /// <param name="file">Its file.</param>
    /// <param name="arguments">Its arguments, the name it is called by first.</param>
    /// <param name="environment">"NAME=VALUE".</param>
    /// <param name="folder">Its working folder.</param>
    /// <param name="streams">Its first three descriptors.</param>
    /// <param name="spec">Its descriptor 3; null for a program that is no helper, and has no more than three.</param>
    /// <param name="report">Its descriptor 4.</param>
    /// <param name="process">Its number.</param>
    public static int Spawn(
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

    /// <summary>What the runtime needs to find itself, and no port for debuggers.</summary>
    public static IEnumerable<string> HelperEnvironment() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Where(variable => variable.Key is not ("DOTNET_EnableDiagnostics" or "DOTNET_TieredPGO"))
            .Select(variable => $"{variable.Key}={variable.Value}").Concat(["DOTNET_EnableDiagnostics=0", "DOTNET_TieredPGO=0"]);

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

    private static delegate* unmanaged<byte*, int, int> FindCloseFrom() =>
        NativeLibrary.TryLoad("libc.so.6", out var library) && NativeLibrary.TryGetExport(library, "posix_spawn_file_actions_addclosefrom_np", out var function)
            ? (delegate* unmanaged<byte*, int, int>)function
            : null;
}
