using System.Buffers;
using System.Globalization;

namespace Adit.Ssh.OpenSsh;

/// <summary>One machine of ProxyJump.</summary>
/// <param name="User">Null where none was written.</param>
/// <param name="Host">Name or address, without brackets.</param>
/// <param name="Port">Null where none was written.</param>
public readonly record struct JumpHost(string? User, string Host, int? Port)
{
    private static readonly SearchValues<char> ShellCharacters = SearchValues.Create("'`\"$\\;&<>|(){}");

    /// <summary>"[user@]host[:port]" or "ssh://[user@]host[:port][/]". The text goes on to a command line: nothing in it may look like an option or mean something to a shell.</summary>
    public static bool TryParse(string text, out JumpHost result)
    {
        result = default;
        if (text.StartsWith("ssh://", StringComparison.OrdinalIgnoreCase))
            text = text[6..].TrimEnd('/');
        int at = text.LastIndexOf('@');
        string? user = at < 0 ? null : text[..at];
        string host = text[(at + 1)..];
        int? port = null;
        int colon = host.LastIndexOf(':');
        if (host.StartsWith('['))
        {
            int close = host.IndexOf(']');
            if (close < 0 || (close + 1 < host.Length && host[close + 1] != ':'))
                return false;
            colon = close + 1 < host.Length ? close + 1 : -1;
        }
        else if (colon != host.IndexOf(':'))
        {
            return false;
        }
        if (colon >= 0)
        {
            if (!PortFormat.TryParse(host.AsSpan(colon + 1), out int number) || number == 0)
                return false;
            port = number;
            host = host[..colon];
        }
        if (host.StartsWith('['))
            host = host[1..^1];
        if (!IsSafeWord(host) || host.Contains('/') || (user is not null && !IsSafeWord(user)))
            return false;
        result = new JumpHost(user, host, port);
        return true;
    }

    /// <summary>Not empty, no leading '-', nothing that a shell gives a meaning, no blanks or control characters.</summary>
    private static bool IsSafeWord(string text) =>
        text.Length is > 0 and < 1025 && text[0] != '-' && !text.AsSpan().ContainsAny(ShellCharacters) && !text.Any(c => char.IsControl(c) || char.IsWhiteSpace(c));

    public override string ToString()
    {
        string host = Host.Contains(':') ? $"[{Host}]" : Host;
        return $"{(User is null ? "" : User + "@")}{host}{(Port is { } port ? string.Create(CultureInfo.InvariantCulture, $":{port}") : "")}";
    }
}
