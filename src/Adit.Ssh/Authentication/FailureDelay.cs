namespace Adit.Ssh.Authentication;

/// <summary>Makes refusals take the same time whatever the reason: an unknown user, a wrong password, a key that is not listed.</summary>
internal static class FailureDelay
{
    /// <summary>Attempts that took longer than this to decide are answered at once.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>Waits until <paramref name="minimum"/> has passed since <paramref name="start"/>; where it already has, until the next doubling of it has,
    /// so that a slower decision shows as a step at most and not as a measure.</summary>
    public static Task WaitAsync(TimeProvider time, long start, TimeSpan minimum, CancellationToken cancellationToken)
    {
        if (minimum <= TimeSpan.Zero)
            return Task.CompletedTask;
        var elapsed = time.GetElapsedTime(start);
        var target = minimum;
        while (target < elapsed)
            target *= 2;
        var remaining = target - elapsed;
        return elapsed >= Longest || remaining <= TimeSpan.Zero ? Task.CompletedTask : Task.Delay(remaining, time, cancellationToken);
    }
}
