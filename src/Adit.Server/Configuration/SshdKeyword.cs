using Adit.Ssh;

namespace Adit.Server.Configuration;

/// <summary>What this version does with a keyword of sshd_config(5).</summary>
public enum KeywordSupport
{
    /// <summary>It does what the manual says.</summary>
    Effective,
    /// <summary>Checked and accepted; it is about something (tunnels, host-based logins, …) that this server has not got, so there is nothing for it to change. A value that
    /// asks for more than that is warned about.</summary>
    NoEffect,
    /// <summary>It restricts access in a way this version cannot: a configuration that uses it is refused.</summary>
    RefusedYet,
    /// <summary>Accepted and ignored, as OpenSSH does without the library it needs.</summary>
    Unsupported,
    /// <summary>Accepted and ignored, as OpenSSH does with keywords of old.</summary>
    Deprecated,
}

/// <summary>One keyword of sshd_config(5): a row of <see cref="SshdKeywords"/>.</summary>
public abstract class SshdKeyword
{
    private protected SshdKeyword(string name) => Name = name;

    /// <summary>As the manual spells it.</summary>
    public string Name { get; }

    /// <summary>Older names that are still accepted.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>May stand in a Match block.</summary>
    public bool InMatch { get; init; }

    /// <summary>In a Match block it could not be heeded, and it restricts: a Match block with it is refused.</summary>
    public bool RefusedInMatchYet { get; init; }

    public KeywordSupport Support { get; init; } = KeywordSupport.Effective;

    /// <summary>For <see cref="KeywordSupport.RefusedYet"/>: values that restrict nothing ("none") and are therefore accepted.
    /// For <see cref="KeywordSupport.NoEffect"/> with a <see cref="Warning"/>: values that it is not about.</summary>
    public IReadOnlyList<string> HarmlessValues { get; init; } = [];

    /// <summary>For <see cref="KeywordSupport.RefusedYet"/>: what OpenSSH says where it cannot do it either.</summary>
    public string? Refusal { get; init; }

    /// <summary>For <see cref="KeywordSupport.NoEffect"/>: what is missing where a value asks for it; null where nobody could miss anything.</summary>
    public string? Warning { get; init; }

    /// <summary>For the page of what is compatible: what differs, or why.</summary>
    public string? Note { get; init; }

    /// <summary>The value is the rest of the line as it stands: no quoting, no comment.</summary>
    public bool TakesRestOfLine { get; init; }

    /// <summary>Reads the arguments. Throws <see cref="SshException"/> naming file and line.</summary>
    internal abstract object Read(SshdArguments arguments);

    /// <summary>What a second directive of the same keyword does to the first one's value.</summary>
    internal abstract object Combine(object first, object second);

    /// <summary>The lines that <c>sshd -T</c> prints for a value; none where it prints none.</summary>
    internal abstract IEnumerable<string> Print(SshdConfig config);
}

/// <summary>One keyword and the type of its value.</summary>
public sealed class SshdKeyword<T> : SshdKeyword
    where T : notnull
{
    private readonly Func<SshdArguments, T> _read;

    internal SshdKeyword(string name, T defaultValue, Func<SshdArguments, T> read)
        : base(name)
    {
        Default = defaultValue;
        _read = read;
    }

    /// <summary>The value when no directive sets it.</summary>
    public T Default { get; }

    /// <summary>Joins the values of several directives. Where it is null the first directive counts and later ones are only checked.</summary>
    internal Func<T, T, T>? Append { get; init; }

    /// <summary>How <c>sshd -T</c> prints the value, without the keyword; null to print nothing.</summary>
    internal Func<T, IEnumerable<string>>? Show { get; init; }

    internal override object Read(SshdArguments arguments) => _read(arguments);

    internal override object Combine(object first, object second) => Append is null ? first : Append((T)first, (T)second);

    internal override IEnumerable<string> Print(SshdConfig config) =>
        Show is null ? [] : Show(config.Get(this)).Select(value => $"{Name.ToLowerInvariant()} {value}");
}
