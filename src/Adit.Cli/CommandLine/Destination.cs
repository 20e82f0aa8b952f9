using System.Buffers;
using System.Globalization;
using System.Text;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.CommandLine;

/// <summary>Where ssh is told to go: <c>[user@]host</c> or <c>ssh://[user@]host[:port][/]</c>.</summary>
/// <param name="User">Null when not given.</param>
/// <param name="Host">Empty where the word was: no such host can be found, and that is what ssh says of it.</param>
/// <param name="Port">Null when not given.</param>
internal readonly record struct Destination(string? User, string Host, int? Port)
{
    private const string UriScheme = "ssh://";

    /// <summary>They begin other parts of a URI, or are escapes that no name needs.</summary>
    private static readonly SearchValues<char> NotInUriHosts = SearchValues.Create("%?#@[] ");

    /// <summary>Null when the text is neither form; ssh answers that with its usage.</summary>
    public static Destination? Parse(string text)
    {
        if (text.StartsWith(UriScheme, StringComparison.OrdinalIgnoreCase))
        {
            return ParseUri(text[UriScheme.Length..]);
        }

        var at = text.LastIndexOf('@');
        return at switch
        {
            0 => null,
            < 0 => new(null, WithoutBrackets(text), null),
            _ => new(text[..at], WithoutBrackets(text[(at + 1)..]), null),
        };
    }

    /// <summary>Names that a shell, a file name or a terminal could misread are refused wherever they came from (CVE-2023-51385).</summary>
    public static bool IsValidHost(string host)
    {
        if (host.StartsWith('-'))
        {
            return false;
        }

        foreach (var c in host)
        {
            if (c is '\'' or '`' or '"' or '$' or '\\' or ';' or '&' or '<' or '>' or '|' or '(' or ')' or '{' or '}' or ',' || char.IsWhiteSpace(c) || char.IsControl(c))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>As for hosts, but Windows domains ("CORP\alice") and inner blanks are people's real names.</summary>
    public static bool IsValidUser(string user)
    {
        if (user is ['-', ..] or [.., '\\'])
        {
            return false;
        }

        for (var i = 0; i < user.Length; i++)
        {
            var c = user[i];
            if (c is '\'' or '`' or '"' or ';' or '&' or '<' or '>' or '|' or '(' or ')' or '{' or '}' || char.IsControl(c)
                || (char.IsWhiteSpace(c) && i + 1 < user.Length && user[i + 1] == '-'))
            {
                return false;
            }
        }

        return true;
    }

    private static Destination? ParseUri(string rest)
    {
        string? user = null;
        var at = rest.LastIndexOf('@');
        if (at == 0)
        {
            return null;
        }

        if (at > 0)
        {
            var withParameters = rest[..at];
            var semicolon = withParameters.IndexOf(';', StringComparison.Ordinal);
            user = Unescape(semicolon < 0 ? withParameters : withParameters[..semicolon]);
            if (string.IsNullOrEmpty(user))
            {
                return null;
            }

            rest = rest[(at + 1)..];
        }

        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        if (slash >= 0 && slash != rest.Length - 1)
        {
            return null; // ssh has no use for a path
        }

        rest = slash < 0 ? rest : rest[..slash];
        if (rest is ['[', .. var bracketed] && bracketed.IndexOf(']', StringComparison.Ordinal) is var close and > 0)
        {
            var after = bracketed[(close + 1)..];
            return WithPort(user, bracketed[..close], after.Length == 0 ? null : after[0] == ':' ? after[1..] : "?");
        }

        var colon = rest.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? WithPort(user, rest, null) : WithPort(user, rest[..colon], rest[(colon + 1)..]);
    }

    private static Destination? WithPort(string? user, string host, string? port)
    {
        if (host.Length == 0 || host[0] == '-' || (!host.Contains(':', StringComparison.Ordinal) && host.AsSpan().ContainsAny(NotInUriHosts)))
        {
            return null;
        }

        if (string.IsNullOrEmpty(port))
        {
            return new(user, host, null);
        }

        return PortFormat.TryParse(port, out var number) && number > 0 ? new(user, host, number) : null;
    }

    /// <summary>1–65535 in decimal digits alone; null for anything else.</summary>
    public static int? ParsePort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? port : null;

    private static string WithoutBrackets(string host) =>
        host is ['[', .. var inner, ']'] && inner.Contains(':', StringComparison.Ordinal) ? inner : host;

    /// <summary>Undoes %XX; null for a broken escape and for NUL, which would end the name early elsewhere (CVE-2025-61985).</summary>
    private static string? Unescape(string text)
    {
        var bytes = new List<byte>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(text, i, 1));
                continue;
            }

            if (i + 2 >= text.Length || !byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value == 0)
            {
                return null;
            }

            bytes.Add(value);
            i += 2;
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }
}
