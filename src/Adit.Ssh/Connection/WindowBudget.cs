namespace Adit.Ssh.Connection;

/// <summary>Bounds the sum of all receive windows of the process: what every peer together could make us hold if nothing were read.
/// When it runs short new channels start small and none grows; the smallest start is always granted, and counted.</summary>
internal sealed class WindowBudget(long limit)
{
    /// <summary>What every channel may have, however tight the budget is.</summary>
    public const int Minimum = 64 * 1024;

    private long _reserved;

    /// <summary>An eighth of the memory the process may use, between 128 MiB and 1 GiB.</summary>
    public static WindowBudget Shared { get; } = new(Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8, 128L << 20, 1L << 30));

    /// <summary>Bytes that all windows together may reach.</summary>
    public long Limit => limit;

    /// <summary>Bytes granted now.</summary>
    public long Reserved => Interlocked.Read(ref _reserved);

    /// <summary>A first window: <paramref name="wanted"/> while half of the budget is free, an eighth of that while a quarter is, then the minimum.</summary>
    public int ReserveInitial(int wanted)
    {
        long reserved = Reserved;
        int granted = reserved + wanted <= limit / 2 ? wanted
            : reserved + (wanted / 8) <= limit * 3 / 4 ? Math.Max(wanted / 8, Minimum)
            : Minimum;
        granted = Math.Min(granted, wanted);
        Interlocked.Add(ref _reserved, granted);
        return granted;
    }

    /// <summary>Room to grow by <paramref name="bytes"/>, if there is any: growth stops at half of the budget, so that new channels find room.</summary>
    public bool TryReserve(int bytes)
    {
        if (Interlocked.Add(ref _reserved, bytes) <= limit / 2)
            return true;
        Interlocked.Add(ref _reserved, -bytes);
        return false;
    }

    public void Release(int bytes) => Interlocked.Add(ref _reserved, -bytes);
}
