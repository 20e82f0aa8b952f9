using System.Globalization;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>Figures as people read them.</summary>
internal static class Format
{
    /// <summary>Three digits that count, and no more.</summary>
    public static string Number(double? value) => value switch
    {
        null => "–",
        >= 100_000 or <= -100_000 => value.Value.ToString("#,0", CultureInfo.InvariantCulture),
        { } whole when whole == Math.Round(whole) => whole.ToString("#,0", CultureInfo.InvariantCulture),
        >= 100 or <= -100 => value.Value.ToString("0", CultureInfo.InvariantCulture),
        >= 10 or <= -10 => value.Value.ToString("0.0", CultureInfo.InvariantCulture),
        >= 0.1 or <= -0.1 => value.Value.ToString("0.00", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("0.0000", CultureInfo.InvariantCulture),
    };

    public static string Factor(double? value) => value is null ? "–" : Number(value) + "×";

    /// <summary>The limit of a check: "≥ 1.20×", "≤ 4".</summary>
    public static string Limit(Check check) => (check.AtLeast ? "≥ " : "≤ ")
        + check.Limit.ToString("#,0.##", CultureInfo.InvariantCulture) + (check.Against == Against.Limit ? "" : "×");

    /// <summary>What decides: a factor, or the figure itself.</summary>
    public static string Value(Check check, Results results) =>
        check.Value(results, check.Route) is { } value ? check.Against == Against.Limit ? Number(value) : Factor(value) : Missing(check, results);

    public static string Verdict(Check check, Results results) => check.IsMet(results) switch
    {
        true => "yes",
        false => "NO",
        null => "–",
    };

    private static string Missing(Check check, Results results) =>
        results.Find(check.Case) is { } one && one.Failures.Exists(failure => failure.Route is null || failure.Route == check.Route || failure.Route == Route.OpenSsh) ? "failed" : "not measured";
}
