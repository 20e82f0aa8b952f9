namespace Adit.Ssh.OpenSsh;

/// <summary>glob(7): '*', '?' and '[…]' within a name of an absolute path; a name that begins with a dot matches only where the dot is written.</summary>
public static class FileGlob
{
    /// <summary>A pattern with more folders to look through than this is cut short.</summary>
    private const int MaxPaths = 4096;

    /// <summary>Existing paths that match, sorted; a pattern without wildcards matches itself if it exists.</summary>
    public static IReadOnlyList<string> Expand(string pattern)
    {
        if (!pattern.AsSpan().ContainsAny("*?[\\"))
            return Path.Exists(pattern) ? [pattern] : [];
        IEnumerable<string> found = [pattern.StartsWith('/') ? "/" : "."];
        foreach (string part in pattern.Split('/', StringSplitOptions.RemoveEmptyEntries))
            found = [.. Step(found, part).Take(MaxPaths)];
        return [.. found.Where(Path.Exists).Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> Step(IEnumerable<string> folders, string part) =>
        part.AsSpan().ContainsAny("*?[\\") ? folders.SelectMany(folder => Names(folder, part)) : folders.Select(folder => Path.Combine(folder, part));

    private static string[] Names(string folder, string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(folder).Where(path => Matches(Path.GetFileName(path), pattern))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    internal static bool Matches(string name, string pattern) =>
        (!name.StartsWith('.') || pattern.StartsWith('.')) && MatchRest(name, pattern);

    private static bool MatchRest(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern)
    {
        // As in PatternList only the last star passed needs to be taken back.
        int n = 0, p = 0, afterStar = -1, starEnd = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                afterStar = ++p;
                starEnd = n;
            }
            else if (p < pattern.Length && MatchOne(name[n], pattern[p..], out int length))
            {
                n++;
                p += length;
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

    /// <summary>Matches one character with the beginning of a pattern, whose length is given back.</summary>
    private static bool MatchOne(char c, ReadOnlySpan<char> pattern, out int length)
    {
        length = 1;
        switch (pattern[0])
        {
            case '?':
                return true;
            case '\\' when pattern.Length > 1:
                length = 2;
                return pattern[1] == c;
            case '[':
                bool negated = pattern.Length > 1 && pattern[1] is '!' or '^';
                int start = negated ? 2 : 1;
                int close = start < pattern.Length ? pattern[(start + 1)..].IndexOf(']') : -1;
                if (close < 0)
                    return c == '[';
                var set = pattern.Slice(start, close + 1);
                length = start + set.Length + 1;
                return Contains(set, c) != negated;
            default:
                return pattern[0] == c;
        }
    }

    private static bool Contains(ReadOnlySpan<char> set, char c)
    {
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                if (c >= set[i] && c <= set[i + 2])
                    return true;
                i += 2;
            }
            else if (set[i] == c)
            {
                return true;
            }
        }
        return false;
    }
}
