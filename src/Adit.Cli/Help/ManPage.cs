using System.Text;

namespace Adit.Cli.Help;

/// <summary>Writes a command's page in roff, with the macros of man(7) alone: groff, mandoc and the formatters of the BSDs all know them.</summary>
internal static class ManPage
{
    /// <summary>When the texts were last gone over. Not the day of the build: the same source makes the same bytes.</summary>
    private const string Date = "2026-11-27";

    public static string Write(Manual manual, string version)
    {
        var page = new StringBuilder();
        page.Append($".\\\" Written by \"adit man\" from the program's own tables: change those.\n");
        page.Append($".TH {manual.Name.ToUpperInvariant()} {manual.Volume} \"{Date}\" \"Adit {version}\" \"Adit\"\n");
        page.Append(".SH NAME\n").Append(Escape(manual.Name)).Append(" \\- ").Append(Escape(manual.Summary)).Append('\n');
        if (manual.Usage.Length > 0)
        {
            page.Append(".SH SYNOPSIS\n.nf\n");
            foreach (var line in manual.Usage.Split('\n'))
            {
                page.Append(Line(line)).Append('\n');
            }

            page.Append(".fi\n");
        }

        page.Append(".SH DESCRIPTION\n");
        Paragraphs(page, manual.Description, afterHeading: true);
        if (manual.Groups.Count > 0)
        {
            page.Append(".SH OPTIONS\n");
        }

        foreach (var group in manual.Groups)
        {
            page.Append(".SS ").Append(Quote(group.Title)).Append('\n');
            foreach (var row in group.Rows)
            {
                Row(page, row);
            }
        }

        foreach (var section in manual.Sections)
        {
            page.Append(".SH ").Append(Quote(section.Title.ToUpperInvariant())).Append('\n');
            Paragraphs(page, section.Text, afterHeading: true);
        }

        SeeAlso(page, manual.SeeAlso);
        return page.ToString();
    }

    private static void Row(StringBuilder page, FlagRow row)
    {
        page.Append(".TP\n");
        for (var index = 0; index < row.Names.Length; index++)
        {
            page.Append(index == 0 ? "" : ", ").Append("\\fB").Append(Escape(row.Names[index])).Append("\\fR");
        }

        if (row.Value is not null)
        {
            page.Append(" \\fI").Append(Escape(row.Value)).Append("\\fR");
        }

        page.Append('\n');
        Wrapped(page, row.Text);
        if (row.More is not null)
        {
            page.Append(".IP\n");
            Wrapped(page, row.More);
        }
    }

    /// <summary>Lines that begin with a blank stand as they are, in the typewriter's shape.</summary>
    private static void Paragraphs(StringBuilder page, string text, bool afterHeading)
    {
        var asIs = false;
        var apart = !afterHeading;
        foreach (var line in text.Split('\n'))
        {
            if (line.Length > 0 && line[0] == ' ')
            {
                if (!asIs)
                {
                    page.Append(afterHeading ? ".RS 4\n.nf\n" : ".PP\n.RS 4\n.nf\n");
                    asIs = true;
                }

                page.Append(Line(line.TrimStart())).Append('\n');
                afterHeading = apart = false;
                continue;
            }

            if (asIs)
            {
                page.Append(".fi\n.RE\n");
                asIs = false;
                apart = true;
            }

            if (line.Length == 0)
            {
                apart = !afterHeading;
                continue;
            }

            page.Append(apart ? ".PP\n" : "");
            Wrapped(page, line);
            afterHeading = apart = false;
        }

        if (asIs)
        {
            page.Append(".fi\n.RE\n");
        }
    }

    /// <summary>In lines of at most 79 characters: people read and compare the source too.</summary>
    private static void Wrapped(StringBuilder page, string text)
    {
        var column = 0;
        foreach (var word in text.Split(' '))
        {
            var escaped = Escape(word);
            if (column > 0 && column + 1 + escaped.Length <= 79)
            {
                page.Append(' ');
                column++;
            }
            else
            {
                page.Append(column > 0 ? "\n" : "");
                escaped = Line(word);
                column = 0;
            }

            page.Append(escaped);
            column += escaped.Length;
        }

        page.Append('\n');
    }

    private static void SeeAlso(StringBuilder page, IReadOnlyList<string> pages)
    {
        if (pages.Count == 0)
        {
            return;
        }

        page.Append(".SH SEE ALSO\n");
        for (var index = 0; index < pages.Count; index++)
        {
            var open = pages[index].IndexOf('(');
            page.Append($".BR {pages[index][..open]} {pages[index][open..]}{(index + 1 < pages.Count ? " ," : "")}\n");
        }
    }

    private static string Quote(string text) => text.Contains(' ') ? $"\"{Escape(text).Replace("\"", "\\(dq", StringComparison.Ordinal)}\"" : Escape(text);

    /// <summary>A line of text: one that would begin with a control character gets something of no width before it.</summary>
    private static string Line(string text) => text.Length > 0 && text[0] is '.' or '\'' ? "\\&" + Escape(text) : Escape(text);

    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length + 16);
        foreach (var letter in text)
        {
            escaped.Append(letter switch
            {
                '\\' => "\\e",
                '-' => "\\-", // a hyphen that can be copied as the minus that programs want
                '\'' => "\\(aq",
                '~' => "\\(ti",
                '^' => "\\(ha",
                '`' => "\\(ga",
                _ => letter.ToString(),
            });
        }

        return escaped.ToString();
    }
}
