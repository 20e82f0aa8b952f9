namespace Adit.Ssh.OpenSsh;

/// <summary>Ports written as a number or as a service's name from /etc/services.</summary>
public static class PortFormat
{
    private static readonly Lazy<IReadOnlyDictionary<string, int>> Services = new(() => ReadServices("/etc/services"));

    /// <summary>Parses 0–65535 or the name of a TCP service. Whether 0 is meaningful is the caller's to say. As with strtonum(3), which OpenSSH reads ports with,
    /// blanks and one '+' may come first: what a script has from <c>wc -l</c> is a port too.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out int port)
    {
        var number = text.TrimStart(" \t");
        if (Numbers.TryParse(number is ['+', .. var digits] ? digits : number, 0, 65535, out port))
            return true;
        if (text.IsEmpty || char.IsAsciiDigit(text[0]) || text.Length > 64)
            return false;
        return Services.Value.TryGetValue(text.ToString(), out port);
    }

    /// <summary>Reads the TCP services of a file in /etc/services' form: "name port/tcp alias… # comment". The first entry of a name counts.</summary>
    internal static IReadOnlyDictionary<string, int> ReadServices(string path)
    {
        var services = new Dictionary<string, int>(StringComparer.Ordinal);
        try
        {
            foreach (string line in File.ReadLines(path))
            {
                string[] words = line.Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length < 2 || !words[1].EndsWith("/tcp", StringComparison.Ordinal)
                    || !Numbers.TryParse(words[1].AsSpan(0, words[1].Length - 4), 1, 65535, out int port))
                    continue;
                services.TryAdd(words[0], port);
                foreach (string alias in words.AsSpan(2))
                    services.TryAdd(alias, port);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without the file only numbers are ports; a name is then reported as the bad port that it is.
        }
        return services;
    }
}
