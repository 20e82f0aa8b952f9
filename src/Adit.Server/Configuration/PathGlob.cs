using Adit.Ssh.OpenSsh;

namespace Adit.Server.Configuration;

/// <summary>glob(7) over absolute paths: '*', '?' and '[…]' within a name; names that begin with a dot match only where the dot is written.</summary>
internal static class PathGlob
{
    /// <summary>Existing paths that match, in byte order; a pattern without wildcards matches itself if it exists.</summary>
    public static IReadOnlyList<string> Expand(string pattern)
    {
        IEnumerable<string> found = ["/"];
        foreach (var part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            found = part.AsSpan().ContainsAny("*?[") ? found.SelectMany(folder => Entries(folder, part)) : found.Select(folder => Path.Combine(folder, part));
        }

        return [.. found.Where(Path.Exists).Order(StringComparer.Ordinal)];
    }

    private static string[] Entries(string folder, string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder)
                .Where(path => Path.GetFileName(path) is var name && (name[0] != '.' || pattern[0] == '.') && Matches(name, pattern))];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>As <see cref="PatternList.MatchPattern"/>, with sets of characters besides.</summary>
    internal static bool Matches(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern)
    {
        if (!pattern.Contains('['))
        {
            return PatternList.MatchPattern(name, pattern);
        }

        int n = 0, p = 0, afterStar = -1, starEnd = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                afterStar = ++p;
                starEnd = n;
            }
            else if (p < pattern.Length && MatchesOne(name[n], pattern[p..], out var used))
            {
                n++;
                p += used;
            }
            else if (afterStar >= 0)
            {
                p = afterStar;
                n = ++starEnd;
            }
            else
            {
                return false;
            }
        }

        return pattern[p..].Trim('*').IsEmpty;
    }

    /// <summary>Matches one character with '?', a set, or itself; <paramref name="used"/> is the length of that piece of the pattern.</summary>
    private static bool MatchesOne(char c, ReadOnlySpan<char> pattern, out int used)
    {
        used = 1;
        if (pattern[0] != '[')
        {
            return pattern[0] == '?' || pattern[0] == c;
        }

        var negated = pattern.Length > 1 && pattern[1] is '!' or '^';
        var start = negated ? 2 : 1;
        var length = start >= pattern.Length ? -1 : pattern[(start + 1)..].IndexOf(']');
        if (length < 0)
        {
            return c == '['; // no set: an ordinary bracket
        }

        var set = pattern.Slice(start, length + 1);
        used = start + set.Length + 1;
        var found = false;
        for (var i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                found |= c >= set[i] && c <= set[i + 2];
                i += 2;
            }
            else
            {
                found |= c == set[i];
            }
        }

        return found != negated;
    }
}
