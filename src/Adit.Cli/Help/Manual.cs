namespace Adit.Cli.Help;

/// <summary>What a flag's value is, for completion.</summary>
internal enum ValueKind
{
    /// <summary>Nothing to propose: a port, a forward, a passphrase.</summary>
    Free,
    File,
    Folder,
    Host,
    /// <summary>Hosts with commas between.</summary>
    Hosts,
    User,
    /// <summary>One of <see cref="FlagRow.Choices"/>.</summary>
    Choice,
    /// <summary>Some of <see cref="FlagRow.Choices"/>, with commas between.</summary>
    Choices,
    /// <summary>A keyword of a configuration file, which <see cref="FlagRow.Choices"/> lists, with '=' and its value behind it.</summary>
    Keyword,
}

/// <summary>A flag, or several that are told of together.</summary>
/// <param name="Names">With their dashes: <c>-4</c>, <c>-6</c>, <c>--help</c>.</param>
/// <param name="Value">What its value is called; null where it takes none.</param>
/// <param name="Text">What it does: the same words on the help page and in the manual.</param>
internal sealed record FlagRow(string[] Names, string? Value, string Text)
{
    /// <summary>A flag, or several with commas between.</summary>
    public FlagRow(string names, string? value, string text)
        : this(names.Split(", "), value, text)
    {
    }

    /// <summary>What more the manual says.</summary>
    public string? More { get; init; }

    public ValueKind Kind { get; init; }

    /// <summary>Asked for when it is needed: the lists of algorithms are not made for a help page.</summary>
    public Func<IEnumerable<string>>? Choices { get; init; }

    /// <summary>The few words that a shell shows beside the flag: the first clause of its text.</summary>
    public string Brief
    {
        get
        {
            var end = Text.IndexOfAny([':', ';', '.', '(']);
            return (end < 0 ? Text : Text[..end]).Trim();
        }
    }
}

/// <summary>Flags under a heading.</summary>
internal sealed record FlagGroup(string Title, IReadOnlyList<FlagRow> Rows);

/// <summary>A part of a page that is not about flags: paragraphs, and lines that stand as they are (those that begin with a blank).</summary>
/// <param name="OnHelpPage">False for what only the manual has.</param>
internal sealed record PageSection(string Title, string Text, bool OnHelpPage = true);

/// <summary>All that is told about a command, once: <see cref="HelpPage"/>, <see cref="ManPage"/> and the completion scripts are written from it.</summary>
/// <param name="Name">Of the manual page: <c>adit-ssh</c>.</param>
/// <param name="Volume">The manual's section: 1, 5 or 8.</param>
/// <param name="Summary">One line.</param>
/// <param name="Usage">The lines after "usage: ".</param>
/// <param name="Description">Paragraphs, with blank lines between.</param>
internal sealed record Manual(string Name, int Volume, string Summary, string Usage, string Description)
{
    public IReadOnlyList<FlagGroup> Groups { get; init; } = [];

    public IReadOnlyList<PageSection> Sections { get; init; } = [];

    /// <summary>Other pages: <c>ssh(1)</c>.</summary>
    public IReadOnlyList<string> SeeAlso { get; init; } = [];

    public IEnumerable<FlagRow> Rows => Groups.SelectMany(group => group.Rows);
}
