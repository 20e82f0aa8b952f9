using System.Globalization;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.Client;

/// <summary>ssh_config values for one destination, the first value of each keyword winning.</summary>
internal sealed class ClientConfig
{
    private readonly Dictionary<string, List<IReadOnlyList<string>>> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads lines that stand for a command line's flags and -o options.</summary>
    public static ClientConfig Parse(IEnumerable<string> lines)
    {
        var config = new ClientConfig();
        foreach (var line in lines)
        {
            OpenSshLexer.SplitKeyword(line, out var keyword, out var rest);
            if (!OpenSshLexer.TrySplit(rest, comments: true, out var words) || words.Count == 0)
            {
                throw new SshException(SshError.Configuration, $"command-line line 0: no argument after keyword \"{keyword}\"");
            }

            if (!config._values.TryGetValue(keyword, out var directives))
            {
                config._values.Add(keyword, directives = []);
            }

            directives.Add(keyword.Equals("ProxyCommand", StringComparison.OrdinalIgnoreCase) ? [rest.ToString()] : words);
        }

        return config;
    }

    /// <summary>The first directive's first argument, or null.</summary>
    public string? this[string keyword] => _values.TryGetValue(keyword, out var directives) ? directives[0][0] : null;

    /// <summary>The first directive's arguments, or null.</summary>
    public IReadOnlyList<string>? List(string keyword) => _values.TryGetValue(keyword, out var directives) ? directives[0] : null;

    /// <summary>Every directive's arguments, for keywords that add up.</summary>
    public IReadOnlyList<IReadOnlyList<string>> All(string keyword) => _values.TryGetValue(keyword, out var directives) ? directives : [];

    /// <summary>yes, no, true or false in any case.</summary>
    public bool IsYes(string keyword, bool otherwise) => this[keyword]?.ToLowerInvariant() switch
    {
        null => otherwise,
        "yes" or "true" => true,
        "no" or "false" => false,
        var value => throw Bad(keyword, value, "yes or no"),
    };

    /// <summary>A time ("90", "1h30m"); null where it is not set or "none".</summary>
    public TimeSpan? Time(string keyword) => this[keyword] switch
    {
        null or "none" => null,
        var value when TimeFormat.TryParse(value, out var time) => time,
        var value => throw Bad(keyword, value, "a time such as 30, 10m or 1h30m"),
    };

    public int Number(string keyword, int otherwise) => this[keyword] switch
    {
        null => otherwise,
        var value when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        var value => throw Bad(keyword, value, "a number"),
    };

    internal static SshException Bad(string keyword, string value, string expected) =>
        new(SshError.Configuration, $"Bad {keyword} value \"{value}\"") { Hint = $"{keyword} takes {expected}." };
}
