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

    public static Func<SshdArguments, int> Number(int least = 0) => arguments =>
    {
        var word = arguments.Next("missing integer value.");
        return int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least
            ? number
            : throw arguments.Error($"{arguments.Keyword} integer value {(int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? "too small" : "invalid")}.", $"\"{PeerText.Escape(word, 80)}\" is not a whole number from {least} up.");
    };

    /// <summary>Permission bits in octal.</summary>
    public static UnixFileMode Mask(SshdArguments arguments)
    {
        var word = arguments.Next("missing StreamLocalBindMask argument.");
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
        var words = Words(arguments);
        if (words is [var only] && only.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return [];
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

    /// <summary>Part of the identification string: printable ASCII, and short enough for the line (RFC 4253, section 4.2: 255 bytes).</summary>
    public static string VersionText(SshdArguments arguments)
    {
        var text = arguments.Next();
        return text.Length <= 200 && !text.AsSpan().ContainsAnyExceptInRange(' ', '~') ? text : throw arguments.Error("Invalid VersionAddendum", "At most 200 printable ASCII characters.");
    }

    /// <summary>A file; relative ones are taken from where the process was started.</summary>
    public static string FilePath(SshdArguments arguments)
    {
        var word = arguments.Next("missing file name.");
        return word.Equals("none", StringComparison.OrdinalIgnoreCase) ? "none" : Path.GetFullPath(word);
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
        var words = new List<string> { TokenWord(arguments, tokens) };
        while (!arguments.AtEnd)
        {
            words.Add(TokenWord(arguments, tokens));
        }

        return words;
    };

    /// <summary>A word with %-tokens in it; an unknown token is told now rather than at somebody's login.</summary>
    public static string TokenWord(SshdArguments arguments, string tokens)
    {
        var word = arguments.Next();
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
        var word = arguments.Next();
        return PortFormat.TryParse(word, out var port) ? [port] : throw arguments.Error("Badly formatted port number.", $"\"{PeerText.Escape(word, 80)}\" is no port from 0 to 65535.");
    }

    public static IReadOnlyList<ListenAddress> ListenAddresses(SshdArguments arguments)
    {
        var word = arguments.Next("missing argument.");
        if (!arguments.AtEnd)
        {
            throw arguments.Error("rdomain is not supported yet.", "Routing domains are not built yet: remove \"rdomain …\".");
        }

        // A bare IPv6 address has two colons and no brackets: then no port can follow.
        if (!word.Contains('[') && word.AsSpan().Count(':') > 1)
        {
            return [new ListenAddress(word, null)];
        }

        var (host, portText) = SplitHostPort(word) ?? throw arguments.Error("bad address:port usage");
        int? port = null;
        if (portText is not null)
        {
            port = PortFormat.TryParse(portText, out var number) ? number : throw arguments.Error("bad port number");
        }

        return host.Length == 0 ? throw arguments.Error("bad address:port usage") : [new ListenAddress(host, port)];
    }

    public static StartupLimit Startups(SshdArguments arguments)
    {
        var word = arguments.Next();
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
        var size = arguments.Next();
        long? bytes = null;
        if (!size.Equals("default", StringComparison.OrdinalIgnoreCase))
        {
            bytes = SizeFormat.TryParse(size, out var number) ? number : throw arguments.Error($"Bad RekeyLimit \"{PeerText.Escape(size, 80)}\"");
            if (bytes is > 0 and < 16)
            {
                throw arguments.Error("RekeyLimit too small");
            }
        }

        TimeSpan? interval = null;
        if (arguments.NextOrNull() is { } time && !time.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            interval = TimeFormat.TryParse(time, out var parsed) ? parsed : throw arguments.Error("invalid time value.");
        }

        return new RekeyLimit(bytes is 0 ? null : bytes, interval == TimeSpan.Zero ? null : interval);
    }

    public static SshdLogLevel Level(SshdArguments arguments)
    {
        var word = arguments.Next();
        return SshdLogLevels.TryParse(word, out var level) ? level : throw arguments.Error($"unsupported log level '{PeerText.Escape(word, 80)}'");
    }

    public static string Facility(SshdArguments arguments)
    {
        var word = arguments.Next();
        var facility = word.ToUpperInvariant();
        return facility is "DAEMON" or "USER" or "AUTH" or "AUTHPRIV" or ['L', 'O', 'C', 'A', 'L', >= '0' and <= '7']
            ? facility
            : throw arguments.Error($"unsupported log facility '{PeerText.Escape(word, 80)}'");
    }

    /// <summary>AllowUsers and DenyUsers: the host part of USER@HOST must be a sound list of addresses where it is one.</summary>
    public static IReadOnlyList<string> UserPatterns(SshdArguments arguments)
    {
        var patterns = Words(arguments);
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

    /// <summary>PermitOpen, or with <paramref name="listen"/> PermitListen, where a bare port stands for any address.</summary>
    public static Func<SshdArguments, PermittedEndpoints> Endpoints(bool listen) => arguments =>
    {
        var first = arguments.Next($"{arguments.Keyword} missing argument.");
        var rest = arguments.Rest();
        if (rest.Count == 0 && first is "any" or "none")
        {
            return first == "any" ? PermittedEndpoints.Any : PermittedEndpoints.None;
        }

        return new PermittedEndpoints([.. rest.Prepend(first).Select(Parse)]);

        PermittedEndpoint Parse(string text)
        {
            var bare = listen && !text.Contains(':');
            var (host, port) = bare ? ("*", text) : SplitHostPort(text) ?? throw Bad("missing host");
            if (host.Length == 0 || port is null)
            {
                throw Bad(host.Length == 0 ? "missing host" : "bad port number");
            }

            if (port == "*")
            {
                return new PermittedEndpoint(host, null);
            }

            return PortFormat.TryParse(port, out var number) && number > 0 ? new PermittedEndpoint(host, number) : throw Bad("bad port number");

            SshException Bad(string what) =>
                arguments.Error($"{what} in {(listen ? "PermitListen" : "PermitOpen")}", $"\"{PeerText.Escape(text, 100)}\" is not host:port (\"*\" stands for any; an IPv6 address goes in brackets).");
        }
    };

    /// <summary>PubkeyAuthOptions: "none", or words that demand.</summary>
    public static SecurityKeyDemands SignatureDemands(SshdArguments arguments)
    {
        var demands = SecurityKeyDemands.None;
        foreach (var word in Words(arguments))
        {
            demands |= word.ToLowerInvariant() switch
            {
                "none" => SecurityKeyDemands.None,
                "touch-required" => SecurityKeyDemands.Touch,
                "verify-required" => SecurityKeyDemands.Verification,
                _ => throw arguments.Unsupported(word),
            };
        }

        return demands;
    }

    private static readonly string[] KnownMethods = ["none", "publickey", "password", "keyboard-interactive", "hostbased", "gssapi-with-mic"];

    public static IReadOnlyList<AuthenticationChain> Chains(SshdArguments arguments)
    {
        var words = Words(arguments);
        if (words is ["any"])
        {
            return [];
        }

        return [.. words.Select(word => word == "any"
            ? throw arguments.Error("\"any\" must appear alone in AuthenticationMethods")
            : new AuthenticationChain([.. word.Split(',').Select(Step)]))];

        AuthenticationStep Step(string text)
        {
            var colon = text.IndexOf(':');
            var method = colon < 0 ? text : text[..colon];
            return KnownMethods.Contains(method) && (colon < 0 || (method == "keyboard-interactive" && text[(colon + 1)..] is "pam" or "bsdauth"))
                ? new AuthenticationStep(method, colon < 0 ? null : text[(colon + 1)..])
                : throw arguments.Error($"invalid AuthenticationMethods method list \"{PeerText.Escape(text, 100)}\"", $"Methods are {string.Join(", ", KnownMethods)}.");
        }
    }

    /// <summary>Splits "host:port", "[v6]:port", "[v6]" and "host"; null when brackets do not close.</summary>
    private static (string Host, string? Port)? SplitHostPort(string text)
    {
        if (text.StartsWith('['))
        {
            var close = text.IndexOf(']');
            if (close < 0 || (close + 1 < text.Length && text[close + 1] != ':'))
            {
                return null;
            }

            return (text[1..close], close + 2 <= text.Length ? text[(close + 2)..] : null);
        }

        var colon = text.IndexOf(':');
        return colon < 0 ? (text, null) : (text[..colon], text[(colon + 1)..]);
    }
}
