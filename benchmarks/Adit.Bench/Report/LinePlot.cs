using System.Globalization;
using Adit.Bench.Cases;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>A metric over a number (idle connections, round trip time), a line per route; the scale is logarithmic.</summary>
internal sealed record LinePlot(string File, string Title, string Case, int[] Numbers, Func<int, string> Metric, string Unit, Route[] Routes)
{
    private const int Width = 640;
    private const int Height = 300;
    private const int Left = 80;
    private const int Right = 480;
    private const int Top = 50;
    private const int Bottom = 250;

    private static readonly Dictionary<Route, string> Colours = new()
    {
        [Route.OpenSsh] = Svg.Other,
        [Route.Adit] = Svg.Good,
        [Route.AditToOpenSsh] = "#0969da",
        [Route.OpenSshToAdit] = "#8250df",
    };

    public static IReadOnlyList<LinePlot> All { get; } =
    [
        new("idle-throughput.svg", "MB/s of one stream beside N idle connections", "idle", IdleCase.Counts, count => IdleCase.Metric(count, "down"), "idle", [Route.OpenSsh, Route.Adit]),
        new("idle-latency.svg", "µs per 1-byte request (p50) beside N idle connections", "idle", IdleCase.Counts, count => IdleCase.Metric(count, "1 byte p50"), "idle", [Route.OpenSsh, Route.Adit]),
        new("long-link.svg", "MB/s of one download over a long link", "long-link", [50, 100, 200], rtt => LongLinkCase.Metric(rtt, "down"), "ms RTT",
            [Route.OpenSsh, Route.Adit, Route.AditToOpenSsh, Route.OpenSshToAdit]),
    ];

    /// <summary>Null when there is nothing to draw.</summary>
    public string? Draw(Results results)
    {
        double?[] values = [.. Routes.SelectMany(route => Numbers.Select(number => results.Median(Case, Metric(number), route)))];
        if (values.Count(value => value is > 0) < 2)
            return null;
        double low = Math.Floor(Math.Log10(values.Where(value => value > 0).Min()!.Value));
        double high = Math.Ceiling(Math.Log10(values.Max()!.Value));
        high = Math.Max(high, low + 1);
        var svg = new Svg(Width, Height);
        svg.Text(16, 24, Title, bold: true);
        for (double decade = low; decade <= high; decade++)
        {
            double y = Y(Math.Pow(10, decade));
            svg.Line(Left, y, Right, y, Svg.Pale);
            svg.Text(Left - 8, y + 4, Math.Pow(10, decade).ToString("#,0.###", CultureInfo.InvariantCulture), "end");
        }

        for (int i = 0; i < Numbers.Length; i++)
            svg.Text(X(i), Bottom + 20, Numbers[i].ToString("#,0", CultureInfo.InvariantCulture) + (i == Numbers.Length - 1 ? " " + Unit : ""), "middle");
        foreach (var route in Routes)
            DrawLine(route);
        return svg.ToString();

        void DrawLine(Route route)
        {
            (double X, double Y)? last = null;
            for (int i = 0; i < Numbers.Length; i++)
            {
                if (results.Median(Case, Metric(Numbers[i]), route) is not (> 0 and var value))
                    continue;
                var point = (X(i), Y(value));
                if (last is { } from)
                    svg.Line(from.X, from.Y, point.Item1, point.Item2, Colours[route], 2);
                svg.Dot(point.Item1, point.Item2, Colours[route]);
                last = point;
            }

            if (last is { } end)
                svg.Text(end.X + 12, end.Y + 4, route.Title(), colour: Colours[route]);
        }

        double X(int index) => Left + 30 + ((Right - Left - 60.0) * index / (Numbers.Length - 1));
        double Y(double value) => Bottom - ((Bottom - Top) * (Math.Log10(value) - low) / (high - low));
    }
}
