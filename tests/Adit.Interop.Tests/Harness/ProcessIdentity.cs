using System.Globalization;
using System.Runtime.InteropServices;

namespace Adit.Interop.Tests.Harness;

/// <summary>A process by its id and the moment it started: ids are used again, sometimes soon, and no signal may reach a stranger.</summary>
/// <param name="StartTime">Clock ticks since the machine started.</param>
internal sealed partial record ProcessIdentity(int Id, int ParentId, long StartTime)
{
    /// <summary>Null when there is no such process, or it has ended and only waits to be noticed.</summary>
    public static ProcessIdentity? Of(int id)
    {
        try
        {
            // "pid (name) state ppid … starttime(22)": the name may hold anything, so count from its last bracket.
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] rest = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return rest[0] is "Z" or "X"
                ? null
                : new ProcessIdentity(id, int.Parse(rest[1], CultureInfo.InvariantCulture), long.Parse(rest[19], CultureInfo.InvariantCulture));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static IReadOnlyList<ProcessIdentity> All() =>
    [
        .. Directory.GetDirectories("/proc").Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id) ? Of(id) : null)
            .OfType<ProcessIdentity>(),
    ];

    public bool IsAlive => Of(Id)?.StartTime == StartTime;

    public void Signal(int signal)
    {
        if (IsAlive)
        {
            _ = SendSignal(Id, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int id, int signal);
}
