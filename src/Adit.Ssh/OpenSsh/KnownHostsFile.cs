using System.Text;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>Reads known_hosts files. A line that cannot be read is reported at debug level and gives no rights; the lines after it count.</summary>
internal static class KnownHostsFile
{
    /// <summary>A file longer than this is not read.</summary>
    private const long MaxFileLength = 64 << 20;

    /// <summary>The entries whose names field <paramref name="wanted"/> accepts (it returns null for a malformed one). Other lines' keys are not looked at. A file that
    /// is missing or cannot be read has no entries.</summary>
    public static IEnumerable<KnownHostsEntry> Read(string path, ILogger log, Func<string, bool?> wanted)
    {
        byte[] text;
        try
        {
            text = ReadAll(path, MaxFileLength);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            log.LogDebug("load_hostkeys: fopen {Path}: {Reason}", path, FileErrors.Describe(e));
            yield break;
        }

        int number = 0;
        for (int start = 0; start < text.Length;)
        {
            int end = Array.IndexOf(text, (byte)'\n', start);
            if (end < 0)
                end = text.Length;
            number++;
            var entry = ParseLine(Encoding.UTF8.GetString(text, start, end - start), path, number, wanted, out string? problem);
            if (entry is not null)
                yield return entry;
            else if (problem is not null)
                log.LogDebug("{Path}:{Line}: parse error in hostkeys file ({Problem})", path, number, problem);
            start = end + 1;
        }
    }

    /// <summary>Parses one line; null where it is empty, a comment, not wanted or, with a <paramref name="problem"/>, malformed.</summary>
    internal static KnownHostsEntry? ParseLine(string line, string path, int number, Func<string, bool?> wanted, out string? problem)
    {
        problem = null;
        var rest = line.AsSpan().TrimStart(" \t").TrimEnd('\r');
        if (rest.IsEmpty || rest[0] == '#')
            return null;
        if (rest.Contains('\0'))
        {
            problem = "NUL character";
            return null;
        }

        var marker = KnownHostsMarker.None;
        if (rest[0] == '@')
        {
            switch (NextWord(ref rest))
            {
                case "@cert-authority":
                    marker = KnownHostsMarker.CertAuthority;
                    break;
                case "@revoked":
                    marker = KnownHostsMarker.Revoked;
                    break;
                default:
                    problem = "invalid marker";
                    return null;
            }
            if (rest.StartsWith('@'))
            {
                problem = "more than one marker";
                return null;
            }
        }

        string names = NextWord(ref rest).ToString();
        switch (wanted(names))
        {
            case null:
                problem = "bad host hash";
                return null;
            case false:
                return null;
        }
        if (rest.IsEmpty || rest[0] == '#')
        {
            problem = "truncated before key type";
            return null;
        }
        return KeyText.TryParse(rest, out var key, out _, out problem) ? new KnownHostsEntry(path, number, marker, names, key) : null;
    }

    private static ReadOnlySpan<char> NextWord(ref ReadOnlySpan<char> rest)
    {
        int end = rest.IndexOfAny(' ', '\t');
        if (end < 0)
            end = rest.Length;
        var word = rest[..end];
        rest = rest[end..].TrimStart(" \t");
        return word;
    }

    /// <summary>Reads a file that is not longer than <paramref name="maxLength"/>. Devices such as /dev/null count as empty.</summary>
    internal static byte[] ReadAll(string path, long maxLength)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (!file.CanSeek)
            return [];
        if (file.Length > maxLength)
            throw new IOException($"longer than {maxLength} bytes");
        var text = new byte[file.Length];
        int length = file.ReadAtLeast(text, text.Length, throwOnEndOfStream: false);
        return length == text.Length ? text : text[..length];
    }
}
