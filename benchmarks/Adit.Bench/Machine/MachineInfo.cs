using System.Globalization;
using System.Runtime.InteropServices;

namespace Adit.Bench.Machine;

/// <summary>What the figures were measured on.</summary>
internal static class MachineInfo
{
    /// <summary>Processor, memory, kernel and the programs' versions, in one line.</summary>
    public static string Describe()
    {
        string processor = Line("/proc/cpuinfo", "model name")?.Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
        string[] memory = (Line("/proc/meminfo", "MemTotal") ?? "0 kB").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        double gigabytes = double.Parse(memory[0], CultureInfo.InvariantCulture) * 1024 / 1e9;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{processor}, {Environment.ProcessorCount} cores, {gigabytes:0} GB; Linux {Environment.OSVersion.Version}; {OpenSsh()}; .NET {Environment.Version}");
    }

    /// <summary>How much of the processors is in use, from 0 to 1, while this program waits.</summary>
    public static async Task<double> BusyAsync(TimeSpan window, CancellationToken cancellation)
    {
        var before = Times();
        await Task.Delay(window, cancellation);
        var after = Times();
        double all = after.All - before.All;
        return all > 0 ? 1 - ((after.Idle - before.Idle) / all) : 0;
    }

    // "cpu  user nice system idle iowait irq softirq steal guest guest_nice", in clock ticks; guest time is part of user time.
    private static (double All, double Idle) Times()
    {
        double[] times = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return (times.Sum(), times[3] + times[4]);
    }

    private static string OpenSsh()
    {
        try
        {
            return ChildProcess.Run("ssh", "-V").Trim();
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return "no OpenSSH";
        }
    }

    private static string? Line(string file, string name) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1];
}
