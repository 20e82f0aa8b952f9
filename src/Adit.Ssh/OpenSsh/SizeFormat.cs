namespace Adit.Ssh.OpenSsh;

/// <summary>Byte counts as RekeyLimit takes them: a number, with an optional fraction and an optional unit K, M, G, T, P or E (powers of 1024).</summary>
public static class SizeFormat
{
    private const string Units = "BKMGTPE";

    /// <summary>The same with a sign, as OpenSSH reads RekeyLimit before it finds a negative one too small. <paramref name="reason"/> is the system's word for what is wrong.</summary>
    internal static bool TryParseSigned(ReadOnlySpan<char> text, out long bytes, out string reason)
    {
        bool isNegative = text.StartsWith('-');
        var number = isNegative || text.StartsWith('+') ? text[1..] : text;
        bool isFine = TryParse(number.StartsWith('.') ? $"0{number}" : number, out bytes);
        if (isNegative)
            bytes = -bytes;
        bool isNumber = number.TrimEnd("kKmMgGtTpPeE") is { IsEmpty: false } digits && digits.TrimStart("0123456789.").IsEmpty && number.Length - digits.Length < 2;
        reason = isFine ? "" : isNumber ? "Numerical result out of range" : "Invalid argument";
        return isFine;
    }

    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        if (text.IsEmpty)
            return false;
        int power = Units.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        if (power >= 0)
            text = text[..^1];
        long unit = 1L << (10 * Math.Max(power, 0));

        int dot = text.IndexOf('.');
        var whole = dot < 0 ? text : text[..dot];
        if (!Numbers.TryParse(whole, out long number) || number > long.MaxValue / unit)
            return false;
        long result = number * unit;
        if (dot >= 0)
        {
            var fraction = text[(dot + 1)..];
            if (fraction.ContainsAnyExceptInRange('0', '9') || fraction.Length > 12)
                return false;
            long scale = 1, part = 0;
            foreach (char digit in fraction)
            {
                part = (part * 10) + (digit - '0');
                scale *= 10;
            }
            result += (long)((Int128)part * unit / scale);
            if (result < 0)
                return false;
        }
        bytes = result;
        return true;
    }
}
