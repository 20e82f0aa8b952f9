using System.Globalization;
using System.Text;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>Tables for the terminal.</summary>
internal static class TextTable
{
    /// <summary>A case: a line per metric, a column per route, the ratio to OpenSSH beside the figure.</summary>
    public static string Of(CaseResult result)
    {
        Route[] routes = [.. Enum.GetValues<Route>().Where(route => result.Metrics.Exists(metric => metric.Samples.ContainsKey(route)))];
        List<string[]> rows = [["", "", .. routes.Select(Routes.Title)]];
        foreach (var metric in result.Metrics)
            rows.Add([metric.Name, metric.Unit, .. routes.Select(route => Cell(metric, route))]);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{result.Name}: {result.Title} ({result.Seconds:0} s)\n");
        Append(text, rows);
        foreach (var failure in result.Failures)
            text.Append(CultureInfo.InvariantCulture, $"  FAILED {failure.Route?.Title()}: {failure.Reason}\n");
        foreach (string note in result.Notes)
            text.Append(CultureInfo.InvariantCulture, $"  {note}\n");
        foreach (string warning in result.Warnings)
            text.Append(CultureInfo.InvariantCulture, $"  WARNING: {warning}\n");
        return text.ToString();
    }

    /// <summary>The goals that the results say something about.</summary>
    public static string OfGoals(Results results)
    {
        List<string[]> rows = [["goal", "", "wanted", "is", "reached"]];
        foreach (var goal in Goals.All)
        {
            foreach (var check in goal.Checks.Where(check => results.Find(check.Case) is not null))
                rows.Add([goal.Id, check.Label, Format.Limit(check), Format.Value(check, results), Format.Verdict(check, results)]);
        }

        var text = new StringBuilder();
        Append(text, rows);
        return text.ToString();
    }

    private static string Cell(Metric metric, Route route)
    {
        if (metric.Median(route) is not { } value)
            return "";
        string figure = Format.Number(value);
        return route is Route.OpenSsh || !route.HasTunnel() || metric.Ratio(route) is not { } ratio ? figure : $"{figure} ({Format.Factor(ratio)})";
    }

    private static void Append(StringBuilder text, List<string[]> rows)
    {
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            for (int column = 0; column < row.Length; column++)
                text.Append("  ").Append(column < 2 ? row[column].PadRight(widths[column]) : row[column].PadLeft(widths[column]));
            text.Append('\n');
        }
    }
}
