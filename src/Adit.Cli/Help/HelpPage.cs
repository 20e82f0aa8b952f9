using System.Text;

namespace Adit.Cli.Help;

/// <summary>Writes a command's page for <c>--help</c>: plain text for a terminal of 100 columns.</summary>
internal static class HelpPage
{
    private const int Width = 100;
    private const int TextColumn = 26;

    /// <summary>The usage alone: what a wrong command line gets.</summary>
    /// <param name="manual">The command's.</param>
    /// <param name="byLink">It was called through a link of its own name: "ssh" then, where it is "adit ssh" otherwise.</param>
    public static string Usage(Manual manual, bool byLink = false)
    {
        const string Program = "adit ";
        var text = new StringBuilder();
        var prefix = "usage: ";
        foreach (var line in manual.Usage.Split('\n'))
        {
            var shown = !byLink ? line : line.StartsWith(Program, StringComparison.Ordinal) || line.StartsWith(new string(' ', Program.Length), StringComparison.Ordinal) ? line[Program.Length..] : line;
            text.Append(prefix).Append(shown).Append('\n');
            prefix = "       ";
        }

        return text.ToString();
    }

    public static string Write(Manual manual)
    {
        var text = new StringBuilder(Usage(manual));
        text.Append('\n');
        Paragraphs(text, manual.Description);
        foreach (var group in manual.Groups)
        {
            text.Append('\n').Append(group.Title).Append('\n');
            foreach (var row in group.Rows)
            {
                Row(text, row);
            }
        }

        foreach (var section in manual.Sections)
        {
            if (section.OnHelpPage)
            {
                text.Append('\n').Append(section.Title).Append('\n');
                Paragraphs(text, section.Text, "  ");
            }
        }

        return text.ToString();
    }

    private static void Row(StringBuilder text, FlagRow row)
    {
        var start = text.Length;
        text.Append("  ").AppendJoin(", ", row.Names);
        if (row.Value is not null)
        {
            text.Append(' ').Append(row.Value);
        }

        var used = text.Length - start;
        if (used > TextColumn - 2)
        {
            text.Append('\n');
            used = 0;
        }

        text.Append(' ', TextColumn - used);
        Wrap(text, row.Text, TextColumn, TextColumn);
    }

    private static void Paragraphs(StringBuilder text, string paragraphs, string indent = "")
    {
        foreach (var line in paragraphs.Split('\n'))
        {
            if (line.Length == 0 || line[0] == ' ')
            {
                text.Append(line.Length == 0 ? "" : indent).Append(line).Append('\n');
            }
            else
            {
                text.Append(indent);
                Wrap(text, line, indent.Length, indent.Length);
            }
        }
    }

    /// <summary>Words up to the margin; the cursor stands at <paramref name="column"/>, and lines go on at <paramref name="indent"/>.</summary>
    private static void Wrap(StringBuilder text, string words, int column, int indent)
    {
        var first = true;
        foreach (var word in words.Split(' '))
        {
            if (!first && column + 1 + word.Length > Width)
            {
                text.Append('\n').Append(' ', indent);
                column = indent;
            }
            else if (!first)
            {
                text.Append(' ');
                column++;
            }

            text.Append(word);
            column += word.Length;
            first = false;
        }

        text.Append('\n');
    }
}
