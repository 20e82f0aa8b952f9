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

    /// <summary>The load average of the last minute: how many others want the processor.</summary>
    public static double Load() => double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

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
