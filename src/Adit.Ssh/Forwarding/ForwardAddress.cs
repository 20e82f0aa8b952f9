namespace Adit.Ssh.Forwarding;

/// <summary>An end of a forward: a TCP host and port, or a Unix socket's path.</summary>
public readonly record struct ForwardAddress
{
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

    /// <summary>Parses "host:port", "[v6]:port", "port" or a path with a slash in it.</summary>
    public static ForwardAddress Parse(string text) => throw new NotImplementedException();

    public static implicit operator ForwardAddress(string text) => Parse(text);
}
