namespace Adit.Ssh.Forwarding;

/// <summary>An X server that programs at the server may open windows on, for as long as the connection lasts or <see cref="Timeout"/> says.</summary>
public sealed record ForwardedDisplay
{
    private ForwardedDisplay(string name, X11Display display) => (Name, Display) = (name, display);

    /// <summary>The value of DISPLAY.</summary>
    public string Name { get; }

    /// <summary>The name of the authorization protocol that the cookie is for.</summary>
    public string AuthorizationName { get; init; } = "MIT-MAGIC-COOKIE-1";

    /// <summary>The display's cookie, which never leaves this machine. Empty: none is known, and the X server is shown a random one; it may let this user in without.</summary>
    public ReadOnlyMemory<byte> Cookie { get; init; }

    /// <summary>ForwardX11Timeout: connections that come so long after a session first asked, or later, are refused; those that are open stay. Null for no end.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Where it is.</summary>
    internal X11Display Display { get; }

    /// <summary>Reads the value of DISPLAY: ":0", "unix:0.1", "host:10", "[::1]:10", or the path of a socket. Null where it is none of these.</summary>
    public static ForwardedDisplay? Parse(string text) => X11Display.Parse(text, File.Exists) is { } display ? new ForwardedDisplay(text, display) : null;

    public override string ToString() => Name;
}
