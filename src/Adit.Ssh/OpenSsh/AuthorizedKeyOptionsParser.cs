using System.Globalization;

namespace Adit.Ssh.OpenSsh;

/// <summary>Parses the options field of an authorized_keys line. Anything unknown or malformed refuses the whole field: an option that we do not
/// understand may be a restriction.</summary>
internal ref struct AuthorizedKeyOptionsParser
{
    private const int MaxPermits = 4096;
    private const int MaxEnvironment = 1024;
    private const int MaxHost = 1024;

    private readonly AuthorizedKeyOptions _options;
    private readonly List<PermitEntry> _permitOpen = [], _permitListen = [];
    private readonly List<KeyValuePair<string, string>> _environment = [];
    private ReadOnlySpan<char> _rest;

    private AuthorizedKeyOptionsParser(string text)
    {
        _rest = text;
        _options = new AuthorizedKeyOptions { Text = text };
    }

    /// <summary>Returns null and a reason, in OpenSSH's words, when the field is refused.</summary>
    public static AuthorizedKeyOptions? Parse(string text, out string? problem)
    {
        // Text that is not UTF-8 was replaced when the line was read: a command or a pattern would not be what its author wrote.
        if (text.AsSpan().ContainsAny('\ufffd', '\0'))
        {
            problem = "invalid characters in key options";
            return null;
        }
        var parser = new AuthorizedKeyOptionsParser(text);
        problem = parser.Run();
        return problem is null ? parser._options : null;
    }

    /// <summary>Where the options field of a line ends: at the first blank outside quotes. -1 when a quote is not closed.</summary>
    public static int FieldLength(ReadOnlySpan<char> line)
    {
        bool quoted = false;
        int i = 0;
        for (; i < line.Length && (quoted || line[i] is not (' ' or '\t')); i++)
        {
            if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] == '"')
                i++;
            else if (line[i] == '"')
                quoted = !quoted;
        }
        return quoted ? -1 : Math.Min(i, line.Length);
    }

    private string? Run()
    {
        while (true)
        {
            if (ReadOption() is { } problem)
                return problem;
            if (_rest.IsEmpty)
                break;
            if (_rest[0] != ',')
                return "unknown key option";
            _rest = _rest[1..];
            if (_rest.IsEmpty)
                return "unexpected end-of-options";
        }
        if (_options.Principals is not null && !_options.CertAuthority)
            return "principals on non-CA key";
        if (_permitOpen.Count > 0)
            _options.PermitOpen = _permitOpen;
        if (_permitListen.Count > 0)
            _options.PermitListen = _permitListen;
        _options.Environment = _environment;
        return null;
    }

    private string? ReadOption()
    {
        int end = _rest.IndexOfAny(',', '=');
        var name = end < 0 ? _rest : _rest[..end];
        bool hasValue = end >= 0 && _rest[end] == '=';
        _rest = _rest[(hasValue ? end + 1 : name.Length)..];
        string option = name.ToString().ToLowerInvariant();
        return hasValue ? ReadValue(option) : SetFlag(option);
    }

    private readonly string? SetFlag(string option)
    {
        bool on = !option.StartsWith("no-", StringComparison.Ordinal) || option == "no-touch-required";
        switch (on ? option : option[3..])
        {
            case "port-forwarding":
                _options.PortForwarding = on;
                return null;
            case "agent-forwarding":
                _options.AgentForwarding = on;
                return null;
            case "x11-forwarding":
                _options.X11Forwarding = on;
                return null;
            case "pty":
                _options.Pty = on;
                return null;
            case "user-rc":
                _options.UserRc = on;
                return null;
            case "restrict" when on:
                _options.Restricted = true;
                _options.PortForwarding = _options.AgentForwarding = _options.X11Forwarding = _options.Pty = _options.UserRc = _options.Tunnel = false;
                return null;
            case "cert-authority" when on:
                _options.CertAuthority = true;
                return null;
            case "no-touch-required":
                _options.NoTouchRequired = true;
                return null;
            case "verify-required" when on:
                _options.VerifyRequired = true;
                return null;
            default:
                return "unknown key option";
        }
    }

    private string? ReadValue(string option)
    {
        if (option is not ("command" or "principals" or "from" or "expiry-time" or "environment" or "permitopen" or "permitlisten" or "tunnel"))
            return "unknown key option";
        if (Unquote(out string value) is { } problem)
            return problem;
        switch (option)
        {
            case "command":
                if (_options.Command is not null)
                    return "multiple \"command\" clauses";
                _options.Command = value;
                return null;
            case "principals":
                if (_options.Principals is not null)
                    return "multiple \"principals\" clauses";
                _options.Principals = value.Split(',', StringSplitOptions.RemoveEmptyEntries);
                return null;
            case "from":
                return SetFrom(value);
            case "expiry-time":
                return SetExpiry(value);
            case "environment":
                return AddEnvironment(value);
            case "permitopen":
                return AddPermit(_permitOpen, value, barePort: false);
            case "permitlisten":
                return AddPermit(_permitListen, value, barePort: true);
            default:
                return SetTunnel(value);
        }
    }

    private readonly string? SetFrom(string value)
    {
        if (_options.From is not null)
            return "multiple \"from\" clauses";
        try
        {
            AddressPatternList.Parse(value);
        }
        catch (SshException)
        {
            return "invalid \"from\" clause";
        }
        _options.From = value;
        return null;
    }

    private readonly string? SetExpiry(string value)
    {
        if (!AbsoluteTime.TryParse(value, out var time))
            return "invalid expiry time";
        if (_options.ExpiryTime is not { } earlier || time < earlier)
            _options.ExpiryTime = time;
        return null;
    }

    private readonly string? SetTunnel(string value)
    {
        int device = -1;
        if (_options.TunnelDevice is not null || (!value.Equals("any", StringComparison.OrdinalIgnoreCase) && !Numbers.TryParse(value, 0, 0x7ffffffd, out device)))
            return "invalid tun device";
        _options.TunnelDevice = device;
        return null;
    }

    private readonly string? AddEnvironment(string value)
    {
        int equals = value.IndexOf('=');
        if (equals is <= 0 or > 256)
            return "invalid environment string";
        string name = value[..equals];
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
                return "invalid environment string";
        }
        if (_environment.Count >= MaxEnvironment)
            return "too many environment strings";
        if (!_environment.Exists(variable => variable.Key == name))
            _environment.Add(new(name, value[(equals + 1)..]));
        return null;
    }

    /// <summary>"host:port", "[v6]:port", and for permitlisten also "port".</summary>
    private static string? AddPermit(List<PermitEntry> permits, string value, bool barePort)
    {
        if (permits.Count >= MaxPermits)
            return "too many permission directives";
        var host = "*".AsSpan();
        var port = value.AsSpan();
        if (value.StartsWith('['))
        {
            int close = value.IndexOf(']');
            if (close < 0 || (close + 1 < value.Length && value[close + 1] != ':'))
                return "invalid permission hostname";
            host = value.AsSpan(1, close - 1);
            port = close + 2 <= value.Length ? value.AsSpan(close + 2) : default;
        }
        else if (value.IndexOf(':') is >= 0 and var colon)
        {
            host = value.AsSpan(0, colon);
            port = value.AsSpan(colon + 1);
        }
        else if (!barePort)
        {
            return "invalid permission port";
        }
        if (host.IsEmpty || host.Length > MaxHost)
            return "invalid permission hostname";
        if (port is "*")
        {
            permits.Add(new PermitEntry(host.ToString(), null));
            return null;
        }
        if (!PortFormat.TryParse(port, out int number) || number == 0)
            return "invalid permission port";
        permits.Add(new PermitEntry(host.ToString(), number));
        return null;
    }

    /// <summary>Takes a "…" value; \" is the only escape in it.</summary>
    private string? Unquote(out string value)
    {
        value = "";
        if (!_rest.StartsWith('"'))
            return "missing start quote";
        for (int i = 1; i < _rest.Length; i++)
        {
            if (_rest[i] == '\\' && i + 1 < _rest.Length && _rest[i + 1] == '"')
            {
                i++;
            }
            else if (_rest[i] == '"')
            {
                value = _rest[1..i].ToString().Replace("\\\"", "\"", StringComparison.Ordinal);
                _rest = _rest[(i + 1)..];
                return null;
            }
        }
        return "missing end quote";
    }
}

/// <summary>Times as ssh-keygen and authorized_keys write them.</summary>
internal static class AbsoluteTime
{
    private static readonly string[] Forms = ["yyyyMMdd", "yyyyMMddHHmm", "yyyyMMddHHmmss"];

    /// <summary>"YYYYMMDD", "YYYYMMDDHHMM" or "YYYYMMDDHHMMSS", in local time or, with "Z" or "UTC" behind it, in UTC. The epoch itself and what is before it are refused.</summary>
    public static bool TryParse(string text, out DateTimeOffset time)
    {
        bool utc = false;
        if (text.EndsWith('Z'))
            (text, utc) = (text[..^1], true);
        else if (text.EndsWith("UTC", StringComparison.Ordinal))
            (text, utc) = (text[..^3], true);
        return DateTimeOffset.TryParseExact(text, Forms, CultureInfo.InvariantCulture, utc ? DateTimeStyles.AssumeUniversal : DateTimeStyles.AssumeLocal, out time)
            && time > DateTimeOffset.UnixEpoch;
    }
}
