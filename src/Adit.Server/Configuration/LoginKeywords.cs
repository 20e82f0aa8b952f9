using System.Globalization;
using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;
using static Adit.Server.Configuration.ValueReaders;

namespace Adit.Server.Configuration;

/// <summary>Keywords of sshd_config(5) about programs and lists that a login is decided with, and about sources of connections; rows as in <see cref="SshdKeywords"/>.</summary>
public static class LoginKeywords
{
    private const string KeysCommandTokens = "%CDfhktUu";
    private const string PrincipalsCommandTokens = "%CDFfhiKksTtUu";

    /// <summary>"none" or a program, by its path, that prints lines of authorized_keys; tokens unexpanded.</summary>
    public static SshdKeyword<string> AuthorizedKeysCommand { get; } = Command("AuthorizedKeysCommand", KeysCommandTokens);

    /// <summary>Who runs it; "none" while nobody was named.</summary>
    public static SshdKeyword<string> AuthorizedKeysCommandUser { get; } = new("AuthorizedKeysCommandUser", "none", UserName) { InMatch = true, Show = Same };

    /// <summary>"none" or a program that prints the principals that stand for a user.</summary>
    public static SshdKeyword<string> AuthorizedPrincipalsCommand { get; } = Command("AuthorizedPrincipalsCommand", PrincipalsCommandTokens);

    public static SshdKeyword<string> AuthorizedPrincipalsCommandUser { get; } = new("AuthorizedPrincipalsCommandUser", "none", UserName) { InMatch = true, Show = Same };

    /// <summary>"none" or a file of keys that let nobody in. One that cannot be read lets no key in at all.</summary>
    public static SshdKeyword<string> RevokedKeys { get; } = new("RevokedKeys", "none", FilePath) { InMatch = true, Show = Same };

    /// <summary>"none", or the agent's socket (SSH_AUTH_SOCK: the one of the environment) that holds the private halves of host keys.</summary>
    public static SshdKeyword<string> HostKeyAgent { get; } = new("HostKeyAgent", "none", AgentPath) { Show = Same };

    /// <summary>Ends a connection as soon as it says whose it is.</summary>
    public static SshdKeyword<bool> RefuseConnection { get; } = new("RefuseConnection", false, Flag) { InMatch = true };

    /// <summary>The name under which PAM knows this service.</summary>
    public static SshdKeyword<string> PamServiceName { get; } = new("PAMServiceName", "sshd", Word) { InMatch = true };

    /// <summary>Null for no limit.</summary>
    public static SshdKeyword<PerSourceStartups> PerSourceMaxStartups { get; } =
        new("PerSourceMaxStartups", new PerSourceStartups(null), arguments => new PerSourceStartups(NumberOrNone(arguments))) { Show = limit => [limit.ToString()] };

    public static SshdKeyword<NetBlockSize> PerSourceNetBlockSize { get; } = new("PerSourceNetBlockSize", new NetBlockSize(32, 128), NetBlock) { Show = size => [size.ToString()] };

    /// <summary>Off unless the configuration asks for it.</summary>
    public static SshdKeyword<PenaltyRules> PerSourcePenalties { get; } = new("PerSourcePenalties", PenaltyRules.Off, Penalties) { Append = (first, more) => first.And(more) };

    public static SshdKeyword<PenaltyExemptions> PerSourcePenaltyExemptList { get; } = new("PerSourcePenaltyExemptList", new PenaltyExemptions(null), Exemptions);

    internal static IReadOnlyList<SshdKeyword> All { get; } =
    [
        AuthorizedKeysCommand, AuthorizedKeysCommandUser, AuthorizedPrincipalsCommand, AuthorizedPrincipalsCommandUser, RevokedKeys, HostKeyAgent, RefuseConnection,
        PamServiceName, PerSourceMaxStartups, PerSourceNetBlockSize, PerSourcePenalties, PerSourcePenaltyExemptList,
    ];

    /// <summary>What a server is to do about its sources of connections.</summary>
    internal static SourceRules SourceRulesOf(SshdConfig config)
    {
        var (size, exempt) = (config.Get(PerSourceNetBlockSize), config.Get(PerSourcePenaltyExemptList).List);
        return new SourceRules
        {
            MaxStartups = config.Get(PerSourceMaxStartups).Limit,
            Bits4 = size.Bits4,
            Bits6 = size.Bits6,
            Penalties = config.Get(PerSourcePenalties).Rules,
            IsExempt = address => exempt?.Match(address) == PatternMatch.Matched,
        };
    }

    private static SshdKeyword<string> Command(string name, string tokens) => new(name, "none", arguments =>
    {
        var line = arguments.Next();
        if (line.Equals("none", StringComparison.OrdinalIgnoreCase))
        {
            return "none";
        }

        return line.StartsWith('/') ? TokenCheck(arguments, line, tokens) : throw arguments.Error($"{name} must be an absolute path");
    })
    {
        InMatch = true,
        TakesRestOfLine = true,
        Show = Same,
    };

    private static string TokenCheck(SshdArguments arguments, string line, string tokens)
    {
        try
        {
            _ = new TokenExpander(tokens.Select(token => KeyValuePair.Create(token, ""))).Expand(line);
            return line;
        }
        catch (SshException error)
        {
            throw arguments.Error($"{arguments.Keyword}: {error.Message}", error.Hint);
        }
    }

    private static string UserName(SshdArguments arguments) => arguments.Next($"missing {arguments.Keyword} argument.");

    private static string AgentPath(SshdArguments arguments)
    {
        var word = arguments.Next("missing socket name.");
        return word is "SSH_AUTH_SOCK" || word.StartsWith('$') || word.Equals("none", StringComparison.OrdinalIgnoreCase) ? word : FullPath(arguments, word);
    }

    private static int? NumberOrNone(SshdArguments arguments)
    {
        var word = arguments.NextNamed();
        return word.Equals("none", StringComparison.OrdinalIgnoreCase) ? null : Number(arguments, word);
    }

    private static NetBlockSize NetBlock(SshdArguments arguments)
    {
        var parts = arguments.NextNamed().Split(':');
        return parts.Length <= 2 && Bits(parts[0], 32) is { } bits4 && (parts.Length == 1 ? 128 : Bits(parts[1], 128)) is { } bits6
            ? new NetBlockSize(bits4, bits6)
            : throw arguments.Error($"Invalid {arguments.Keyword} spec.", "It is the number of bits of IPv4 addresses, or of IPv4:IPv6 (32:128).");

        static int? Bits(string text, int most) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits <= most ? bits : null;
    }

    private static PenaltyExemptions Exemptions(SshdArguments arguments)
    {
        var word = string.Join(',', Words(arguments));
        try
        {
            return new PenaltyExemptions(word.Equals("none", StringComparison.OrdinalIgnoreCase) ? null : AddressPatternList.Parse(word));
        }
        catch (SshException error)
        {
            throw arguments.Error(error.Message);
        }
    }

    private static PenaltyRules Penalties(SshdArguments arguments)
    {
        var rules = new SourcePenalties();
        var words = Words(arguments);
        switch (words)
        {
            case [var only] when only.Equals("yes", StringComparison.OrdinalIgnoreCase):
                return new PenaltyRules(rules);
            case [var only] when only.Equals("no", StringComparison.OrdinalIgnoreCase):
                return PenaltyRules.Off;
        }

        foreach (var word in words)
        {
            rules = Apply(rules, word) ?? throw arguments.Error($"unsupported {arguments.Keyword} keyword {PeerText.Escape(word, 80)}", "It is yes, no, or name:time pairs as authfail:5s.");
        }

        return new PenaltyRules(rules);
    }

    private static SourcePenalties? Apply(SourcePenalties rules, string word)
    {
        if (word.Split(':') is not [var name, var value])
        {
            return null;
        }

        var hasTime = TimeFormat.TryParse(value, out var time);
        var hasNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
        return name.ToLowerInvariant() switch
        {
            "crash" when hasTime => rules with { Crash = time },
            "authfail" when hasTime => rules with { AuthenticationFailure = time },
            "invaliduser" when hasTime => rules with { InvalidUser = time },
            "noauth" when hasTime => rules with { NoAuthentication = time },
            "grace-exceeded" when hasTime => rules with { GraceExceeded = time },
            "refuseconnection" when hasTime => rules with { Refused = time },
            "max" when hasTime => rules with { Max = time },
            "min" when hasTime => rules with { Min = time },
            "max-sources4" when hasNumber => rules with { MaxSources4 = number },
            "max-sources6" when hasNumber => rules with { MaxSources6 = number },
            "overflow" when value is "deny-all" or "permissive" => rules with { DenyAllOnOverflow4 = value == "deny-all", DenyAllOnOverflow6 = value == "deny-all" },
            "overflow6" when value is "deny-all" or "permissive" => rules with { DenyAllOnOverflow6 = value == "deny-all" },
            _ => null,
        };
    }

    private static IEnumerable<string> Same(string value) => [value];
}

/// <summary>PerSourceMaxStartups; null for no limit.</summary>
public sealed record PerSourceStartups(int? Limit)
{
    public override string ToString() => Limit?.ToString(CultureInfo.InvariantCulture) ?? "none";
}

/// <summary>PerSourceNetBlockSize: leading bits of an address that make a source.</summary>
public sealed record NetBlockSize(int Bits4, int Bits6)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Bits4}:{Bits6}");
}

/// <summary>PerSourcePenalties.</summary>
public sealed record PenaltyRules
{
    internal PenaltyRules(SourcePenalties? rules) => Rules = rules;

    /// <summary>Nobody is punished.</summary>
    public static PenaltyRules Off { get; } = new((SourcePenalties?)null);

    internal SourcePenalties? Rules { get; }

    /// <summary>A first "yes" or "no" stands.</summary>
    internal PenaltyRules And(PenaltyRules more) => Rules is null ? this : Rules == new SourcePenalties() && more.Rules is not null ? more : this;
}

/// <summary>PerSourcePenaltyExemptList; null for nobody.</summary>
public sealed record PenaltyExemptions(AddressPatternList? List);
