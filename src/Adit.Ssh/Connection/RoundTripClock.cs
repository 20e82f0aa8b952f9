namespace Adit.Ssh.Connection;

/// <summary>Measures time in round trips of one connection.</summary>
internal sealed class RoundTripClock(TimeProvider time, Func<TimeSpan?> roundTrip)
{
    public long Now => time.GetTimestamp();

    /// <summary>Round trips since <paramref name="timestamp"/>; infinite while the round trip is unknown.</summary>
    public double RoundTripsSince(long timestamp) =>
        roundTrip() is { Ticks: > 0 } one ? time.GetElapsedTime(timestamp) / one : double.PositiveInfinity;
}
