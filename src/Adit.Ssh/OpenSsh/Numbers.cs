using System.Globalization;

namespace Adit.Ssh.OpenSsh;

/// <summary>Plain decimal numbers: digits only, no sign, no blanks.</summary>
internal static class Numbers
{
    public static bool TryParse(ReadOnlySpan<char> text, out long value) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    public static bool TryParse(ReadOnlySpan<char> text, int min, int max, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max;
}
