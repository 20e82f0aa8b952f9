using System.Globalization;
using System.Text;

namespace Adit.Ssh.OpenSsh;

/// <summary>Makes text from a file or a command line safe to show: bounded, and without control characters.</summary>
internal static class Printable
{
    /// <summary>At most <paramref name="maxLength"/> characters; control, formatting and half-surrogate characters as \xNN or \uNNNN.</summary>
    public static string Escape(ReadOnlySpan<char> text, int maxLength = 200)
    {
        bool cut = text.Length > maxLength;
        if (cut)
            text = text[..maxLength];
        var result = new StringBuilder(text.Length + 3);
        foreach (char c in text)
        {
            switch (CharUnicodeInfo.GetUnicodeCategory(c))
            {
                case UnicodeCategory.Control when c < 0x100:
                    result.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
                    break;
                case UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                    or UnicodeCategory.Surrogate or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse:
                    result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
                default:
                    result.Append(c);
                    break;
            }
        }
        return cut ? result.Append('…').ToString() : result.ToString();
    }
}
