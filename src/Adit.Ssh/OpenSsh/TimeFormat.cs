using System.Globalization;
using System.Text;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>OpenSSH's time format (sshd_config(5), TIME FORMATS): numbers with a unit, added up: "600", "10m", "1h30m". Units s, m, h, d, w in either
/// case; a number without one means seconds.</summary>
public static class TimeFormat
{
    /// <summary>Longest time accepted: what fits OpenSSH's 32-bit seconds.</summary>
    private const long MaxSeconds = int.MaxValue;

    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan value)
    {
        value = default;
        if (text.IsEmpty)
            return false;
        long total = 0;
        while (!text.IsEmpty)
        {
            int digits = text.IndexOfAnyExceptInRange('0', '9');
            if (digits < 0)
                digits = text.Length;
            if (!Numbers.TryParse(text[..digits], out long number) || number > MaxSeconds)
                return false;
            text = text[digits..];
            if (!text.IsEmpty)
            {
                long unit = Unit(text[0]);
                if (unit == 0)
                    return false;
                number *= unit;
                text = text[1..];
            }
            total += number;
            if (total > MaxSeconds)
                return false;
        }
        value = TimeSpan.FromSeconds(total);
        return true;
    }

    /// <summary>Throws <see cref="SshException"/> (<see cref="SshError.Configuration"/>) for anything else.</summary>
    public static TimeSpan Parse(string text) =>
        TryParse(text, out var value) ? value : throw new SshException(SshError.Configuration, $"Invalid time value '{PeerText.Escape(text)}'");

    /// <summary>The shortest way to write whole seconds: "1h30m"; "0s" for zero.</summary>
    public static string Format(TimeSpan time)
    {
        long seconds = (long)time.TotalSeconds;
        if (seconds == 0)
            return "0s";
        var result = new StringBuilder();
        foreach (char unit in "wdhms")
        {
            long size = Unit(unit);
            if (seconds >= size)
                result.Append(CultureInfo.InvariantCulture, $"{seconds / size}{unit}");
            seconds %= size;
        }
        return result.ToString();
    }

    private static long Unit(char c) => c switch
    {
        's' or 'S' => 1,
        'm' or 'M' => 60,
        'h' or 'H' => 60 * 60,
        'd' or 'D' => 24 * 60 * 60,
        'w' or 'W' => 7 * 24 * 60 * 60,
        _ => 0,
    };
}
