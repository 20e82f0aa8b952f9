namespace Adit.Server.Configuration;

/// <summary>One line of configuration, its value already read.</summary>
/// <param name="Block">The Match block it stands in, or null.</param>
internal sealed record SshdDirective(SshdKeyword Keyword, object Value, MatchBlock? Block);
