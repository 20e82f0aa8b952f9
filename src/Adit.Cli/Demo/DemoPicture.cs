using System.Text;

namespace Adit.Cli.Demo;

/// <summary>Draws who listens where and which way the bytes go: boxes in a row, joined by arrows.</summary>
internal static class DemoPicture
{
    private sealed record Strokes(char Horizontal, char Vertical, char TopLeft, char TopRight, char BottomLeft, char BottomRight, string Plain, string Encrypted);

    private static readonly Strokes Lines = new('─', '│', '┌', '┐', '└', '┘', "───►", "═══►");
    private static readonly Strokes Ascii = new('-', '|', '+', '+', '+', '+', "--->", "===>");

    /// <param name="boxes">Title, then the line below it, for each box.</param>
    /// <param name="encrypted">The arrow that is the SSH connection: from this box to the next.</param>
    /// <param name="unicode">Box-drawing characters; plain ASCII otherwise.</param>
    public static string Draw(IReadOnlyList<(string Title, string Address)> boxes, int encrypted, bool unicode)
    {
        var strokes = unicode ? Lines : Ascii;
        StringBuilder top = new(), title = new(), address = new(), bottom = new(), caption = new();
        for (var i = 0; i < boxes.Count; i++)
        {
            var width = Math.Max(boxes[i].Title.Length, boxes[i].Address.Length) + 2;
            top.Append(strokes.TopLeft).Append(strokes.Horizontal, width).Append(strokes.TopRight);
            title.Append(strokes.Vertical).Append(Centre(boxes[i].Title, width)).Append(strokes.Vertical);
            address.Append(strokes.Vertical).Append(Centre(boxes[i].Address, width)).Append(strokes.Vertical);
            bottom.Append(strokes.BottomLeft).Append(strokes.Horizontal, width).Append(strokes.BottomRight);
            caption.Append(' ', width + 2);
            if (i + 1 < boxes.Count)
            {
                top.Append(' ', 6);
                title.Append(' ').Append(i == encrypted ? strokes.Encrypted : strokes.Plain).Append(' ');
                address.Append(' ', 6);
                bottom.Append(' ', 6);
                caption.Append(Centre(i == encrypted ? "SSH" : "", 6));
            }
        }

        return string.Join('\n', new[] { top, title, address, bottom, caption }.Select(line => line.ToString().TrimEnd()));
    }

    private static string Centre(string text, int width) => text.PadLeft(text.Length + ((width - text.Length) / 2)).PadRight(width);
}
