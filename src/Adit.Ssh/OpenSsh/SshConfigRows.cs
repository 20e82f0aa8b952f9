using System.Collections;
using Adit.Ssh.Cryptography;
using Adit.Ssh.Keys;

namespace Adit.Ssh.OpenSsh;

/// <summary>How the rows of <see cref="SshConfigKeywords"/> are made: one method per kind of value.</summary>
internal static class SshConfigRows
{
    public static readonly (string Word, bool Value)[] PlainYesNo = [("yes", true), ("no", false)];

    public static readonly (string Word, PubkeyAuthentication Value)[] PubkeyWords =
    [
        ("true", OpenSsh.PubkeyAuthentication.Yes), ("false", OpenSsh.PubkeyAuthentication.No), ("yes", OpenSsh.PubkeyAuthentication.Yes),
        ("no", OpenSsh.PubkeyAuthentication.No), ("unbound", OpenSsh.PubkeyAuthentication.Unbound), ("host-bound", OpenSsh.PubkeyAuthentication.HostBound),
    ];

    public static SshConfigKeyword<string?> Word(string name, SshConfigPriority priority, SshConfigSupport support, string? defaultValue = null, params string[] aliases) =>
        new(name, defaultValue, SshConfigParsers.Text) { Priority = priority, Support = support, Aliases = aliases };

    public static SshConfigKeyword<IReadOnlyList<string>> Words(string name, IReadOnlyList<string> defaultValue, SshConfigPriority priority, SshConfigSupport support) =>
        new(name, defaultValue, SshConfigParsers.List) { Priority = priority, Support = support, Show = ShowList };

    public static SshConfigKeyword<int> Number(string name, int defaultValue, SshConfigPriority priority, SshConfigSupport support) =>
        new(name, defaultValue, SshConfigParsers.Integer) { Priority = priority, Support = support };

    public static SshConfigKeyword<bool> Switch(string name, bool defaultValue, SshConfigPriority priority, SshConfigSupport support, params string[] aliases) =>
        new(name, defaultValue, SshConfigParsers.Flag) { Priority = priority, Support = support, Aliases = aliases, Show = value => [value ? "yes" : "no"] };

    public static SshConfigKeyword<TimeSpan?> Duration(string name, TimeSpan? defaultValue, SshConfigPriority priority, SshConfigSupport support, string whenUnset = "0") =>
        new(name, defaultValue, SshConfigParsers.Time)
        {
            Priority = priority,
            Support = support,
            Show = value => [value is { } time ? $"{(long)time.TotalSeconds}" : whenUnset],
        };

    public static SshConfigKeyword<T> Choice<T>(string name, T defaultValue, SshConfigPriority priority, SshConfigSupport support, params (string Word, T Value)[] words)
        where T : struct =>
        new(name, defaultValue, SshConfigParsers.OneOf(words)) { Priority = priority, Support = support, Show = ShowWord(words) };

    public static SshConfigKeyword<string?> AlgorithmRow(string name, AlgorithmKind kind, string what, params string[] aliases) =>
        new(name, null, SshConfigParsers.Algorithms(kind, what))
        {
            Priority = SshConfigPriority.Essential,
            Support = SshConfigSupport.Supported,
            Aliases = aliases,
            Show = spec => [string.Join(',', ApplyAlgorithms(name, kind, spec))],
        };

    /// <summary>A word that <c>ssh -G</c> leaves out where it is "none".</summary>
    public static SshConfigKeyword<string?> WordUnlessNone(string name, SshConfigPriority priority, SshConfigSupport support, params string[] aliases) =>
        new(name, null, SshConfigParsers.Text) { Priority = priority, Support = support, Aliases = aliases, Show = ShowUnlessNone };

    /// <summary>The same row with a note, and perhaps another state.</summary>
    public static SshConfigKeyword<T> With<T>(this SshConfigKeyword<T> row, string note, SshConfigSupport? support = null) =>
        row.Copy(note, support ?? row.Support);

    /// <summary>Directives add up; the same value twice counts once.</summary>
    public static SshConfigKeyword<IReadOnlyList<string>> Collected(string name, int max, string what, params string[] aliases) => new(name, [], SshConfigParsers.Single)
    {
        Priority = SshConfigPriority.Essential,
        Support = SshConfigSupport.Supported,
        Aliases = aliases,
        Join = JoinDistinct,
        Show = names => names,
        Limit = (max, what),
    };

    public static SshConfigKeyword<IReadOnlyList<ForwardSpecification>> Forward(string name, ForwardKind kind, SshConfigSupport support) =>
        new(name, [], SshConfigSpecialParsers.Forward(kind))
        {
            Priority = SshConfigPriority.Essential,
            Support = support,
            Join = JoinDistinct,
            Show = forwards => forwards.Select(SshConfigDump.Forward),
        };

    private static DistinctList<TItem> JoinDistinct<TItem>(IReadOnlyList<TItem> earlier, IReadOnlyList<TItem> later)
    {
        var list = earlier as DistinctList<TItem> ?? new DistinctList<TItem>(earlier);
        foreach (var item in later)
            list.Add(item);
        return list;
    }

    public static List<string> JoinSendEnv(IReadOnlyList<string> earlier, IReadOnlyList<string> later)
    {
        List<string> names = [.. earlier];
        foreach (string name in later)
        {
            if (name.StartsWith('-'))
                names.RemoveAll(item => PatternList.MatchPattern(item, name.AsSpan(1)));
            else if (!names.Contains(name))
                names.Add(name);
        }
        return names;
    }

    public static IReadOnlyList<string> ApplyAlgorithms(string name, AlgorithmKind kind, string? spec)
    {
        var defaults = Algorithms.Defaults(kind);
        if (name == "CASignatureAlgorithms")
            defaults = [.. defaults.Where(algorithm => !KeyAlgorithms.IsCertificate(algorithm))];
        return spec is null ? defaults : Algorithms.ApplySpec(kind, defaults, spec).Names;
    }

    public static IEnumerable<string> ShowUnlessNone(string? text) => text is null or { Length: 0 } || text.Equals("none", StringComparison.OrdinalIgnoreCase) ? [] : [text];

    public static IEnumerable<string> ShowList(IReadOnlyList<string> words) => [words.Count == 0 ? "none" : string.Join(' ', words)];

    /// <summary>Compared as objects: a comparer for each type of value would have to be compiled when the program starts, which takes longer than all the comparing.</summary>
    public static Func<T, IEnumerable<string>> ShowWord<T>((string Word, T Value)[] words)
        where T : struct =>
        value => [Array.Find(words, pair => pair.Value.Equals(value)).Word];

    public static IEnumerable<string> ShowAddKeys(AddKeysToAgent value)
    {
        string time = value.Lifetime is { } lifetime ? $"{(long)lifetime.TotalSeconds}" : "";
        return [value.Mode switch
        {
            AddKeysMode.Yes => time.Length > 0 ? time : "true",
            AddKeysMode.Ask => "ask",
            AddKeysMode.Confirm => $"confirm {time}".TrimEnd(),
            _ => "false",
        }];
    }

    public static IEnumerable<string> ShowEscape(int code) => [code < 0 ? "none" : code < 32 ? $"^{(char)(code + '@')}" : $"{(char)code}"];

    public static IEnumerable<string> ShowLogLevel(SshConfigLogLevel level) => [level switch
    {
        SshConfigLogLevel.Quiet => "SILENT",
        SshConfigLogLevel.Debug1 => "DEBUG",
        _ => level.ToString().ToUpperInvariant(),
    }];

    public static IEnumerable<SshConfigKeyword> NamesOnly(SshConfigSupport support, params string[] names) =>
        names.Select(name => new SshConfigKeyword<object?>(name, null, SshConfigParsers.Anything) { Support = support, Priority = SshConfigPriority.Rare, Show = _ => [] });

    /// <summary>Keywords of Debian's OpenSSH whose subject is not there: wrong values are told all the same.</summary>
    public static IEnumerable<SshConfigKeyword> OnlyChecked<T>(Func<SshConfigArguments, T> parse, params string[] names) =>
        names.Select(name => new SshConfigKeyword<T?>(name, default, parse) { Support = SshConfigSupport.Ignored, Priority = SshConfigPriority.Rare, Show = _ => [] });

    /// <summary>Grows in place while a configuration is read: thousands of directives must not copy each other.</summary>
    private sealed class DistinctList<TItem>(IEnumerable<TItem> items) : IReadOnlyList<TItem>
    {
        private readonly List<TItem> _items = [.. items];
        private readonly HashSet<TItem> _seen = [.. items];

        public int Count => _items.Count;

        public TItem this[int index] => _items[index];

        public void Add(TItem item)
        {
            if (_seen.Add(item))
                _items.Add(item);
        }

        public IEnumerator<TItem> GetEnumerator() => _items.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
