namespace Adit.Ssh.Transport;

/// <summary>RekeyLimit: when new keys are agreed on, beyond what the cipher itself demands.</summary>
/// <param name="Bytes">Bytes in one direction, at least 16; null for the cipher's own limit.</param>
/// <param name="Interval">Time since the last key exchange; null for none.</param>
public sealed record RekeyLimit(long? Bytes, TimeSpan? Interval)
{
    /// <summary>"default none".</summary>
    public static RekeyLimit Default { get; } = new(null, null);
}
