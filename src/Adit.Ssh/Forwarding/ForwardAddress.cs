using System.Globalization;

namespace Adit.Ssh.Forwarding;

/// <summary>An end of a forward: a TCP host and port, or a Unix socket's path.</summary>
public readonly record struct ForwardAddress
{
    /// <summary>Room for a Unix socket's path in bytes, its terminator included (sun_path on Linux).</summary>
    internal const int MaxPathLength = 108;

    private ForwardAddress(string? host, int port, string? path)
    {
        Host = host;
        Port = port;
        Path = path;
    }

    /// <summary>Host name or address; null where a listener has no bind address; "" or "*" for the wildcard.</summary>
    public string? Host { get; }

    public int Port { get; }

    /// <summary>Path of a Unix socket, or null for TCP.</summary>
    public string? Path { get; }

    public bool IsUnix => Path is not null;

    public static ForwardAddress Tcp(string? host, int port) => new(host, port, null);

    public static ForwardAddress Unix(string path) => new(null, 0, path);

    /// <summary>"host:port", "[v6]:port", or the path.</summary>
    public override string ToString() =>
        Path ?? (Host is null ? $"{Port}" : Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}");

    /// <summary>Parses "host:port", "[v6]:port", "port" or a path with a slash in it. Ports are 0 to 65535.
    /// Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) for anything else.</summary>
    public static ForwardAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var address)
            ? address
            : throw new SshException(SshError.Configuration, "Bad forwarding address")
            {
                Hint = "Expected host:port, [v6 address]:port, a port from 0 to 65535, or the path of a Unix socket with a slash in it.",
            };
    }

    public static bool TryParse(string? text, out ForwardAddress address)
    {
        address = default;
        if (string.IsNullOrEmpty(text) || text.Contains('\0'))
            return false;
        if (text.Contains('/'))
        {
            if (System.Text.Encoding.UTF8.GetByteCount(text) >= MaxPathLength)
                return false;
            address = Unix(text);
            return true;
        }
        string? host = null;
        var portText = text.AsSpan();
        if (text[0] == '[')
        {
            int close = text.IndexOf("]:", StringComparison.Ordinal);
            if (close < 0)
                return false;
            host = text[1..close];
            portText = portText[(close + 2)..];
        }
        else if (text.LastIndexOf(':') is >= 0 and var colon)
        {
            // A second colon is an IPv6 address without its brackets: which part is the port cannot be told.
            host = text[..colon];
            if (host.Contains(':'))
                return false;
            portText = portText[(colon + 1)..];
        }
        if (!int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > 65535)
            return false;
        address = Tcp(host, port);
        return true;
    }

    public static implicit operator ForwardAddress(string text) => Parse(text);
}
