using Adit.Ssh.Keys;
using Adit.Ssh.OpenSsh;

namespace Adit.Server.Configuration;

/// <summary>The keywords of sshd_config(5) about what the log shows, and how; rows as in <see cref="SshdKeywords"/>.</summary>
public static class LogKeywords
{
    /// <summary>"SHA256" or "MD5": how keys are named in the log and for AuthorizedKeysCommand. The last one counts.</summary>
    public static SshdKeyword<string> FingerprintHash { get; } = new("FingerprintHash", "SHA256", Hash) { Append = (_, last) => last, Show = value => [value] };

    /// <summary>Patterns of places in the program that log everything; "none" for none.</summary>
    public static SshdKeyword<IReadOnlyList<string>> LogVerbose { get; } = new("LogVerbose", [], Places)
    {
        InMatch = true,
        Note = "patterns of file:function:line, of which only the file is known here: \"*\" and the like show everything",
        Show = value => value.Count == 0 ? [] : [string.Join(' ', value)],
    };

    /// <summary>All of them.</summary>
    internal static IReadOnlyList<SshdKeyword> All { get; } = [FingerprintHash, LogVerbose];

    /// <summary>LogLevel; everything where a pattern of LogVerbose is about any place of the program.</summary>
    public static SshdLogLevel LevelOf(SshdConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        return ShowsAll(config.Get(LogVerbose)) ? SshdLogLevel.Debug3 : config.Get(SshdKeywords.LogLevel);
    }

    /// <summary>What a Match block says about the level; null where none says anything.</summary>
    internal static SshdLogLevel? MatchedLevel(SshdConfig config) =>
        config.TryGetMatched(LogVerbose, out var places) && ShowsAll(places) ? SshdLogLevel.Debug3
        : config.TryGetMatched(SshdKeywords.LogLevel, out var level) ? level
        : null;

    /// <summary>A key's fingerprint as FingerprintHash wants it.</summary>
    internal static string Fingerprint(SshdConfig config, PublicKey key) => config.Get(FingerprintHash) == "MD5" ? key.FingerprintMd5 : key.Fingerprint;

    private static bool ShowsAll(IReadOnlyList<string> places) => places.Any(pattern => PatternList.Matches("adit.c:log():1", pattern));

    private static string Hash(SshdArguments arguments)
    {
        var name = arguments.NextNamed();
        return name.ToUpperInvariant() switch
        {
            var hash and ("SHA256" or "MD5") => hash,
            _ => throw arguments.Error($"Invalid FingerprintHash algorithm \"{Adit.Ssh.Wire.PeerText.Escape(name, 100)}\".", "SHA256 and MD5 are the ones that there are."),
        };
    }

    private static IReadOnlyList<string> Places(SshdArguments arguments)
    {
        var places = arguments.Rest();
        if (places.Contains(""))
        {
            throw arguments.Error("keyword LogVerbose empty argument");
        }

        if (!places.Contains("none", StringComparer.OrdinalIgnoreCase))
        {
            return places;
        }

        return places.Count == 1 ? places : throw arguments.Error("keyword LogVerbose \"none\" argument must appear alone.");
    }
}
