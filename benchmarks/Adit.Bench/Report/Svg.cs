using System.Globalization;
using System.Text;

namespace Adit.Bench.Report;

/// <summary>Writes the few shapes that the plots are made of.</summary>
internal sealed class Svg
{
    public const string Ink = "#222";
    public const string Pale = "#ccc";
    public const string Good = "#1a7f37";
    public const string Bad = "#cf222e";
    public const string Other = "#6e7781";

    private readonly StringBuilder _text = new();

    public Svg(int width, int height)
    {
        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n");
        Add($"<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n");
    }

    public void Line(double x1, double y1, double x2, double y2, string colour, double width = 1) =>
        Add($"<line x1=\"{x1:0.#}\" y1=\"{y1:0.#}\" x2=\"{x2:0.#}\" y2=\"{y2:0.#}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n");

    /// <param name="x">Where it stands.</param>
    /// <param name="y">Its baseline.</param>
    /// <param name="text">What it says.</param>
    /// <param name="anchor">start, middle or end.</param>
    /// <param name="colour">Its colour.</param>
    /// <param name="bold">Whether it stands out.</param>
    public void Text(double x, double y, string text, string anchor = "start", string colour = Ink, bool bold = false) =>
        Add($"<text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{(bold ? " font-weight=\"bold\"" : "")}>{Escape(text)}</text>\n");

    public void Dot(double x, double y, string colour, bool hollow = false) =>
        Add($"<circle cx=\"{x:0.#}\" cy=\"{y:0.#}\" r=\"4.5\" fill=\"{(hollow ? "white" : colour)}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n");

    public override string ToString() => _text + "</svg>\n";

    private static string Escape(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal);

    private void Add(FormattableString text) => _text.Append(text.ToString(CultureInfo.InvariantCulture));
}
