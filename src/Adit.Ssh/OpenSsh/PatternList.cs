namespace Adit.Ssh.OpenSsh;

/// <summary>What a list of patterns says about a text.</summary>
public enum PatternMatch
{
    /// <summary>No pattern matched.</summary>
    None,
    /// <summary>At least one plain pattern matched and no negated one did.</summary>
    Matched,
    /// <summary>A pattern written with '!' matched: it wins over every other.</summary>
    Negated,
}

/// <summary>OpenSSH's patterns (ssh_config(5), PATTERNS): '*' stands for any characters or none, '?' for exactly one, and nothing else is special.
/// A list is comma-separated; a pattern with '!' in front excludes, whatever else matches. A list of negated patterns alone never matches.</summary>
public static class PatternList
{
    /// <summary>Matches <paramref name="text"/> against a comma-separated list. <paramref name="ignoreCase"/> folds ASCII letters only.</summary>
    public static PatternMatch Match(ReadOnlySpan<char> text, ReadOnlySpan<char> list, bool ignoreCase = false)
    {
        var result = PatternMatch.None;
        while (true)
        {
            int comma = list.IndexOf(',');
            var pattern = comma < 0 ? list : list[..comma];
            bool negated = pattern.StartsWith('!');
            if (negated)
                pattern = pattern[1..];
            if (MatchPattern(text, pattern, ignoreCase))
            {
                if (negated)
                    return PatternMatch.Negated;
                result = PatternMatch.Matched;
            }
            if (comma < 0)
                return result;
            list = list[(comma + 1)..];
        }
    }

    /// <summary>True when the list matches and no negated pattern does.</summary>
    public static bool Matches(ReadOnlySpan<char> text, ReadOnlySpan<char> list, bool ignoreCase = false) =>
        Match(text, list, ignoreCase) == PatternMatch.Matched;

    /// <summary>Matches a host name: as <see cref="Matches"/>, without regard to case.</summary>
    public static bool MatchesHost(ReadOnlySpan<char> host, ReadOnlySpan<char> list) => Matches(host, list, ignoreCase: true);

    /// <summary>Matches one pattern. The time is bounded by text length × pattern length whatever the pattern holds, and a pattern that needs more characters than
    /// the text has costs one pass over it.</summary>
    public static bool MatchPattern(ReadOnlySpan<char> text, ReadOnlySpan<char> pattern, bool ignoreCase = false)
    {
        int stars = pattern.Count('*');
        if (pattern.Length - stars > text.Length)
            return false;
        if (stars == 0 && pattern.Length != text.Length)
            return false;

        // Only the last '*' passed needs to be taken back: whatever an earlier one could have eaten, this one can.
        int t = 0, p = 0, afterStar = -1, starEnd = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                afterStar = ++p;
                starEnd = t;
            }
            else if (p < pattern.Length && (pattern[p] == '?' || Same(text[t], pattern[p], ignoreCase)))
            {
                t++;
                p++;
            }
            else if (afterStar >= 0)
            {
                p = afterStar;
                t = ++starEnd;
            }
            else
            {
                return false;
            }
        }
        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }

    private static bool Same(char a, char b, bool ignoreCase) =>
        a == b || (ignoreCase && char.IsAscii(a) && char.IsAscii(b) && char.ToLowerInvariant(a) == char.ToLowerInvariant(b));
}
