using System.Globalization;

namespace Adit.Bench.Machine;

/// <summary>Resident memory of a process and all that descend from it, in bytes. Pss shares out what several of them map.</summary>
internal readonly record struct Memory(long Rss, long Pss, int Processes);

/// <summary>What /proc tells of a process and all that descend from it (OpenSSH's server forks for every client).</summary>
internal static class ProcessTree
{
    /// <summary>CPU time of the living and, through their parents, of those that ended meanwhile.</summary>
    public static double CpuSeconds(int root)
    {
        long ticks = 0;
        foreach (int id in Family(root))
        {
            if (Stat(id) is { } stat)
                ticks += stat.Ticks;
        }

        return (double)ticks / Native.TicksPerSecond;
    }

    public static Memory Memory(int root)
    {
        long rss = 0, pss = 0;
        int processes = 0;
        foreach (int id in Family(root))
        {
            try
            {
                foreach (string line in File.ReadLines($"/proc/{id}/smaps_rollup"))
                {
                    if (line.StartsWith("Rss:", StringComparison.Ordinal))
                        rss += KiB(line);
                    else if (line.StartsWith("Pss:", StringComparison.Ordinal))
                        pss += KiB(line);
                }

                processes++;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended.
            }
        }

        return new Memory(rss * 1024, pss * 1024, processes);

        // "Rss:               13012 kB"
        static long KiB(string line) => long.Parse(line.AsSpan(4, line.Length - 6), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
    }

    public static List<int> Family(int root)
    {
        var children = new Dictionary<int, List<int>>();
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder.AsSpan()), CultureInfo.InvariantCulture, out int id) && Stat(id) is { } stat)
            {
                if (!children.TryGetValue(stat.Parent, out var siblings))
                    children[stat.Parent] = siblings = [];
                siblings.Add(id);
            }
        }

        List<int> family = [root];
        for (int i = 0; i < family.Count; i++)
        {
            if (children.TryGetValue(family[i], out var more))
                family.AddRange(more);
        }

        return family;
    }

    public static bool IsAlive(int id) => Stat(id) is not null;

    // "pid (name) state ppid …": the name may hold anything, so count from its last bracket. Fields 14 to 17 are utime, stime, cutime, cstime.
    private static (int Parent, long Ticks)? Stat(int id)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            string[] rest = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            if (rest[0] == "Z")
                return null;
            long ticks = 0;
            for (int field = 14; field <= 17; field++)
                ticks += long.Parse(rest[field - 3], CultureInfo.InvariantCulture);
            return (int.Parse(rest[1], CultureInfo.InvariantCulture), ticks);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
