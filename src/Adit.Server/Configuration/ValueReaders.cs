using System.Globalization;
using Adit.Ssh;
using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Transport;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>Readers of the kinds of values that sshd_config(5) has. Each throws with OpenSSH's words, naming file and line.</summary>
internal static class ValueReaders
{
    /// <summary>The tokens of AuthorizedKeysFile and AuthorizedPrincipalsFile: home folder, name, user id.</summary>
    public const string UserFileTokens = "huU";

    public static readonly Func<SshdArguments, bool> Flag = Choice(("yes", true), ("no", false));

    /// <summary>One of a few words, in any case.</summary>
    public static Func<SshdArguments, T> Choice<T>(params (string Word, T Value)[] choices) => arguments =>
    {
        var word = arguments.Next();
        foreach (var (name, value) in choices)
        {
            if (name.Equals(word, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        throw arguments.Unsupported(word);
    };

    public static int Number(SshdArguments arguments) => Number(arguments, arguments.Next($"{arguments.Keyword} integer value missing."));

    /// <summary>The same for a word that was taken already.</summary>
    public static int Number(SshdArguments arguments, string word)
    {
        if (int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        var isNegative = word.StartsWith('-');
        var digits = word.AsSpan(isNegative ? 1 : 0);
        var fault = digits.IsEmpty || digits.ContainsAnyExceptInRange('0', '9') ? "invalid" : isNegative ? "too small" : "too large";
        throw arguments.Error($"{arguments.Keyword} integer value {fault}.", $"\"{PeerText.Escape(word, 80)}\" is not a whole number from 0 to {int.MaxValue}.");
    }

    /// <summary>Permission bits in octal.</summary>
    public static UnixFileMode Mask(SshdArguments arguments)
    {
        var word = arguments.NextNamed();
        const int all = 0b111_111_111;
        var isOctal = word.Length is > 0 and <= 11 && !word.AsSpan().ContainsAnyExceptInRange('0', '7');
        return isOctal && Convert.ToInt64(word, 8) is <= all and var mask
            ? (UnixFileMode)mask
            : throw arguments.Error("Invalid StreamLocalBindMask.", $"\"{PeerText.Escape(word, 80)}\" is no octal number from 0 to 0777.");
    }

    public static TimeSpan Time(SshdArguments arguments)
    {
        var word = arguments.Next("missing time value.");
        return TimeFormat.TryParse(word, out var time) ? time : throw arguments.Error("invalid time value.", $"\"{PeerText.Escape(word, 80)}\": times look like 600, 10m or 1h30m.");
    }

    public static TimeSpan TimeOrNone(SshdArguments arguments)
    {
        var word = arguments.Next("missing time value.");
        return word.Equals("none", StringComparison.OrdinalIgnoreCase) ? TimeSpan.Zero
            : TimeFormat.TryParse(word, out var time) ? time
            : throw arguments.Error("invalid time value.", $"\"{PeerText.Escape(word, 80)}\": times look like 600, 10m or 1h30m.");
    }

    /// <summary>ChannelTimeout: "none", or type=interval pairs.</summary>
    public static IReadOnlyList<ChannelTimeout> ChannelTimeouts(SshdArguments arguments)
    {
        var words = arguments.Rest();
        if (words.Contains("none", StringComparer.OrdinalIgnoreCase))
        {
            return words.Count == 1 ? [] : throw arguments.Error($"keyword {arguments.Keyword} \"none\" argument must appear alone.");
        }

        return [.. words.Select(word =>
        {
            var equals = word.IndexOf('=');
            var time = TimeSpan.Zero;
            return equals > 0 && (word.AsSpan(equals + 1) is "none" || TimeFormat.TryParse(word.AsSpan(equals + 1), out time))
                ? new ChannelTimeout(word[..equals], time)
                : throw arguments.Error($"invalid channel timeout {PeerText.Escape(word, 80)}", "A channel timeout is a type and a time: direct-tcpip=10m.");
        })];
    }

    public static string Word(SshdArguments arguments) => arguments.Next();

    /// <summary>A word that OpenSSH takes for a file's name.</summary>
    public static string FileName(SshdArguments arguments) => arguments.Next("missing file name.");

    /// <summary>Part of the identification string: printable ASCII, and short enough for the line (RFC 4253, section 4.2: 255 bytes).</summary>
    public static string VersionText(SshdArguments arguments)
    {
        var text = arguments.Next();
        return text.Length <= 200 && !text.AsSpan().ContainsAnyExceptInRange(' ', '~') ? text : throw arguments.Error("Invalid VersionAddendum", "At most 200 printable ASCII characters.");
    }

    /// <summary>A file; relative ones are taken from where the process was started, "~" is the home folder of who started it.</summary>
    public static string FilePath(SshdArguments arguments)
    {
        var word = FileName(arguments);
        return word.Equals("none", StringComparison.OrdinalIgnoreCase) ? "none" : FullPath(arguments, word);
    }

    /// <summary>As <see cref="FilePath"/>, of a word that was taken already.</summary>
    public static string FullPath(SshdArguments arguments, string word)
    {
        try
        {
            return Path.GetFullPath(TokenExpander.ExpandTilde(word, LocalUser.HomeOf));
        }
        catch (SshException error)
        {
            throw arguments.Error(error.Message);
        }
    }

    /// <summary>One or more words.</summary>
    public static IReadOnlyList<string> Words(SshdArguments arguments)
    {
        var first = arguments.Next();
        return [first, .. arguments.Rest()];
    }

    /// <summary>One or more words with %-tokens in them.</summary>
    public static Func<SshdArguments, IReadOnlyList<string>> TokenWords(string tokens) => arguments =>
    {
        var words = new List<string>();
        do
        {
            words.Add(TokenWord(arguments, tokens, $"keyword {arguments.Keyword} empty argument"));
        }
        while (!arguments.AtEnd);

        return words;
    };

    /// <summary>A word with %-tokens in it; an unknown token is told now rather than at somebody's login.</summary>
    public static string TokenWord(SshdArguments arguments, string tokens, string? missing = null)
    {
        var word = missing is null ? arguments.NextNamed() : arguments.Next(missing);
        try
        {
            _ = new TokenExpander(tokens.Select(token => KeyValuePair.Create(token, ""))).Expand(word);
            return word;
        }
        catch (SshException error)
        {
            throw arguments.Error($"{arguments.Keyword}: {error.Message}", error.Hint);
        }
    }

    /// <summary>Whatever stands there: for keywords that change nothing.</summary>
    public static IReadOnlyList<string> Anything(SshdArguments arguments) => arguments.Rest();

    public static IReadOnlyList<int> Port(SshdArguments arguments)
    {
        var word = arguments.Next("missing port number.");
        return PortFormat.TryParse(word, out var port) ? [port] : throw arguments.Error("Badly formatted port number.", $"\"{PeerText.Escape(word, 80)}\" is no port from 0 to 65535.");
    }

    public static IReadOnlyList<ListenAddress> ListenAddresses(SshdArguments arguments)
    {
        var word = arguments.Next("missing address");
        string host = word;
        int? port = null;

        // A bare IPv6 address has two colons and no brackets: then no port can follow.
        if (word.Contains('[') || word.AsSpan().Count(':') < 2)
        {
            (host, var portText) = SplitHostPort(word) ?? throw arguments.Error("bad address:port usage");
            if (portText is not null)
            {
                port = PortFormat.TryParse(portText, out var number) ? number : throw arguments.Error("bad port number");
            }
        }

        RefuseRoutingDomain(arguments);
        return [new ListenAddress(host, port)];
    }

    /// <summary>"rdomain NAME" behind an address.</summary>
    private static void RefuseRoutingDomain(SshdArguments arguments)
    {
        if (arguments.AtEnd)
        {
            return;
        }

        if (arguments.NextOrNull() != "rdomain" || arguments.NextOrNull() is not { } name)
        {
            throw arguments.Error("bad ListenAddress syntax");
        }

        var isThere = OperatingSystem.IsLinux() && name.Length > 0 && !name.Contains('/') && Directory.Exists($"/sys/class/net/{name}");
        if (!isThere)
        {
            throw arguments.Error("bad routing domain");
        }

        if (arguments.AtEnd)
        {
            throw arguments.Error("rdomain is not supported yet.", "Routing domains are not built yet: remove \"rdomain …\".");
        }
    }

    public static StartupLimit Startups(SshdArguments arguments)
    {
        var word = arguments.NextNamed();
        var numbers = new List<int>();
        foreach (var part in word.Split(':'))
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                throw Bad();
            }

            numbers.Add(number);
        }

        var limit = numbers switch
        {
            [var full] => new StartupLimit(full, 30, full),
            [var begin, var rate, var full] => new StartupLimit(begin, rate, full),
            _ => throw Bad(),
        };
        return limit.Begin > limit.Full || limit.Rate is > 100 or < 1 || limit.Begin < 1 ? throw Bad() : limit;

        SshException Bad() => arguments.Error("Invalid MaxStartups spec.", "MaxStartups is a number, or begin:rate:full with 1 <= begin <= full and a rate of 1 to 100 per cent.");
    }

    public static RekeyLimit Rekey(SshdArguments arguments)
    {
        var size = arguments.NextNamed();
        long? bytes = null;
        if (size != "default")
        {
            bytes = SizeFormat.TryParseSigned(size, out var number, out var reason) ? number
                : throw arguments.Error($"Bad RekeyLimit number '{PeerText.Escape(size, 80)}': {reason}", "A size is a number of bytes, perhaps with K, M or G behind it: 1G.");
            if (bytes is not 0 and < 16)
            {
                throw arguments.Error("RekeyLimit too small", "Less than 16 bytes cannot be sent under a key.");
            }
        }

        TimeSpan? interval = null;
        if (!arguments.AtEnd && arguments.Next("missing time value.") is var time && time != "none")
        {
            interval = TimeFormat.TryParse(time, out var parsed) ? parsed : throw arguments.Error("invalid time value.");
        }

        return new RekeyLimit(bytes is 0 ? null : bytes, interval == TimeSpan.Zero ? null : interval);
    }

    public static SshdLogLevel Level(SshdArguments arguments)
    {
        var word = arguments.NextOrNull() ?? "<NONE>";
        return SshdLogLevels.TryParse(word, out var level) ? level : throw arguments.Error($"unsupported log level '{PeerText.Escape(word, 80)}'");
    }

    public static string Facility(SshdArguments arguments)
    {
        var word = arguments.NextOrNull() ?? "<NONE>";
        var facility = word.ToUpperInvariant();
        return facility is "DAEMON" or "USER" or "AUTH" or "AUTHPRIV" or ['L', 'O', 'C', 'A', 'L', >= '0' and <= '7']
            ? facility
            : throw arguments.Error($"unsupported log facility '{PeerText.Escape(word, 80)}'");
    }

    /// <summary>AllowUsers and DenyUsers: the host part of USER@HOST must be a sound list of addresses where it is one.</summary>
    public static IReadOnlyList<string> UserPatterns(SshdArguments arguments)
    {
        var patterns = arguments.Rest();
        foreach (var pattern in patterns)
        {
            if (pattern.Length == 0)
            {
                throw arguments.Error($"invalid {arguments.Keyword} pattern: \"\"");
            }

            try
            {
                _ = UserPattern.Parse(pattern);
            }
            catch (SshException error)
            {
                throw arguments.Error($"invalid {arguments.Keyword} pattern: \"{PeerText.Escape(pattern, 100)}\"", error.Message);
            }
        }

        return patterns;
    }

    /// <summary>AllowGroups and DenyGroups.</summary>
    public static IReadOnlyList<string> GroupPatterns(SshdArguments arguments)
    {
        var patterns = arguments.Rest();
        return patterns.Contains("") ? throw arguments.Error($"empty {arguments.Keyword} pattern") : patterns;
    }

    /// <summary>PermitOpen, or with <paramref name="listen"/> PermitListen, where a bare port stands for any address.</summary>
    public static Func<SshdArguments, PermittedEndpoints> Endpoints(bool listen) => arguments =>
    {
        var first = arguments.NextNamed();
        if (first is "any" or "none")
        {
            return first == "any" ? PermittedEndpoints.Any : PermittedEndpoints.None; // more behind it is refused as more
        }

        var endpoints = new List<PermittedEndpoint>();
        for (var word = first; word is { Length: > 0 }; word = arguments.NextOrNull())
        {
            endpoints.Add(Parse(word));
        }

        return new PermittedEndpoints(endpoints);

        PermittedEndpoint Parse(string text)
        {
            var (host, port) = listen && !text.Contains(':') ? ("*", text) : SplitHostPort(text) ?? throw Bad("missing host");
            return port == "*" ? new PermittedEndpoint(host, null)
                : PortFormat.TryParse(port, out var number) && number > 0 ? new PermittedEndpoint(host, number)
                : throw Bad("bad port number");

            SshException Bad(string what) =>
                arguments.Error($"{arguments.Keyword} {what}", $"\"{PeerText.Escape(text, 100)}\" is not host:port (\"*\" stands for any; an IPv6 address goes in brackets).");
        }
    };

    /// <summary>PubkeyAuthOptions: "none", or words that demand.</summary>
    public static SecurityKeyDemands SignatureDemands(SshdArguments arguments)
    {
        var demands = SecurityKeyDemands.None;
        foreach (var word in arguments.Rest())
        {
            demands |= word.ToLowerInvariant() switch
            {
                "none" => SecurityKeyDemands.None,
                "touch-required" => SecurityKeyDemands.Touch,
                "verify-required" => SecurityKeyDemands.Verification,
                _ => throw arguments.Error($"unsupported {arguments.Keyword} option {PeerText.Escape(word)}", "It is one of none, touch-required, verify-required."),
            };
        }

        return demands;
    }

    private static readonly string[] KnownMethods = ["none", "publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic"];

    public static IReadOnlyList<AuthenticationChain> Chains(SshdArguments arguments)
    {
        var words = arguments.Rest();
        if (words is [] or ["any"])
        {
            return words.Count == 1 ? [] : throw arguments.Error("no AuthenticationMethods specified");
        }

        return [.. words.Select(word => word == "any" ? throw arguments.Error("\"any\" must appear alone in AuthenticationMethods")
            : word.Length == 0 ? throw Bad("empty authentication method list")
            : new AuthenticationChain([.. word.Split(',').Select(Step)]))];

        AuthenticationStep Step(string text)
        {
            var colon = text.IndexOf(':');
            var method = colon < 0 ? text : text[..colon];
            if (!KnownMethods.Contains(method))
            {
                throw Bad($"Unknown authentication method \"{PeerText.Escape(method, 100)}\" in list");
            }

            return colon < 0 || (method == "keyboard-interactive" && text[(colon + 1)..] is "pam" or "bsdauth")
                ? new AuthenticationStep(method, colon < 0 ? null : text[(colon + 1)..])
                : throw Bad($"Unknown device \"{PeerText.Escape(text, 100)}\" in list");
        }

        SshException Bad(string found) => arguments.ErrorAfter(found, "invalid AuthenticationMethods method list.", $"Methods are {string.Join(", ", KnownMethods)}.");
    }

    /// <summary>Splits "host:port", "[v6]:port", "[v6]" and "host"; null when brackets do not close, and for a slash where the colon would be.</summary>
    private static (string Host, string? Port)? SplitHostPort(string text)
    {
        var from = text.StartsWith('[') ? text.IndexOf(']') + 1 : 0;
        if (text.StartsWith('[') && from == 0)
        {
            return null;
        }

        var end = from > 0 ? from : text.AsSpan().IndexOfAny(':', '/');
        if (end < 0 || end == text.Length)
        {
            return (Bare(text), null);
        }

        return text[end] == ':' ? (Bare(text[..end]), text[(end + 1)..]) : null;

        static string Bare(string host) => host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host;
    }
}
