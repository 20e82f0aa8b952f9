namespace Adit.Ssh.Connection;

/// <summary>Bounds the sum of all receive windows of the process: what every peer together could make us hold if nothing were read.
/// When it runs short new channels start small; they grow to the usual size when they are used, so that thousands of idle ones do not slow the busy ones down.
/// The smallest start is always granted, and counted.</summary>
internal sealed class WindowBudget(long limit)
{
    /// <summary>What every channel may have, however tight the budget is.</summary>
    public const int Minimum = 64 * 1024;

    private long _reserved;

    /// <summary>An eighth of the memory the process may use, between 128 MiB and 4 GiB.</summary>
    public static WindowBudget Shared { get; } = new(Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8, 128L << 20, 4L << 30));

    /// <summary>Bytes that all windows together may reach.</summary>
    public long Limit => limit;

    /// <summary>Bytes granted now.</summary>
    public long Reserved => Interlocked.Read(ref _reserved);

    /// <summary>A first window: <paramref name="wanted"/> from the first quarter of the budget, an eighth of that from the second, then the minimum.</summary>
    public int ReserveInitial(int wanted)
    {
        long reserved = Reserved;
        int granted = reserved + wanted <= limit / 4 ? wanted
            : reserved + (wanted / 8) <= limit / 2 ? Math.Max(wanted / 8, Minimum)
            : Minimum;
        granted = Math.Min(granted, wanted);
        Interlocked.Add(ref _reserved, granted);
        return granted;
    }

    /// <summary>Room for a channel in use to grow to the usual size: as long as there is any.</summary>
    public bool TryReserveUsual(int bytes) => TryReserve(bytes, limit);

    /// <summary>Room to grow beyond the usual size: a quarter of the budget stays for those that have not got that far.</summary>
    public bool TryReserveMore(int bytes) => TryReserve(bytes, limit / 4 * 3);

    public void Release(int bytes) => Interlocked.Add(ref _reserved, -bytes);

    private bool TryReserve(int bytes, long bound)
    {
        if (Interlocked.Add(ref _reserved, bytes) <= bound)
            return true;
        Interlocked.Add(ref _reserved, -bytes);
        return false;
    }
}
