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
    /// <summary>Matches <paramref name="text"/> against a comma-separated list.</summary>
    public static PatternMatch Match(ReadOnlySpan<char> text, ReadOnlySpan<char> list, bool ignoreCase = false)
    {
        if (ignoreCase)
            return Match(Lower(text), Lower(list));
        var result = PatternMatch.None;
        while (true)
        {
            int comma = list.IndexOf(',');
            var pattern = comma < 0 ? list : list[..comma];
            bool negated = pattern.StartsWith('!');
            if (negated)
                pattern = pattern[1..];
            if (MatchPattern(text, pattern))
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
    public static bool Matches(ReadOnlySpan<char> text, ReadOnlySpan<char> list, bool ignoreCase = false) => Match(text, list, ignoreCase) == PatternMatch.Matched;

    /// <summary>Matches a host name: as <see cref="Matches"/>, without regard to case.</summary>
    public static bool MatchesHost(ReadOnlySpan<char> host, ReadOnlySpan<char> list) => Matches(host, list, ignoreCase: true);

    /// <summary>Matches one pattern. What stands between two stars is looked for from left to right and never taken back, so the time is bounded by
    /// text length × pattern length whatever the pattern holds.</summary>
    public static bool MatchPattern(ReadOnlySpan<char> text, ReadOnlySpan<char> pattern, bool ignoreCase = false)
    {
        if (ignoreCase)
            return MatchPattern(Lower(text), Lower(pattern));
        int firstStar = pattern.IndexOf('*');
        if (firstStar < 0)
            return text.Length == pattern.Length && MatchHere(text, pattern);
        if (text.Length < firstStar || !MatchHere(text[..firstStar], pattern[..firstStar]))
            return false;
        text = text[firstStar..];

        int lastStar = pattern.LastIndexOf('*');
        var tail = pattern[(lastStar + 1)..];
        if (text.Length < tail.Length || !MatchHere(text[^tail.Length..], tail))
            return false;
        text = text[..^tail.Length];

        var middle = pattern[firstStar..lastStar];
        while (!middle.IsEmpty)
        {
            middle = middle[1..];
            int end = middle.IndexOf('*');
            var segment = end < 0 ? middle : middle[..end];
            int at = Find(text, segment);
            if (at < 0)
                return false;
            text = text[(at + segment.Length)..];
            middle = middle[segment.Length..];
        }
        return true;
    }

    /// <summary>Folds ASCII letters; the text itself where there are none to fold.</summary>
    private static ReadOnlySpan<char> Lower(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyInRange('A', 'Z'))
            return text;
        var lower = new char[text.Length];
        for (int i = 0; i < lower.Length; i++)
            lower[i] = char.IsAsciiLetterUpper(text[i]) ? (char)(text[i] | 0x20) : text[i];
        return lower;
    }

    /// <summary>Compares a text with as much of a pattern without stars.</summary>
    private static bool MatchHere(ReadOnlySpan<char> text, ReadOnlySpan<char> segment)
    {
        while (true)
        {
            int any = segment.IndexOf('?');
            if (any < 0)
                return text.SequenceEqual(segment);
            if (!text[..any].SequenceEqual(segment[..any]))
                return false;
            text = text[(any + 1)..];
            segment = segment[(any + 1)..];
        }
    }

    /// <summary>The first place where a segment without stars matches, or -1.</summary>
    private static int Find(ReadOnlySpan<char> text, ReadOnlySpan<char> segment)
    {
        if (!segment.Contains('?'))
            return text.IndexOf(segment);
        var literal = LongestLiteral(segment, out int offset);
        for (int at = 0; at + segment.Length <= text.Length; at++)
        {
            int found = text[(at + offset)..].IndexOf(literal);
            if (found < 0)
                return -1;
            at += found;
            if (at + segment.Length <= text.Length && MatchHere(text.Slice(at, segment.Length), segment))
                return at;
        }
        return -1;
    }

    private static ReadOnlySpan<char> LongestLiteral(ReadOnlySpan<char> segment, out int offset)
    {
        var best = segment[..0];
        offset = 0;
        for (int start = 0; start < segment.Length;)
        {
            int length = segment[start..].IndexOf('?');
            if (length < 0)
                length = segment.Length - start;
            if (length > best.Length)
            {
                best = segment.Slice(start, length);
                offset = start;
            }
            start += length + 1;
        }
        return best;
    }
}
