using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>Evaluates the criteria of a Match line.</summary>
internal sealed class SshConfigMatch(SshConfigValues values, string host, bool isFinalPass, ILogger log)
{
    /// <summary>Set when a criterion asks for a second pass (Match final).</summary>
    public bool WantsFinalPass { get; private set; }

    /// <summary>True or false; null after an error was reported.</summary>
    /// <param name="arguments">The line.</param>
    /// <param name="report">Takes errors that OpenSSH prints without a place.</param>
    /// <param name="live">False where the line stands in a file included from a block that does not match: then it is only checked, and no command runs.</param>
    public bool? Evaluate(SshConfigArguments arguments, Action<string> report, bool live)
    {
        bool result = live;
        int attributes = 0;
        while (arguments.Next() is { Length: > 0 } word)
        {
            bool negated = word.StartsWith('!');
            string name = negated ? word[1..] : word;
            string? value = null;
            if (name.IndexOf('=') is > 0 and var equals)
                (name, value) = (name[..equals], name[(equals + 1)..]);
            name = name.ToLowerInvariant();

            if (name == "all")
            {
                if (attributes > 1 || arguments.Remaining > 0 || value is not null)
                {
                    arguments.Fail($"'{PeerText.Escape(word, 100)}' cannot be combined with other Match attributes");
                    return null;
                }
                return result && !negated;
            }
            attributes++;
            if (name is "canonical" or "final" && value is null)
            {
                WantsFinalPass |= name == "final" && !negated;
                result &= isFinalPass != negated;
                continue;
            }
            value ??= arguments.Next();
            // An empty pattern stands for "no tag" and "no command".
            if (value is null || (value.Length == 0 && name is not ("tagged" or "command")))
            {
                report($"Missing Match criteria for {PeerText.Escape(name, 100)}");
                return null;
            }
            if (Holds(name, value, evaluated: result, arguments) is not { } holds)
            {
                if (!arguments.HasFailed)
                    report($"Unsupported Match attribute {PeerText.Escape(name, 100)}");
                return null;
            }
            result &= holds != negated;
        }
        if (attributes == 0)
        {
            report("One or more attributes required for Match");
            return null;
        }
        return result;
    }

    /// <summary>Null for an unknown criterion and after an error. A command is run only while everything before it held.</summary>
    private bool? Holds(string name, string value, bool evaluated, SshConfigArguments arguments)
    {
        var context = values.Context;
        switch (name)
        {
            case "host":
                return PatternList.MatchesHost(host, value);
            case "originalhost":
                return PatternList.MatchesHost(values.OriginalHost, value);
            case "user":
                return PatternList.Matches(values.Get(SshConfigKeywords.User) ?? context.LocalUser, value);
            case "localuser":
                return PatternList.Matches(context.LocalUser, value);
            case "tagged":
                return PatternList.Matches(values.Get(SshConfigKeywords.Tag) ?? "", value);
            case "command":
                return PatternList.Matches(context.Command, value);
            case "version":
                return PatternList.Matches(context.Version, value);
            case "sessiontype":
                return PatternList.Matches(context.SessionTypeName, value, ignoreCase: true);
            case "localnetwork":
                return MatchesLocalNetwork(value, arguments);
            case "exec":
                return Execute(value, evaluated, arguments);
            default:
                return null;
        }
    }

    private bool? MatchesLocalNetwork(string list, SshConfigArguments arguments)
    {
        try
        {
            var networks = AddressPatternList.Parse(list, networksOnly: true);
            return values.Context.GetLocalAddresses().Any(address => networks.Match(address) == PatternMatch.Matched);
        }
        catch (SshException)
        {
            arguments.Fail("Invalid network entry in Match localnetwork");
            return null;
        }
    }

    private bool? Execute(string command, bool evaluated, SshConfigArguments arguments)
    {
        string expanded = values.TokensFor(host).Only("CLdhijklnpru").Expand(command);
        if (!evaluated)
        {
            log.LogTrace("skipped exec \"{Command}\"", PeerText.Escape(expanded, 100));
            return false;
        }
        if (values.Context.Execute is not { } execute)
        {
            arguments.Fail($"match exec '{PeerText.Escape(expanded, 100)}' error");
            return null;
        }
        return execute(expanded);
    }
}
