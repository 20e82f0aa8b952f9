using System.Globalization;
using System.Text;

namespace Adit.Ssh.Wire;

/// <summary>Makes text that somebody else chose (user names, banners, prompts, error texts) fit for a log or a terminal:
/// cut to a length, with everything that could steer a terminal written out visibly.</summary>
public static class PeerText
{
    /// <summary>Returns at most <paramref name="maxLength"/> characters of <paramref name="text"/>, with control characters (C0, DEL, C1), invisible format
    /// characters (bidi overrides and such) and lone surrogates as octal or \u escapes, the way OpenSSH writes its log. Tabs stay.
    /// With <paramref name="keepLines"/> line feeds stay too and a carriage return before one is dropped.</summary>
    public static string Escape(string text, int maxLength = 1024, bool keepLines = false)
    {
        bool cut = text.Length > maxLength;
        if (cut)
            text = text[..maxLength];
        if (!cut && !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;

        var escaped = new StringBuilder(text.Length + 16);
        for (int i = 0; i < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, i, out var rune))
            {
                // The cut may have split a pair: say nothing about that half.
                if (!cut || i < text.Length - 1)
                    AppendEscape(escaped, text[i]);
                i++;
                continue;
            }
            bool lineEnd = keepLines && rune.Value == '\r' && i + 1 < text.Length && text[i + 1] == '\n';
            if (!lineEnd)
                Append(escaped, rune, keepLines);
            i += rune.Utf16SequenceLength;
        }
        if (cut)
            escaped.Append('…');
        return escaped.ToString();
    }

    private static void Append(StringBuilder escaped, Rune rune, bool keepLines)
    {
        if (IsPlain(rune, keepLines))
            escaped.Append(rune);
        else
            AppendEscape(escaped, rune.Value);
    }

    private static void AppendEscape(StringBuilder escaped, int value)
    {
        if (value < 0x100)
            escaped.Append('\\').Append(Convert.ToString(value, 8).PadLeft(3, '0'));
        else
            escaped.Append(CultureInfo.InvariantCulture, $"\\u{value:x4}");
    }

    private static bool IsPlain(Rune rune, bool keepLines) => rune.Value switch
    {
        '\t' => true,
        '\n' => keepLines,
        _ => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator),
    };
}
