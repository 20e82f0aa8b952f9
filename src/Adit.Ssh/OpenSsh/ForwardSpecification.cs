using System.Text;
using Adit.Ssh.Forwarding;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>Which option a forward was written for.</summary>
public enum ForwardKind
{
    /// <summary>-L, LocalForward: listen here, connect there.</summary>
    Local,
    /// <summary>-R, RemoteForward: listen there, connect here; without a destination a SOCKS proxy.</summary>
    Remote,
    /// <summary>-D, DynamicForward: listen here as a SOCKS proxy.</summary>
    Dynamic,
}

/// <summary>One forward as written on a command line or in ssh_config.</summary>
/// <param name="Kind">The option it was written for.</param>
/// <param name="Listen">What to listen on. Its host is null where no bind address was written, and "" or "*" (the wildcard) as written; its port may be 0 only for <see cref="ForwardKind.Remote"/>.</param>
/// <param name="Destination">What to connect to; null for a SOCKS proxy.</param>
public sealed record ForwardSpecification(ForwardKind Kind, ForwardAddress Listen, ForwardAddress? Destination)
{
    /// <summary>NI_MAXHOST, terminator included.</summary>
    private const int MaxHost = 1025;

    /// <summary>True where connections are SOCKS requests.</summary>
    public bool IsDynamic => Destination is null;

    /// <summary>Parses ssh(1)'s forms: "[bind:]port:host:hostport", "[bind:]port:/path", "/path:host:hostport", "/path:/path", and "[bind:]port" for Dynamic and
    /// for Remote. "[…]" protects colons, a backslash the character after it; a field with a slash is a Unix socket's path; ports are numbers or service
    /// names. Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) with the line that ssh prints.</summary>
    public static ForwardSpecification Parse(string text, ForwardKind kind)
    {
        if (TryParse(text, kind, out var specification))
            return specification;
        string name = kind switch { ForwardKind.Local => "local", ForwardKind.Remote => "remote", _ => "dynamic" };
        throw new SshException(SshError.Configuration, $"Bad {name} forwarding specification '{PeerText.Escape(text, 1024)}'") { Hint = Describe(text, kind) };
    }

    public static bool TryParse(string text, ForwardKind kind, out ForwardSpecification specification)
    {
        specification = null!;
        if (text.Contains('\0') || SplitFields(text) is not { } fields)
            return false;
        // ssh tries a remote forward as one with a destination first, then as a SOCKS proxy.
        if (kind != ForwardKind.Dynamic && TryBuild(fields, out var listen, out var destination) && IsUsable(listen, kind))
        {
            specification = new ForwardSpecification(kind, listen, destination);
            return true;
        }
        if (kind != ForwardKind.Local && TryBuildDynamic(fields, out listen) && IsUsable(listen, kind))
        {
            specification = new ForwardSpecification(kind, listen, null);
            return true;
        }
        return false;
    }

    /// <summary>The same forward as ssh(1) takes it.</summary>
    public override string ToString() => Destination is { } destination ? $"{Write(Listen)}:{Write(destination)}" : Write(Listen);

    private static string Write(ForwardAddress address)
    {
        if (address.IsUnix)
            return WriteField(address.Path!, ":\\[] \t");
        return address.Host is { } host ? $"{WriteHost(host)}:{address.Port}" : $"{address.Port}";
    }

    private static string WriteHost(string host) =>
        host.Contains(':') && !host.AsSpan().ContainsAny("/]") ? $"[{host}]" : WriteField(host, ":\\[]/ \t");

    private static string WriteField(string text, string special)
    {
        if (!text.AsSpan().ContainsAny(special))
            return text;
        var result = new StringBuilder(text.Length + 8);
        foreach (char c in text)
            result.Append(special.Contains(c) ? "\\" : "").Append(c);
        return result.ToString();
    }

    private static bool TryBuild(List<Field> fields, out ForwardAddress listen, out ForwardAddress destination)
    {
        listen = destination = default;
        switch (fields)
        {
            case [{ IsPath: true } path, { IsPath: true } to]:
                return TryUnix(path, out listen) && TryUnix(to, out destination);
            case [var port, { IsPath: true } to]:
                return TryTcp(null, port, out listen) && TryUnix(to, out destination);
            case [{ IsPath: true } path, var host, var hostPort]:
                return TryUnix(path, out listen) && TryDestination(host, hostPort, out destination);
            case [var bind, var port, { IsPath: true } to]:
                return TryTcp(bind.Text, port, out listen) && TryUnix(to, out destination);
            case [var port, var host, var hostPort]:
                return TryTcp(null, port, out listen) && TryDestination(host, hostPort, out destination);
            case [var bind, var port, var host, var hostPort]:
                return TryTcp(bind.Text, port, out listen) && TryDestination(host, hostPort, out destination);
            default:
                return false;
        }
    }

    private static bool TryBuildDynamic(List<Field> fields, out ForwardAddress listen)
    {
        listen = default;
        return fields switch
        {
            [{ IsPath: false } port] => TryTcp(null, port, out listen),
            [{ IsPath: false } bind, { IsPath: false } port] => TryTcp(bind.Text, port, out listen),
            _ => false,
        };
    }

    private static bool TryTcp(string? host, Field port, out ForwardAddress address)
    {
        address = default;
        if (host?.Length >= MaxHost || !PortFormat.TryParse(port.Text, out int number))
            return false;
        address = ForwardAddress.Tcp(host, number);
        return true;
    }

    private static bool TryDestination(Field host, Field port, out ForwardAddress address) =>
        TryTcp(host.Text, port, out address) && address.Port != 0;

    private static bool TryUnix(Field path, out ForwardAddress address)
    {
        address = default;
        if (Encoding.UTF8.GetByteCount(path.Text) >= ForwardAddress.MaxPathLength)
            return false;
        address = ForwardAddress.Unix(path.Text);
        return true;
    }

    /// <summary>A port of 0 means "any free one", which only a server can tell us about.</summary>
    private static bool IsUsable(ForwardAddress listen, ForwardKind kind) => listen.IsUnix || listen.Port != 0 || kind == ForwardKind.Remote;

    /// <summary>Splits at colons into at most four fields; null when brackets do not close or something is left over.</summary>
    private static List<Field>? SplitFields(string text)
    {
        var fields = new List<Field>(4);
        var rest = text.AsSpan().TrimStart(" \t\n\v\f\r");
        while (!rest.IsEmpty)
        {
            if (fields.Count == 4)
                return null;
            if (rest[0] == '[')
            {
                int close = rest.IndexOf(']');
                if (close < 0 || (close + 1 < rest.Length && rest[close + 1] != ':'))
                    return null;
                fields.Add(new Field(rest[1..close].ToString()));
                rest = close + 2 <= rest.Length ? rest[(close + 2)..] : default;
                continue;
            }
            var field = new StringBuilder();
            bool isPath = false;
            int i = 0;
            for (; i < rest.Length && rest[i] != ':'; i++)
            {
                if (rest[i] == '\\')
                {
                    if (++i == rest.Length)
                        return null;
                }
                else if (rest[i] == '/')
                {
                    isPath = true;
                }
                field.Append(rest[i]);
            }
            fields.Add(new Field(field.ToString(), isPath));
            rest = i < rest.Length ? rest[(i + 1)..] : default;
        }
        return fields;
    }

    private static string Describe(string text, ForwardKind kind)
    {
        string expected = kind switch
        {
            ForwardKind.Local => "[bind:]port:host:hostport, [bind:]port:/socket, /socket:host:hostport or /socket:/socket",
            ForwardKind.Remote => "[bind:]port:host:hostport, [bind:]port:/socket, /socket:host:hostport, /socket:/socket, or [bind:]port for a SOCKS proxy",
            _ => "[bind:]port",
        };
        string cause = SplitFields(text) switch
        {
            null => "Brackets do not close around one field, or there are more than four fields. ",
            var fields when kind != ForwardKind.Remote && fields.Any(field => field.Text == "0") => "Port 0 can only be asked of a server, with -R. ",
            var fields when fields.FirstOrDefault(field => IsBadNumber(field.Text)) is { Text: { } bad } => $"\"{PeerText.Escape(bad, 40)}\" is not a port (0 to 65535). ",
            _ => "",
        };
        return $"{cause}Expected {expected}; an IPv6 address goes in brackets.";
    }

    private static bool IsBadNumber(string text) => text.Length > 0 && text.All(char.IsAsciiDigit) && !PortFormat.TryParse(text, out _);

    private readonly record struct Field(string Text, bool IsPath)
    {
        public Field(string text)
            : this(text, text.Contains('/'))
        {
        }
    }
}
