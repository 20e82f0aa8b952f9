using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>Events a program may want to tell from other log lines of the same level.</summary>
public static class LogEvents
{
    /// <summary>Login succeeded. OpenSSH shows this line from -v on.</summary>
    public static EventId Authenticated { get; } = new(1, nameof(Authenticated));

    /// <summary>A session began or ended. OpenSSH's server shows these lines from VERBOSE on.</summary>
    public static EventId Session { get; } = new(2, nameof(Session));

    /// <summary>UpdateHostKeys changed known_hosts, or is about to. OpenSSH shows these lines from -v on.</summary>
    public static EventId HostKeysUpdated { get; } = new(21, nameof(HostKeysUpdated));

    /// <summary>A client connected, or a step of its login that is no end of it. OpenSSH's server shows these lines from VERBOSE on.</summary>
    public static EventId Connection { get; } = new(31, nameof(Connection));

    /// <summary>The server brought a connection to the display after ForwardX11Timeout, and it was refused. OpenSSH shows this line from -v on.</summary>
    public static EventId DisplayExpired { get; } = new(41, nameof(DisplayExpired));
}
