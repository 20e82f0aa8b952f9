namespace Adit.Server.Processes;

/// <summary>The supplementary groups of this process, all its threads.</summary>
internal static unsafe class ProcessGroups
{
    public static uint[] Get()
    {
        var groups = new uint[Math.Max(ProcessCalls.GetGroups(0, null), 0)];
        fixed (uint* pointer = groups)
        {
            return groups[..Math.Max(ProcessCalls.GetGroups(groups.Length, pointer), 0)];
        }
    }

    /// <summary>False where they cannot be set: by others than root, in some containers.</summary>
    public static bool TrySet(uint[] groups)
    {
        fixed (uint* pointer = groups)
        {
            return ProcessCalls.SetGroups((nuint)groups.Length, pointer) == 0;
        }
    }
}
