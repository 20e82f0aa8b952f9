using System.Text;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.OpenSsh;

/// <summary>Reads configuration lines and files into values, once over all of them per pass.</summary>
internal sealed class SshConfigReader(SshConfigValues values, string host, bool isFinalPass)
{
    private const int MaxDepth = 16;
    private const long MaxFileLength = 16 << 20;
    private const int MaxReportedErrors = 100;

    private readonly ILogger _log = values.Context.Logger;
    private int _reported;
    private string? _firstError;
    private string? _held;
    private bool _isCommandLine;

    /// <summary>A Match final was seen.</summary>
    public bool WantsFinalPass { get; private set; }

    /// <summary>Reads one line of the command line. Throws when it is wrong.</summary>
    public void ReadCommandLine(string line)
    {
        _isCommandLine = true;
        var source = new Source("command-line", IsUserFile: true, Depth: 0, NeverMatch: false) { IsCommandLine = true };
        var active = true;
        if (!ReadLine(line, 0, source, ref active))
            throw new SshException(SshError.Configuration, _held ?? "bad option") { Hint = "In the options on the command line (-o and the like)." };
    }

    /// <summary>Reads a file. Throws when it is not trusted, when lines in it are wrong, and, where it <paramref name="mustExist"/>, when it cannot be read.</summary>
    public void ReadFile(string path, bool isUserFile, bool checkOwner, bool mustExist)
    {
        bool active = true;
        ReadFile(path, new Source(path, isUserFile, Depth: 0, NeverMatch: false), checkOwner, mustExist, ref active);
    }

    private void ReadFile(string path, Source source, bool checkOwner, bool mustExist, ref bool active)
    {
        if (source.Depth > MaxDepth)
            throw new SshException(SshError.Configuration, "Too many recursive configuration includes") { Hint = $"{path} is included, directly or not, by itself or more than {MaxDepth} deep." };
        string text;
        try
        {
            text = path.Length > 0 ? ReadText(path) : throw new FileNotFoundException();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(path))
                return; // which ssh opens, and finds nothing to read in
            if (!mustExist && (e is FileNotFoundException or DirectoryNotFoundException || source.Depth == 0))
                return;
            throw new SshException(SshError.FileAccess, $"Can't open user config file {PeerText.Escape(path)}: {FileErrors.Describe(e)}", e);
        }
        if (checkOwner && !FileOwner.IsTrusted(path))
        {
            throw new SshException(SshError.FileAccess, $"Bad owner or permissions on {PeerText.Escape(path)}")
            {
                Hint = $"The file must belong to you or to root, and nobody else may be able to write to it: chmod go-w '{path}'",
            };
        }
        _log.LogDebug("Reading configuration data {Path}", path);
        int bad = 0, number = 0;
        foreach (var range in text.AsSpan().Split('\n'))
        {
            number++;
            if (!ReadLine(text[range], number, source, ref active))
                bad++;
        }
        if (bad > 0)
        {
            throw new SshException(SshError.Configuration, $"{PeerText.Escape(path)}: terminating, {bad} bad configuration options")
            {
                Hint = $"The first one: {_firstError}",
            };
        }
    }

    /// <summary>False when the line is wrong.</summary>
    private bool ReadLine(string line, int number, Source source, ref bool active)
    {
        OpenSshLexer.SplitKeyword(line, out string keyword, out var rest);
        if (keyword.Length == 0)
            return true;
        string lower = keyword.ToLowerInvariant(), shown = PeerText.Escape(lower, 256);
        var place = $"{PeerText.Escape(source.File)} line {number}";
        if (rest.IsEmpty)
            return Report($"{place}: no argument after keyword \"{shown}\"");

        var row = lower is "host" or "match" or "include" ? null : SshConfigKeywords.Find(lower);
        bool isUnknown = row is null && lower is not ("host" or "match" or "include");
        bool isIgnored = isUnknown && values.Get(SshConfigKeywords.IgnoreUnknown) is { } ignored && PatternList.Matches(lower, ignored, ignoreCase: true);
        if (isUnknown && !isIgnored)
            Report($"{PeerText.Escape(source.File)}: line {number}: Bad configuration option: {shown}");
        if (!OpenSshLexer.TrySplit(rest, comments: true, out var words))
            return Report($"{place}: invalid quotes");
        if (isIgnored)
            _log.LogDebug("{Place}: Ignored unknown option \"{Keyword}\"", place, shown);
        if (isUnknown)
            return isIgnored;

        var arguments = new SshConfigArguments(shown, rest.ToString(), words, source.File, number, values.Context, text => Report(text));
        if (source.IsCommandLine && row is null)
            return Report(lower == "include" ? "Include directive not supported as a command-line option" : "Host directive not supported as a command-line option");
        switch (lower)
        {
            case "host":
                ReadHost(arguments, source, place, ref active);
                break;
            case "match":
                ReadMatch(arguments, source, ref active);
                break;
            case "include":
                ReadIncludes(arguments, source, place, active);
                break;
            default:
                ReadValue(row!, arguments, place, active);
                break;
        }
        if (arguments.HasFailed)
            return false;
        return arguments.Remaining == 0 || Report($"{place}: keyword {shown} extra arguments at end of line");
    }

    private void ReadValue(SshConfigKeyword row, SshConfigArguments arguments, string place, bool active)
    {
        switch (row.Support)
        {
            case SshConfigSupport.Unsupported:
                _log.LogWarning("{Place}: Unsupported option \"{Keyword}\"", place, arguments.Keyword);
                break;
            case SshConfigSupport.Deprecated:
                _log.LogDebug("{Place}: Deprecated option \"{Keyword}\"", place, arguments.Keyword);
                break;
        }
        object? value = row.Parse(arguments);
        if (arguments.HasFailed || arguments.Remaining > 0 || !(active || row.IgnoresBlocks))
            return;
        // ProxyJump and ProxyCommand are two ways to say one thing: the first of either counts. (But "ProxyJump none" leaves a ProxyCommand be.)
        if ((row == SshConfigKeywords.ProxyJump && values.IsSet(SshConfigKeywords.ProxyCommand))
            || (row == SshConfigKeywords.ProxyCommand && values.Get(SshConfigKeywords.ProxyJump).Count > 0))
            return;
        if (row.Limit is { } limit && row is SshConfigKeyword<IReadOnlyList<string>> list && values.Get(list).Count >= limit.Max)
            arguments.Fail($"Too many {limit.What} specified (max {limit.Max}).");
        else
            row.Apply(values, value);
    }

    /// <summary>One pattern that matches turns the block on, one with '!' that matches turns it off for good.</summary>
    private void ReadHost(SshConfigArguments arguments, Source source, string place, ref bool active)
    {
        active = false;
        string? matched = null;
        while (arguments.Next() is { } pattern)
        {
            if (pattern.Length == 0)
            {
                arguments.Fail($"keyword {arguments.Keyword} empty argument");
                active = false;
                return;
            }
            bool negated = pattern.StartsWith('!');
            if (source.NeverMatch || !PatternList.MatchPattern(host, negated ? pattern.AsSpan(1) : pattern))
                continue;
            if (negated)
            {
                _log.LogDebug("{Place}: Skipping Host block because of negated match for {Pattern}", place, PeerText.Escape(pattern, 100));
                active = false;
                arguments.SkipRest();
                return;
            }
            matched ??= pattern;
            active = true;
        }
        if (active)
            _log.LogDebug("{Place}: Applying options for {Pattern}", place, PeerText.Escape(matched ?? "", 100));
    }

    private void ReadMatch(SshConfigArguments arguments, Source source, ref bool active)
    {
        var match = new SshConfigMatch(values, MatchHost(), isFinalPass, _log);
        var result = match.Evaluate(arguments, text => Report(text), live: !source.NeverMatch);
        WantsFinalPass |= match.WantsFinalPass;
        if (result is null)
        {
            arguments.Fail("Bad Match condition");
            arguments.SkipRest();
        }
        active = result == true;
    }

    private void ReadIncludes(SshConfigArguments arguments, Source source, string place, bool active)
    {
        while (arguments.Next() is { } pattern)
        {
            if (pattern.Length == 0)
            {
                arguments.Fail($"keyword {arguments.Keyword} empty argument");
                return;
            }
            if (!TryResolveInclude(pattern, arguments, source, out string? path))
                return;
            var found = path is null ? [] : FileGlob.Expand(path);
            if (found.Count == 0)
                _log.LogDebug("{Place}: include {Pattern} matched no files", place, PeerText.Escape(pattern));
            foreach (string file in found)
            {
                _log.LogTrace("{Place}: Including file {File} depth {Depth}", place, file, source.Depth);
                // What Host and Match lines do in there ends with the file.
                bool inner = active;
                ReadFile(file, new Source(file, source.IsUserFile, source.Depth + 1, !active), checkOwner: true, mustExist: false, ref inner);
            }
        }
    }

    /// <summary>The absolute pattern; null where "~user" names an account that does not exist, which has no files. False after an error.</summary>
    private bool TryResolveInclude(string pattern, SshConfigArguments arguments, Source source, out string? path)
    {
        var context = values.Context;
        path = null;
        if (pattern.StartsWith('~') && !source.IsUserFile)
        {
            arguments.Fail($"bad include path {PeerText.Escape(pattern)}.");
            return false;
        }
        try
        {
            path = values.TokensFor(MatchHost()).Only("CLdhijklnpru").ExpandWithEnvironment(pattern);
        }
        catch (SshException e)
        {
            arguments.Fail(e.Message);
            return false;
        }
        string user = path.Split('/')[0];
        if (user.Length > 1 && user[0] == '~' && LocalUser.HomeOf(user[1..]) is null)
            path = null;
        else if (user.StartsWith('~'))
            path = TokenExpander.ExpandTilde(path, name => name.Length == 0 ? context.HomeDirectory : LocalUser.HomeOf(name));
        else if (!path.StartsWith('/'))
            path = $"{(source.IsUserFile ? context.HomeDirectory + "/.ssh" : context.SystemFolder)}/{path}";
        return true;
    }

    /// <summary>The host that Match host is about: HostName as far as it is known.</summary>
    private string MatchHost()
    {
        if (isFinalPass || values.Get(SshConfigKeywords.HostName) is not { } name)
            return isFinalPass ? values.Host : values.OriginalHost;
        return SshConfig.SubstituteHostName(name, values.OriginalHost);
    }

    private bool Report(string text)
    {
        _firstError ??= text;
        // The line that ends it all is the exception's: it is not logged as well.
        if (_held is not null)
            _log.LogError("{Line}", _held);
        _held = null;
        if (_isCommandLine)
            _held = text;
        else if (_reported++ < MaxReportedErrors)
            _log.LogError("{Line}", text);
        return false;
    }

    private static string ReadText(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (file.CanSeek && file.Length > MaxFileLength)
            throw new IOException($"longer than {MaxFileLength} bytes");
        using var reader = new StreamReader(file, Encoding.UTF8, detectEncodingFromByteOrderMarks: false);
        return reader.ReadToEnd();
    }

    /// <summary>Where lines come from.</summary>
    private sealed record Source(string File, bool IsUserFile, int Depth, bool NeverMatch)
    {
        public bool IsCommandLine { get; init; }
    }
}
