namespace Adit.Server.Configuration;

/// <summary>The configuration of a running server. Logins that are under way go by what it is now, so replacing it reaches them too: new forwards at once, those that
/// are up when the server is told to ask again.</summary>
public sealed class LiveSshdConfig(SshdConfig config)
{
    private volatile SshdConfig _current = config;

    /// <summary>What holds now; immutable.</summary>
    public SshdConfig Current => _current;

    /// <summary>From here on <paramref name="config"/> holds.</summary>
    public void Replace(SshdConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        _current = config;
    }
}
