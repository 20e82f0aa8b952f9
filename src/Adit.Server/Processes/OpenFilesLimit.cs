using System.Globalization;

namespace Adit.Server.Processes;

/// <summary>How many files the programs that are started from here may have open (the soft limit of RLIMIT_NOFILE). The runtime has raised this process's own limit before any code of
/// ours runs, and programs are not to inherit that: some behave badly with a high one (select, loops over all descriptors).</summary>
public static class OpenFilesLimit
{
    private static readonly Lazy<ulong> Found = new(Find);
    private static ulong _adopted;

    /// <summary>The limit that this process was started with, as far as it can be told: what <see cref="Adopt"/> was given, else its parent's. A service manager has more for itself than it gives.</summary>
    public static ulong Usual => Volatile.Read(ref _adopted) is > 0 and var adopted ? adopted : Found.Value;

    /// <summary>Takes over what the process that started this one was started with, for one whose parent says nothing (a daemon's). Zero is no limit to take over.</summary>
    public static void Adopt(ulong files) => Volatile.Write(ref _adopted, files);

    private static ulong Find()
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
}
