using System.Net;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>ssh_config(5): what the command line, the user's file and the system's file say about one destination.</summary>
public static class SshConfig
{
    /// <summary>Reads everything and joins it: for each keyword the first value wins, the command line's before the user file's before the system file's.
    /// With CanonicalizeHostname or a Match final the files are read a second time with the final host name, and values of the first time stay.</summary>
    /// <param name="host">The host as given, without user and port.</param>
    /// <param name="commandLineOptions">Lines such as "Port 22" or "Port=22": -o options, and flags written as such.</param>
    /// <param name="files">The files.</param>
    /// <param name="context">Who asks, where, and what for; null for this process's.</param>
    /// <exception cref="SshException"><see cref="SshError.Configuration"/> or <see cref="SshError.FileAccess"/>, with the line that ssh prints last. The lines it
    /// prints before that go to the context's logger at Error.</exception>
    public static SshConfigValues Resolve(string host, IReadOnlyList<string> commandLineOptions, SshConfigFiles files, SshConfigContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(commandLineOptions);
        ArgumentNullException.ThrowIfNull(files);
        context ??= new SshConfigContext();
        var values = new SshConfigValues(host, context);

        var commandLine = new SshConfigReader(values, host, isFinalPass: false);
        foreach (string line in commandLineOptions)
            commandLine.ReadCommandLine(line);
        values.MarkFromCommandLine();

        bool readAgain = ReadFiles(values, files, isFinalPass: false);
        values.Host = Normalize(values.Get(SshConfigKeywords.HostName) is { } name ? SubstituteHostName(name, host) : host);
        if (values.Get(SshConfigKeywords.ConnectionAttempts) <= 0)
            throw new SshException(SshError.Configuration, "Invalid number of ConnectionAttempts");
        values.Host = HostCanonicalizer.Canonicalize(values);
        if (values.Get(SshConfigKeywords.CanonicalizeHostname) != CanonicalizeHostname.No)
            readAgain = true;
        if (readAgain)
        {
            context.Logger.LogDebug("re-parsing configuration");
            values.Set(SshConfigKeywords.HostName, values.Host.Replace("%", "%%", StringComparison.Ordinal));
            ReadFiles(values, files, isFinalPass: true);
        }
        return values;
    }

    /// <summary>HostName may hold the host that was given, as %h.</summary>
    internal static string SubstituteHostName(string hostName, string host) =>
        new TokenExpander([KeyValuePair.Create('h', host)]).Expand(hostName);

    private static bool ReadFiles(SshConfigValues values, SshConfigFiles files, bool isFinalPass)
    {
        // In the second pass Host patterns see the name that was found in the first.
        var reader = new SshConfigReader(values, isFinalPass ? values.Host : values.OriginalHost, isFinalPass);
        if (files.UserFile is { } user)
            reader.ReadFile(user, isUserFile: true, checkOwner: !files.IsExplicit, mustExist: files.IsExplicit);
        if (files.SystemFile is { } system)
            reader.ReadFile(system, isUserFile: false, checkOwner: false, mustExist: false);
        return reader.WantsFinalPass;
    }

    /// <summary>Names in lower case; addresses in their usual form.</summary>
    private static string Normalize(string host) =>
        !host.Contains('%') && !host.Contains('[') && IPAddress.TryParse(host, out var address) ? address.ToString() : host.ToLowerInvariant();
}

/// <summary>CanonicalizeHostname: completes a short name with CanonicalDomains.</summary>
internal static class HostCanonicalizer
{
    /// <summary>The complete name, or the host as it is where none is found; an alias that CanonicalizePermittedCNAMEs lets be followed gives way to what it stands for.
    /// Throws where CanonicalizeFallbackLocal forbids to go on without a name.</summary>
    public static string Canonicalize(SshConfigValues values)
    {
        var mode = values.Get(SshConfigKeywords.CanonicalizeHostname);
        bool isDirect = (values.Get(SshConfigKeywords.ProxyCommand) is not { } command || command.Equals("none", StringComparison.OrdinalIgnoreCase))
            && values.Get(SshConfigKeywords.ProxyJump).Count == 0;
        // What a proxy will look up is not ours to look up, unless that is asked for.
        if (IPAddress.TryParse(values.Host, out _) || !(isDirect || mode == CanonicalizeHostname.Always))
            return values.Host;
        if (mode != CanonicalizeHostname.No && FindComplete(values) is { } complete)
            return complete;
        if (values.Get(SshConfigKeywords.CanonicalizePermittedCnames).Count == 0)
            return values.Host;
        if (TryResolve(values, values.Host, out string followed))
            return followed;
        return isDirect
            ? throw new SshException(SshError.NameResolution, $"ssh: Could not resolve hostname {PeerText.Escape(values.Host, 100)}: Name or service not known")
            : values.Host;
    }

    /// <summary>Null where no domain has the host, or where it has dots enough.</summary>
    private static string? FindComplete(SshConfigValues values)
    {
        string host = values.Host;
        if (host.EndsWith('.'))
        {
            if (TryResolve(values, host, out string anchored))
                return anchored;
        }
        else
        {
            if (host.AsSpan().Count('.') > values.Get(SshConfigKeywords.CanonicalizeMaxDots))
                return null;
            foreach (string domain in values.Get(SshConfigKeywords.CanonicalDomains).Where(domain => domain != "none"))
            {
                if (TryResolve(values, $"{host}.{domain}.", out string full))
                {
                    values.Context.Logger.LogDebug("Canonicalized hostname \"{Host}\" => \"{Full}\"", PeerText.Escape(host), PeerText.Escape(full));
                    return full;
                }
            }
        }
        return values.Get(SshConfigKeywords.CanonicalizeFallbackLocal)
            ? null
            : throw new SshException(SshError.NameResolution, $"ssh: Could not resolve host \"{PeerText.Escape(host)}\"")
            {
                Hint = "None of CanonicalDomains has the host, and CanonicalizeFallbackLocal is no.",
            };
    }

    /// <summary>Looks a complete name (with a dot at its end) up, and follows an alias where CanonicalizePermittedCNAMEs allows.</summary>
    private static bool TryResolve(SshConfigValues values, string name, out string result)
    {
        result = name.TrimEnd('.');
        if (values.Context.ResolveName(name) is not { } canonical)
            return false;
        string source = result, target = canonical.TrimEnd('.').ToLowerInvariant();
        if (target.Length > 0 && target != source
            && values.Get(SshConfigKeywords.CanonicalizePermittedCnames).Any(rule => PatternList.MatchesHost(source, rule.Source) && PatternList.MatchesHost(target, rule.Target)))
            result = target;
        return true;
    }
}
