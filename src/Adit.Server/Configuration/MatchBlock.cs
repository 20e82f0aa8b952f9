using Adit.Ssh;
using Adit.Ssh.OpenSsh;
using Adit.Ssh.Wire;

namespace Adit.Server.Configuration;

/// <summary>What Match criteria are compared with: one login attempt. A null field matches nothing.</summary>
public sealed record MatchContext
{
    public string? UserName { get; init; }

    /// <summary>There is no such account.</summary>
    public bool InvalidUser { get; init; }

    /// <summary>The account's groups; asked for only when a Group criterion needs them.</summary>
    public Func<IReadOnlyList<string>> Groups { get; init; } = () => [];

    /// <summary>The client's name with UseDNS, else its address.</summary>
    public string? Host { get; init; }

    /// <summary>The client's address, "UNKNOWN" without a socket.</summary>
    public string? Address { get; init; }

    public string? LocalAddress { get; init; }

    public int LocalPort { get; init; }

    /// <summary>The routing domain of the connection; empty for none, the only one that this server listens in.</summary>
    public string? RoutingDomain { get; init; } = "";

    /// <summary>The client's identification string.</summary>
    public string? Version { get; init; }
}

/// <summary>The criteria of one Match line; all must hold.</summary>
/// <param name="criteria">The criteria; none for "Match all".</param>
/// <param name="parent">The block that the line's file was included from, which must match too.</param>
internal sealed class MatchBlock(IReadOnlyList<Func<MatchContext, bool>> criteria, MatchBlock? parent)
{
    public bool Matches(MatchContext context) =>
        (parent is null || parent.Matches(context)) && criteria.All(criterion => criterion(context));

    /// <summary>Reads the arguments of a Match line.</summary>
    public static MatchBlock Read(SshdArguments arguments, MatchBlock? parent)
    {
        var criteria = new List<Func<MatchContext, bool>>();
        var all = false;
        while (arguments.NextOrNull() is { } attribute)
        {
            // "User=alice" is accepted beside "User alice".
            var equals = attribute.IndexOf('=');
            var (name, glued) = equals < 0 ? (attribute, null) : (attribute[..equals], attribute[(equals + 1)..]);
            var kind = name.ToLowerInvariant();
            if (all || (kind == "all" && criteria.Count > 0))
            {
                throw Bad(arguments, "'all' cannot be combined with other Match attributes");
            }

            if (kind == "all")
            {
                all = true;
                continue;
            }

            if (kind == "invalid-user")
            {
                criteria.Add(context => context.InvalidUser);
                continue;
            }

            var value = glued is { Length: > 0 } ? glued : arguments.NextOrNull();
            if (string.IsNullOrEmpty(value))
            {
                throw Bad(arguments, $"Missing Match criteria for {PeerText.Escape(name)}");
            }

            criteria.Add(Criterion(arguments, name, kind, value));
        }

        return criteria.Count == 0 && !all
            ? throw Bad(arguments, "One or more attributes required for Match")
            : new MatchBlock(criteria, parent);
    }

    private static Func<MatchContext, bool> Criterion(SshdArguments arguments, string name, string kind, string value)
    {
        switch (kind)
        {
            case "user":
                return context => context.UserName is { } user && PatternList.Matches(user, value);
            case "group":
                return context => MatchesAnyGroup(context.Groups(), value);
            case "host":
                return context => context.Host is { } host && PatternList.MatchesHost(host, value);
            case "version":
                return context => context.Version is { } version && PatternList.Matches(version, value);
            case "address":
                var addresses = Addresses(arguments, kind, value);
                return context => context.Address is { } address && addresses.Match(address) == PatternMatch.Matched;
            case "localaddress":
                var localAddresses = Addresses(arguments, kind, value);
                return context => context.LocalAddress is { } address && localAddresses.Match(address) == PatternMatch.Matched;
            case "localport" when PortFormat.TryParse(value, out var port):
                return context => port > 0 && context.LocalPort == port;
            case "localport":
                throw Bad(arguments, $"Invalid LocalPort '{PeerText.Escape(value)}' on Match line");
            case "rdomain":
                return context => context.RoutingDomain is { } domain && PatternList.Matches(domain, value);
            default:
                throw Bad(arguments, $"Unsupported Match attribute {PeerText.Escape(name)}");
        }
    }

    /// <summary>A negated pattern that matches any of the groups wins over the others.</summary>
    private static bool MatchesAnyGroup(IReadOnlyList<string> groups, string patterns)
    {
        var matched = false;
        foreach (var group in groups)
        {
            switch (PatternList.Match(group, patterns))
            {
                case PatternMatch.Negated:
                    return false;
                case PatternMatch.Matched:
                    matched = true;
                    break;
                default:
                    break;
            }
        }

        return matched;
    }

    private static AddressPatternList Addresses(SshdArguments arguments, string kind, string value)
    {
        try
        {
            return AddressPatternList.Parse(value);
        }
        catch (SshException error)
        {
            throw arguments.ErrorAtLine($"Invalid Match {kind} argument '{PeerText.Escape(value, 100)}'", error.Message);
        }
    }

    private static SshException Bad(SshdArguments arguments, string found) => arguments.ErrorAfter(found, "Bad Match condition");
}
