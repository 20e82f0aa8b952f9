using System.Diagnostics.CodeAnalysis;
using Adit.Ssh;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Adit.Server.Configuration;

/// <summary>What sshd_config(5) says: the values of <see cref="SshdKeywords"/>, and with <see cref="For"/> those that hold for one login. Immutable.</summary>
public sealed class SshdConfig
{
    private readonly IReadOnlyList<SshdDirective> _directives;
    private readonly Dictionary<SshdKeyword, object> _global;
    private readonly Dictionary<SshdKeyword, object>? _matched;

    internal SshdConfig(IReadOnlyList<SshdDirective> directives)
    {
        _directives = directives;
        _global = Layer(directives.Where(directive => directive.Block is null));
        HasMatchBlocks = directives.Any(directive => directive.Block is not null);
    }

    private SshdConfig(SshdConfig all, Dictionary<SshdKeyword, object> matched)
    {
        _directives = all._directives;
        _global = all._global;
        _matched = matched;
        HasMatchBlocks = true;
    }

    /// <summary>The defaults of the manual.</summary>
    public static SshdConfig Default { get; } = new([]);

    /// <summary>Whether <see cref="For"/> can give anything else.</summary>
    public bool HasMatchBlocks { get; }

    /// <summary>Whether any Match block sets a keyword.</summary>
    internal bool IsSetInMatch(SshdKeyword keyword) => _directives.Any(directive => directive.Block is not null && directive.Keyword == keyword);

    /// <summary>Reads a file and what it includes. Throws <see cref="SshException"/>: <see cref="SshError.Configuration"/> with OpenSSH's last line
    /// ("FILE: terminating, 1 bad configuration options"; each bad one is logged as an error), or <see cref="SshError.FileAccess"/>.</summary>
    public static SshdConfig Load(string path, ILogger? logger = null)
    {
        var reader = new SshdConfigReader(logger ?? NullLogger.Instance);
        reader.ReadFile(path);
        return reader.Build();
    }

    /// <summary>Reads text as if it were a file called <paramref name="name"/>. Throws as <see cref="Load"/> does.</summary>
    public static SshdConfig Parse(string text, string name = "sshd_config", ILogger? logger = null)
    {
        var reader = new SshdConfigReader(logger ?? NullLogger.Instance);
        reader.ReadText(text, name);
        return reader.Build();
    }

    /// <summary>The value of a keyword: from a matching Match block, else from the global part, else the default.</summary>
    public T Get<T>(SshdKeyword<T> keyword)
        where T : notnull =>
        _matched is not null && _matched.TryGetValue(keyword, out var matched) ? (T)matched
        : _global.TryGetValue(keyword, out var value) ? (T)value
        : keyword.Default;

    /// <summary>The value that a matching Match block sets; false where none does, whatever the global part says.</summary>
    internal bool TryGetMatched<T>(SshdKeyword<T> keyword, [MaybeNullWhen(false)] out T value)
        where T : notnull
    {
        var found = _matched is not null && _matched.TryGetValue(keyword, out var matched) ? (Set: true, Value: (T)matched) : default;
        value = found.Value;
        return found.Set;
    }

    /// <summary>The values that count, the strongest first: from matching Match blocks, from the global part. For lists that are looked up by name.</summary>
    internal IEnumerable<T> Layers<T>(SshdKeyword<T> keyword)
        where T : notnull
    {
        if (TryGetMatched(keyword, out var matched))
        {
            yield return matched;
        }

        yield return _global.TryGetValue(keyword, out var value) ? (T)value : keyword.Default;
    }

    /// <summary>Whether any directive that counts sets the keyword.</summary>
    public bool IsSet(SshdKeyword keyword) => _global.ContainsKey(keyword) || _matched?.ContainsKey(keyword) == true;

    /// <summary>The configuration for one login: what the Match blocks that match say goes before the global part, the first of them before later ones.</summary>
    public SshdConfig For(MatchContext context)
    {
        if (!HasMatchBlocks)
        {
            return this;
        }

        var verdicts = new Dictionary<MatchBlock, bool>(ReferenceEqualityComparer.Instance);
        return new SshdConfig(this, Layer(_directives.Where(directive => directive.Block is { } block && Matches(block))));

        bool Matches(MatchBlock block)
        {
            if (!verdicts.TryGetValue(block, out var verdict))
            {
                verdicts.Add(block, verdict = block.Matches(context));
            }

            return verdict;
        }
    }

    private static Dictionary<SshdKeyword, object> Layer(IEnumerable<SshdDirective> directives)
    {
        var layer = new Dictionary<SshdKeyword, object>();
        foreach (var (keyword, value, _) in directives)
        {
            layer[keyword] = layer.TryGetValue(keyword, out var first) ? keyword.Combine(first, value) : value;
        }

        return layer;
    }
}
