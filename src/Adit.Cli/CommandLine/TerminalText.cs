using System.Globalization;
using System.Text;

namespace Adit.Cli.CommandLine;

/// <summary>Makes text from a peer, a file or a command line safe to show: no control character reaches the terminal.</summary>
internal static class TerminalText
{
    /// <summary>Longest text shown; the rest is cut.</summary>
    private const int MaxLength = 16 * 1024;

    /// <summary>Writes every control character (C0, DEL, C1), lone surrogate and invisible format character (bidi overrides and such) as octal or \u escapes,
    /// as OpenSSH's vis encoding does. Tabs stay; line feeds only with <paramref name="keepLines"/>.</summary>
    public static string Escape(string text, bool keepLines = false)
    {
        var clean = true;
        for (var i = 0; i < text.Length && clean; i++)
        {
            clean = IsPlain(text, i, keepLines);
        }

        if (clean && text.Length <= MaxLength)
        {
            return text;
        }

        var escaped = new StringBuilder(text.Length + 16);
        for (var i = 0; i < text.Length && escaped.Length < MaxLength; i++)
        {
            var c = text[i];
            if (IsPlain(text, i, keepLines))
            {
                escaped.Append(c);
            }
            else if (c < 0x100)
            {
                escaped.Append('\\').Append(Convert.ToString(c, 8).PadLeft(3, '0'));
            }
            else
            {
                escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
        }

        return escaped.ToString();
    }

    private static bool IsPlain(string text, int index, bool keepLines)
    {
        var c = text[index];
        if (c is >= ' ' and <= '~' or '\t')
        {
            return true;
        }

        if (c == '\n')
        {
            return keepLines;
        }

        if (char.IsHighSurrogate(c))
        {
            return index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]);
        }

        if (char.IsLowSurrogate(c))
        {
            return index > 0 && char.IsHighSurrogate(text[index - 1]);
        }

        return !char.IsControl(c) && char.GetUnicodeCategory(c) is not (UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
    }
}
