using System.Globalization;

namespace Adit.Ssh.OpenSsh;

/// <summary>What this version does with a keyword of ssh_config(5).</summary>
public enum SshConfigSupport
{
    /// <summary>It does what the manual says.</summary>
    Supported,
    /// <summary>Read and checked; nothing acts on it yet.</summary>
    Planned,
    /// <summary>Read and checked, but this program has nothing that it could change; <see cref="SshConfigKeyword.Note"/> says why. Where leaving a value out would make a
    /// difference, a warning tells.</summary>
    WithoutEffect,
    /// <summary>Read and checked; a value that asks for what this program cannot do ends the run with an error that names the keyword.</summary>
    Refused,
    /// <summary>Accepted and ignored without a word, as OpenSSH does.</summary>
    Ignored,
    /// <summary>Accepted and ignored with a warning ("Unsupported option …"), as OpenSSH does.</summary>
    Unsupported,
    /// <summary>Accepted and ignored, reported at Debug ("Deprecated option …"), as OpenSSH does.</summary>
    Deprecated,
}

/// <summary>How much a keyword matters for this program.</summary>
public enum SshConfigPriority
{
    /// <summary>Tunnels cannot do without it.</summary>
    Essential,
    /// <summary>Users expect it.</summary>
    Expected,
    /// <summary>Rarely used.</summary>
    Rare,
}

/// <summary>One keyword of ssh_config(5): a row of <see cref="SshConfigKeywords"/>.</summary>
public abstract class SshConfigKeyword
{
    private protected SshConfigKeyword(string name) => Name = name;

    /// <summary>As the manual spells it.</summary>
    public string Name { get; }

    /// <summary>Older names that are still accepted.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    public SshConfigPriority Priority { get; init; } = SshConfigPriority.Expected;

    public SshConfigSupport Support { get; init; } = SshConfigSupport.Planned;

    /// <summary>OpenSSH has it since a version after 9.2: <c>ssh -G</c> prints it only where it is set.</summary>
    internal bool IsNew { get; init; }

    /// <summary>What the documentation adds: why a keyword has no effect, or in what it differs from OpenSSH's.</summary>
    public string? Note { get; init; }

    /// <summary>The value is the rest of the line as it stands: quotes and '#' are part of it.</summary>
    public bool TakesRestOfLine { get; init; }

    /// <summary>Applied even inside Host and Match blocks that do not match (OpenSSH's behaviour for two keywords).</summary>
    public bool IgnoresBlocks { get; init; }

    /// <summary>For keywords that add up: how many values there may be, and what they are called in the error about one too many.</summary>
    internal (int Max, string What)? Limit { get; init; }

    /// <summary>Reads the arguments of one directive; what it returns counts unless it reported an error.</summary>
    internal abstract object? Parse(SshConfigArguments arguments);

    /// <summary>Puts the value of a directive to what earlier ones set.</summary>
    internal abstract void Apply(SshConfigValues values, object? value);

    /// <summary>The lines that <c>ssh -G</c> prints, keyword included; none where it prints none.</summary>
    internal abstract IEnumerable<string> Print(SshConfigValues values);

    public override string ToString() => Name;
}

/// <summary>One keyword and the type of its value.</summary>
public sealed class SshConfigKeyword<T> : SshConfigKeyword
{
    private readonly Func<SshConfigArguments, T?> _parse;

    internal SshConfigKeyword(string name, T defaultValue, Func<SshConfigArguments, T?> parse)
        : base(name)
    {
        Default = defaultValue;
        _parse = parse;
    }

    /// <summary>The value when no directive sets it.</summary>
    public T Default { get; }

    /// <summary>Joins the values of several directives. Null: the first one counts.</summary>
    internal Func<T, T, T>? Join { get; init; }

    /// <summary>How <c>ssh -G</c> writes a value: one text per line, without the keyword.</summary>
    internal Func<T, IEnumerable<string>>? Show { get; init; }

    internal override object? Parse(SshConfigArguments arguments) => _parse(arguments);

    internal override void Apply(SshConfigValues values, object? value)
    {
        if (Join is not null)
            values.Set(this, Join(values.Get(this), (T)value!));
        else if (!values.IsSet(this))
            values.Set(this, value);
    }

    internal override IEnumerable<string> Print(SshConfigValues values)
    {
        var value = values.Get(this);
        var texts = Show is not null ? Show(value) : value is IFormattable f ? [f.ToString(null, CultureInfo.InvariantCulture)] : value?.ToString() is { } text ? [text] : [];
        return texts.Select(text => $"{Name.ToLowerInvariant()} {text}");
    }
}
