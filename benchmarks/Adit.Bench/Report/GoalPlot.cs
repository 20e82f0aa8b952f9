using System.Globalization;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>Every figure beside its goal: a line each, on a scale where 1 is the goal and better lies to the right.</summary>
internal static class GoalPlot
{
    private const int Left = 400;
    private const int Right = 960;
    private const int Width = 1010;
    private const int Row = 20;
    private const int Top = 50;

    // Decades left and right of the goal; what lies beyond is drawn at the edge.
    private const double Decades = 1.7;

    public static string Draw(Results results)
    {
        (Goal Goal, Check Check)[] rows = [.. Goals.All.SelectMany(goal => goal.Checks.Select(check => (goal, check))).Where(row => row.check.Value(results, row.check.Route) is not null)];
        var svg = new Svg(Width, Top + (rows.Length * Row) + 30);
        svg.Text(16, 22, "Each figure beside its goal (1 = the goal, better to the right, logarithmic)", bold: true);
        svg.Text(Left + 200, 22, "Adit, goal reached");
        svg.Dot(Left + 190, 17, Svg.Good);
        svg.Dot(Left + 330, 17, Svg.Bad);
        svg.Text(Left + 340, 22, "not reached");
        svg.Dot(Left + 440, 17, Svg.Other, hollow: true);
        svg.Text(Left + 450, 22, "OpenSSH");
        int bottom = Top + (rows.Length * Row);
        foreach (double tick in (double[])[0.03, 0.1, 0.3, 1, 3, 10, 30])
        {
            svg.Line(X(tick), Top - 6, X(tick), bottom, tick == 1 ? Svg.Ink : Svg.Pale);
            svg.Text(X(tick), bottom + 16, tick.ToString(CultureInfo.InvariantCulture) + "×", "middle");
        }

        for (int i = 0; i < rows.Length; i++)
        {
            var (goal, check) = rows[i];
            double y = Top + (i * Row) + 8;
            svg.Text(Left - 12, y + 4, $"{goal.Id}{(check.Label.Length > 0 ? ": " : "")}{check.Label}", "end");
            double adit = X(Better(check, check.Value(results, check.Route)!.Value));
            if (check.Value(results, Route.OpenSsh) is { } other)
            {
                double openSsh = X(Better(check, other));
                svg.Line(openSsh, y, adit, y, Svg.Pale, 3);
                svg.Dot(openSsh, y, Svg.Other, hollow: true);
            }

            svg.Dot(adit, y, check.IsMet(results) == true ? Svg.Good : Svg.Bad);
        }

        return svg.ToString();
    }

    /// <summary>How many times better than the limit.</summary>
    private static double Better(Check check, double value)
    {
        double figure = Math.Max(value, 1e-6); // a figure may be zero, and even below
        return check.AtLeast ? figure / check.Limit : check.Limit / figure;
    }

    private static double X(double factor) => Left + ((Right - Left) * (Math.Clamp(Math.Log10(factor), -Decades, Decades) + Decades) / (2 * Decades));
}
