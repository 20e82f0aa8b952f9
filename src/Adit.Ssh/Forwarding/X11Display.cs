using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Adit.Ssh.Forwarding;

/// <summary>Where the person's X server is: what DISPLAY says.</summary>
/// <param name="Host">The host it listens on; null: a Unix socket of this machine.</param>
/// <param name="SocketPath">The Unix socket, when it is one.</param>
/// <param name="Number">The display's number.</param>
/// <param name="Screen">The screen on it.</param>
internal sealed record X11Display(string? Host, string? SocketPath, int Number, int Screen)
{
    private const int FirstPort = 6000;
    private const int MaxLength = 1024;

    /// <summary>The highest screen that OpenSSH passes on.</summary>
    private const int MaxScreen = 400;

    /// <summary>The TCP port of a display on a host.</summary>
    public int Port => FirstPort + Number;

    /// <summary>Reads DISPLAY: <c>:N</c>, <c>unix:N</c>, <c>host:N</c>, <c>[v6]:N</c>, each with <c>.S</c> or without, or a socket's path (which may end in <c>:N</c> itself, as
    /// launchd makes them) with <c>.S</c> or without. Null for all else, and for characters that have no place in one: what it holds is passed on to programs.</summary>
    /// <param name="text">The variable's value.</param>
    /// <param name="isSocket">Whether a path is that of a socket.</param>
    public static X11Display? Parse(string text, Func<string, bool> isSocket)
    {
        ArgumentNullException.ThrowIfNull(isSocket);
        if (string.IsNullOrEmpty(text) || text.Length > MaxLength || !text.All(IsAllowed))
            return null;
        if (text[0] == '/')
            return ParsePath(text, isSocket);
        int colon = text.LastIndexOf(':');
        if (colon < 0 || !ReadNumbers(text[(colon + 1)..], out int number, out int screen))
            return null;
        string host = text[..colon];
        if (host is "" or "unix")
            return new X11Display(null, $"/tmp/.X11-unix/X{number.ToString(CultureInfo.InvariantCulture)}", number, screen);
        bool isBracketed = host.StartsWith('[') && host.EndsWith(']');
        if (isBracketed)
            host = host[1..^1];
        if (isBracketed || host.Contains(':'))
            return IPAddress.TryParse(host, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 ? new X11Display(host, null, number, screen) : null;
        // A host's name that begins with '-' would be an option to a program.
        return host.StartsWith('-') || host.AsSpan().ContainsAny("/[]") ? null : new X11Display(host, null, number, screen);
    }

    private static X11Display? ParsePath(string text, Func<string, bool> isSocket)
    {
        if (isSocket(text))
            return new X11Display(null, text, 0, 0);
        int dot = text.LastIndexOf('.');
        return dot > 0 && ReadScreen(text[(dot + 1)..], out int screen) && isSocket(text[..dot]) ? new X11Display(null, text[..dot], 0, screen) : null;
    }

    private static bool IsAllowed(char c) => char.IsAsciiLetterOrDigit(c) || c is ':' or '/' or '.' or '-' or '_' or '[' or ']';

    private static bool ReadNumbers(string text, out int number, out int screen)
    {
        int dot = text.IndexOf('.', StringComparison.Ordinal);
        screen = 0;
        return ReadNumber(dot < 0 ? text : text[..dot], out number) && number <= ushort.MaxValue - FirstPort && (dot < 0 || ReadScreen(text[(dot + 1)..], out screen));
    }

    private static bool ReadScreen(string text, out int screen) => ReadNumber(text, out screen) && screen <= MaxScreen;

    private static bool ReadNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
