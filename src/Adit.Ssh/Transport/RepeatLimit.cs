namespace Adit.Ssh.Transport;

/// <summary>Whether a line for a person is shown once more, or has been seen often enough.</summary>
internal enum Repeat
{
    /// <summary>The first of its kind for a while: worth an explanation.</summary>
    First,
    /// <summary>One more.</summary>
    Again,
    /// <summary>The last that is shown for now: say so.</summary>
    Last,
    /// <summary>Not shown.</summary>
    Hidden,
}

/// <summary>Keeps one thing that goes wrong again and again, and a peer that talks without end, from burying everything else a person is told: of one
/// line five are shown a minute, of all lines two hundred.</summary>
internal sealed class RepeatLimit(TimeProvider time)
{
    public const int PerLine = 5;
    public const int InAll = 200;

    /// <summary>What stands behind the last line that is shown.</summary>
    public const string Note = "  (more of these within this minute are shown with -v)";

    private const int MaxLines = 256;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);
    private long _since = time.GetTimestamp();
    private int _shown;

    /// <summary>Counts one line. A new minute begins with the first line after the last one has passed.</summary>
    /// <param name="line">What makes it the same line as another.</param>
    public Repeat Next(string line)
    {
        lock (_lock)
        {
            if (time.GetElapsedTime(_since) >= Window)
            {
                _counts.Clear();
                _since = time.GetTimestamp();
                _shown = 0;
            }
            int count = _counts.GetValueOrDefault(line);
            if (count >= PerLine || _shown >= InAll || (count == 0 && _counts.Count >= MaxLines))
                return Repeat.Hidden;
            _counts[line] = ++count;
            _shown++;
            return count == PerLine || _shown == InAll ? Repeat.Last : count == 1 ? Repeat.First : Repeat.Again;
        }
    }
}
