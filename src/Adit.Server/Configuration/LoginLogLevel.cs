namespace Adit.Server.Configuration;

/// <summary>LogLevel of a Match block: how much is logged about one connection, from the moment that it is known whose it is. It goes with the connection's own flow of control, so whoever
/// writes the log asks here; what is logged on nobody's behalf goes by the server's own level.</summary>
public static class LoginLogLevel
{
    private static readonly AsyncLocal<Holder?> Here = new();

    /// <summary>What holds for the connection that the caller works for; null for the server's own.</summary>
    public static SshdLogLevel? Current => Here.Value?.Level;

    /// <summary>A connection begins: what is started from here on works for it.</summary>
    internal static void Begin() => Here.Value = new Holder();

    /// <summary>It is known what holds for it.</summary>
    internal static void Set(SshdLogLevel level)
    {
        if (Here.Value is { } holder)
        {
            holder.Level = level;
        }
    }

    private sealed class Holder
    {
        private volatile int _level = -1;

        public SshdLogLevel? Level
        {
            get => _level < 0 ? null : (SshdLogLevel)_level;
            set => _level = value is { } level ? (int)level : -1;
        }
    }
}
