using Adit.Ssh.Cryptography;
using Adit.Ssh.Wire;

namespace Adit.Ssh.OpenSsh;

/// <summary>Reads the arguments of ssh_config's directives. Each parser reports what is wrong in OpenSSH's words.</summary>
internal static class SshConfigParsers
{
    internal static readonly (string Word, bool Value)[] FlagWords = [("true", true), ("false", false), ("yes", true), ("no", false)];

    private static readonly string[] Facilities =
        ["DAEMON", "USER", "AUTH", "AUTHPRIV", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7"];

    /// <summary>What ssh shows for an argument that is missing.</summary>
    private const string NoWord = "<NONE>";

    public static bool Flag(SshConfigArguments arguments) => OneOf(FlagWords)(arguments);

    public static Func<SshConfigArguments, T?> OneOf<T>((string Word, T Value)[] words) => arguments =>
    {
        string? word = arguments.Next();
        foreach (var (name, value) in words)
        {
            if (name.Equals(word, StringComparison.OrdinalIgnoreCase))
                return value;
        }
        if (string.IsNullOrEmpty(word))
            arguments.Report("missing argument.");
        arguments.Fail($"unsupported option \"{Shown(word)}\".");
        return default;
    };

    public static int Integer(SshConfigArguments arguments)
    {
        string? word = arguments.Next();
        if (string.IsNullOrEmpty(word))
            arguments.Fail("integer value missing.");
        else if (Numbers.TryParse(word, 0, int.MaxValue, out int value))
            return value;
        else if (word.Length > 1 && word[0] == '-' && !word.AsSpan(1).ContainsAnyExceptInRange('0', '9'))
            arguments.Fail("integer value too small.");
        else
            arguments.Fail(word.AsSpan().ContainsAnyExceptInRange('0', '9') ? "integer value invalid." : "integer value too large.");
        return 0;
    }

    public static int Port(SshConfigArguments arguments)
    {
        if (Text(arguments) is not { } word)
            return 0;
        if (!PortFormat.TryParse(word, out int port) || port == 0)
            arguments.Fail($"Bad port '{Shown(word)}'.");
        return port;
    }

    public static TimeSpan? Time(SshConfigArguments arguments)
    {
        string? word = arguments.Next();
        if (string.IsNullOrEmpty(word))
            arguments.Fail("missing time value.");
        else if (word == "none")
            return null;
        else if (TimeFormat.TryParse(word, out var time))
            return time;
        else
            arguments.Fail("invalid time value.");
        return null;
    }

    public static string? Text(SshConfigArguments arguments) => arguments.Next() is { Length: > 0 } word ? word : arguments.Fail("Missing argument.");

    /// <summary>The rest of the line, quotes and all.</summary>
    public static string? Command(SshConfigArguments arguments)
    {
        arguments.SkipRest();
        return arguments.Rest.TrimStart(' ', '\t', '=');
    }

    public static IReadOnlyList<string>? Single(SshConfigArguments arguments) => Text(arguments) is { } word ? [word] : null;

    /// <summary>Every argument; "none" must stand alone.</summary>
    public static IReadOnlyList<string>? List(SshConfigArguments arguments) => Words(arguments, "none");

    /// <summary>ChannelTimeout: type=time, where the type is a pattern and the time may be none.</summary>
    public static IReadOnlyList<string>? Timeouts(SshConfigArguments arguments)
    {
        var words = Words(arguments, "none");
        if (words is null or ["none"])
            return words;
        foreach (string word in words)
        {
            int equals = word.IndexOf('=');
            if (equals > 0 && (word.AsSpan(equals + 1) is "none" || TimeFormat.TryParse(word.AsSpan(equals + 1), out _)))
                continue;
            arguments.Fail($"invalid channel timeout \"{Shown(word)}\"");
            return null;
        }
        return words;
    }

    public static IReadOnlyList<string>? Domains(SshConfigArguments arguments)
    {
        var words = Words(arguments, "none");
        if (words is null or ["none"])
            return words;
        foreach (string word in words)
        {
            if (DomainProblem(word) is { } problem)
            {
                arguments.Fail($"domain name \"{Shown(word)}\" {problem}");
                return null;
            }
        }
        return [.. words.Select(word => word.ToLowerInvariant().TrimEnd('.'))];
    }

    public static IReadOnlyList<CnameRule>? CnameRules(SshConfigArguments arguments)
    {
        var rules = new List<CnameRule>();
        bool isAlone = arguments.Remaining == 1;
        while (arguments.Next() is { } word)
        {
            if (word.Equals("none", StringComparison.OrdinalIgnoreCase))
                return isAlone ? [] : FailAlone(arguments, "none");
            string[] sides = word == "*" ? ["*", "*"] : word.ToLowerInvariant().Split(':');
            if (sides.Length != 2 || sides[0].Length == 0 || sides[1].Length == 0)
            {
                arguments.Fail($"Invalid permitted CNAME \"{Shown(word)}\"");
                return null;
            }
            rules.Add(new CnameRule(sides[0], sides[1]));
        }
        return rules;
    }

    /// <summary>An algorithm list: kept as written, checked against what there is.</summary>
    public static Func<SshConfigArguments, string?> Algorithms(AlgorithmKind kind, string what) => arguments =>
    {
        if (Text(arguments) is not { } spec)
            return null;
        // Removing what is not there is no error, and neither is removing all: that shows when the connection is made.
        if (spec[0] != '-' && Cryptography.Algorithms.ApplySpec(kind, Cryptography.Algorithms.Defaults(kind), spec) is { Succeeded: false } applied)
        {
            if (kind == AlgorithmKind.KeyExchange && spec.Length > 1 && applied.BadName is { } bad)
                arguments.ReportPlain($"Unsupported KEX algorithm \"{PeerText.Escape(bad, 100)}\"");
            return arguments.Fail($"Bad {what} '{Shown(spec)}'.");
        }
        return spec;
    };

    /// <summary>A list of Debian's key exchanges by GSSAPI.</summary>
    public static string? GssKeyExchanges(SshConfigArguments arguments)
    {
        if (Text(arguments) is not { } list || GssKeyExchangeNames.FindUnknown(list) is not { } unknown)
            return null;
        arguments.ReportPlain($"Unsupported KEX algorithm \"{PeerText.Escape(unknown, 100)}\"");
        return arguments.Fail($"Bad GSSAPI KexAlgorithms '{Shown(list)}'.");
    }

    public static IReadOnlyList<string>? SendVariables(SshConfigArguments arguments)
    {
        var names = new List<string>();
        while (arguments.Next() is { } name)
        {
            if (name.Length == 0 || name.Contains('='))
            {
                arguments.Fail("Invalid environment name.");
                return null;
            }
            names.Add(name);
        }
        return names;
    }

    public static IReadOnlyList<KeyValuePair<string, string>>? SetVariables(SshConfigArguments arguments)
    {
        var variables = new List<KeyValuePair<string, string>>();
        while (arguments.Next() is { } word)
        {
            int equals = word.IndexOf('=');
            if (equals <= 0)
            {
                arguments.Fail("Invalid SetEnv.");
                return null;
            }
            if (!variables.Exists(variable => variable.Key == word[..equals]))
                variables.Add(new(word[..equals], word[(equals + 1)..]));
        }
        return variables;
    }

    public static string? FingerprintHash(SshConfigArguments arguments)
    {
        if (Text(arguments) is not { } word)
            return null;
        string name = word.ToUpperInvariant();
        return name is "MD5" or "SHA1" or "SHA256" or "SHA384" or "SHA512" ? name : arguments.Fail($"Invalid hash algorithm \"{Shown(word)}\".");
    }

    public static string? Facility(SshConfigArguments arguments)
    {
        string word = arguments.Next() ?? NoWord;
        return Facilities.FirstOrDefault(name => name.Equals(word, StringComparison.OrdinalIgnoreCase)) ?? arguments.Fail($"unsupported log facility '{Shown(word)}'");
    }

    public static SshConfigLogLevel LogLevel(SshConfigArguments arguments)
    {
        string word = arguments.Next() ?? NoWord;
        switch (word.ToUpperInvariant())
        {
            case "QUIET" or "SILENT":
                return SshConfigLogLevel.Quiet;
            case "DEBUG" or "DEBUG1":
                return SshConfigLogLevel.Debug1;
            case "DEBUG2":
                return SshConfigLogLevel.Debug2;
            case "DEBUG3":
                return SshConfigLogLevel.Debug3;
            case "FATAL":
                return SshConfigLogLevel.Fatal;
            case "ERROR":
                return SshConfigLogLevel.Error;
            case "INFO":
                return SshConfigLogLevel.Info;
            case "VERBOSE":
                return SshConfigLogLevel.Verbose;
            default:
                arguments.Fail($"unsupported log level '{Shown(word)}'");
                return default;
        }
    }

    /// <summary>For keywords whose arguments nothing looks at.</summary>
    public static object? Anything(SshConfigArguments arguments)
    {
        arguments.SkipRest();
        return "";
    }

    /// <summary>All arguments. A word in <paramref name="alone"/> must be the only one.</summary>
    internal static List<string>? Words(SshConfigArguments arguments, params ReadOnlySpan<string> alone)
    {
        var words = new List<string>();
        int total = arguments.Remaining;
        while (arguments.Next() is { } word)
        {
            if (word.Length == 0)
            {
                arguments.Fail($"keyword {arguments.Keyword} empty argument");
                return null;
            }
            foreach (string single in alone)
            {
                if (!word.Equals(single, StringComparison.OrdinalIgnoreCase))
                    continue;
                if (total > 1)
                {
                    FailAlone(arguments, single);
                    return null;
                }
                word = single;
            }
            words.Add(word);
        }
        return words;
    }

    private static IReadOnlyList<CnameRule>? FailAlone(SshConfigArguments arguments, string word)
    {
        arguments.Fail($"keyword {arguments.Keyword} \"{word}\" argument must appear alone.");
        return null;
    }

    private static string? DomainProblem(string name)
    {
        if (!char.IsAsciiLetterOrDigit(name[0]))
            return "starts with invalid character";
        for (int i = 0; i < name.Length; i++)
        {
            char c = char.ToLowerInvariant(name[i]);
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.'))
                return "contains invalid characters";
            if (c == '.' && i + 1 < name.Length && name[i + 1] == '.')
                return "contains consecutive separators";
        }
        return null;
    }

    internal static string Shown(string? text) => PeerText.Escape(text ?? "", 1024);
}
