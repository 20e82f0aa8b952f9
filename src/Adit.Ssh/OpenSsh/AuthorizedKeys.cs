using System.Text;
using Adit.Ssh.Keys;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Ssh.OpenSsh;

/// <summary>One usable line of an authorized_keys file.</summary>
/// <param name="Key">The key, or with <see cref="AuthorizedKeyOptions.CertAuthority"/> the authority's.</param>
/// <param name="Options">What the line allows and demands.</param>
/// <param name="Comment">The text behind the key, not escaped; may be empty.</param>
/// <param name="File">The file it stands in.</param>
/// <param name="Line">Its line, from 1.</param>
public sealed record AuthorizedKeyEntry(PublicKey Key, AuthorizedKeyOptions Options, string Comment, string File, int Line);

/// <summary>Parses authorized_keys files. A line with an unknown or malformed option, or without a key that we can read, is refused as a whole: it is reported
/// at Debug ("file:line: bad key options: …") and gives no rights. The lines after it count.</summary>
public static class AuthorizedKeys
{
    /// <summary>The usable lines of a file's text, in order, one at a time: the search ends where the caller stops. The first line that accepts a key decides its options.</summary>
    /// <param name="text">The file's bytes.</param>
    /// <param name="file">Its name, for entries and reports.</param>
    /// <param name="log">Gets the reports.</param>
    public static IEnumerable<AuthorizedKeyEntry> Parse(ReadOnlyMemory<byte> text, string file, ILogger? log = null)
    {
        log ??= NullLogger.Instance;
        int number = 0;
        while (!text.IsEmpty)
        {
            number++;
            int end = text.Span.IndexOf((byte)'\n');
            string line = Encoding.UTF8.GetString(end < 0 ? text.Span : text.Span[..end]);
            text = end < 0 ? default : text[(end + 1)..];
            if (ParseLine(line, file, number, out string? problem) is { } entry)
                yield return entry;
            else if (problem is not null)
                log.LogDebug("{File}:{Line}: {Problem}", file, number, problem);
        }
    }

    /// <summary>Parses one line. Null for an empty line or a comment, and for a refused one, whose <paramref name="problem"/> then says why.</summary>
    public static AuthorizedKeyEntry? ParseLine(string line, string file, int number, out string? problem)
    {
        problem = null;
        var rest = line.AsSpan().TrimStart(" \t").TrimEnd("\r\n");
        if (rest.IsEmpty || rest[0] == '#')
            return null;

        string field = "";
        if (!KeyText.StartsWithKeyType(rest))
        {
            int length = AuthorizedKeyOptionsParser.FieldLength(rest);
            if (length < 0)
            {
                problem = "invalid key option string";
                return null;
            }
            field = rest[..length].ToString();
            rest = rest[length..].TrimStart(" \t");
        }
        if (!KeyText.TryParse(rest, out var key, out string comment, out string? why))
        {
            problem = $"no usable key: {why}";
            return null;
        }

        var options = AuthorizedKeyOptions.None;
        if (field.Length > 0)
        {
            if (AuthorizedKeyOptionsParser.Parse(field, out string? reason) is not { } parsed)
            {
                problem = $"bad key options: {reason}";
                return null;
            }
            options = parsed;
        }
        return new AuthorizedKeyEntry(key, options, comment, file, number);
    }
}
