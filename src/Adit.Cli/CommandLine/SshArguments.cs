using Adit.Cli.Diagnostics;
using Adit.Ssh.Forwarding;
using Adit.Ssh.OpenSsh;

namespace Adit.Cli.CommandLine;

/// <summary>What an ssh command line asks for.</summary>
internal enum SshAction
{
    /// <summary>Connect.</summary>
    Connect,
    /// <summary>--help: our own page.</summary>
    ShowHelp,
    /// <summary>-V.</summary>
    ShowVersion,
    /// <summary>-Q: list algorithms.</summary>
    Query,
    /// <summary>-G: print the configuration that would be used.</summary>
    PrintConfiguration,
}

/// <summary>An ssh command line, taken apart but not yet joined with the configuration files.</summary>
internal sealed class SshArguments
{
    public SshAction Action { get; set; }

    /// <summary>-Q's word.</summary>
    public string Query { get; set; } = "";

    /// <summary>The host as typed: what Host patterns match and known_hosts is asked for.</summary>
    public string Host { get; set; } = "";

    /// <summary>The command to run there, or null.</summary>
    public string? Command { get; set; }

    /// <summary>The user given first by -l, by user@ or in the URI; null for none. It is checked, since it comes from who knows where.</summary>
    public string? User { get; set; }

    /// <summary>Lines of configuration that come before the files: flags that overrule (-4, -C, -c, …) first, then the -o lines and the rest as typed.</summary>
    public IReadOnlyList<string> ConfigLines => [.. Overrides.Select(pair => $"{pair.Key} {pair.Value}"), .. Lines];

    /// <summary>Flags that win over -o whatever the order: the last one counts.</summary>
    public Dictionary<string, string> Overrides { get; } = [];

    public List<string> Lines { get; } = [];

    /// <summary>"Warning: Identity file … not accessible", to be shown once the log is open.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>-F; "none" for no files at all; null for the usual ones.</summary>
    public string? ConfigFile { get; set; }

    /// <summary>-E.</summary>
    public string? LogFile { get; set; }

    /// <summary>--agent-confirm: each signature through the forwarded agent is asked about.</summary>
    public bool ConfirmsAgentUse { get; set; }

    /// <summary>-y: messages go to syslog.</summary>
    public bool LogsToSyslog { get; set; }

    /// <summary>-O: what to ask of a running master; null for nothing.</summary>
    public string? MultiplexCommand { get; set; }

    /// <summary>From -v and -q, the last one; null leaves it to LogLevel.</summary>
    public OpenSshLogLevel? LogLevel { get; set; }

    /// <summary>-N, or what implies it.</summary>
    public bool NoSession { get; set; }

    /// <summary>-W: where standard input goes to and standard output comes from.</summary>
    public ForwardAddress? StandardIo { get; set; }

    /// <summary>What flags or else -o lines have said about a keyword up to here.</summary>
    public string? SetSoFar(string keyword) => Overrides.GetValueOrDefault(keyword) ?? GivenBefore(keyword);

    /// <summary>The value of an -o line for a keyword, if there was one.</summary>
    public string? GivenBefore(string keyword)
    {
        foreach (var line in Lines)
        {
            OpenSshLexer.SplitKeyword(line, out var name, out var rest);
            if (name.Equals(keyword, StringComparison.OrdinalIgnoreCase))
            {
                return rest.Trim('"').ToString();
            }
        }

        return null;
    }

    /// <summary>No session, whatever the files say.</summary>
    public void ForwardOnly()
    {
        NoSession = true;
        Overrides["SessionType"] = "none";
        Overrides["RequestTTY"] = "no";
    }
}
