using System.Text.Json.Serialization;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>Everything a run found out; also what is kept as JSON.</summary>
internal sealed class Results
{
    public string Machine { get; set; } = "";

    public List<CaseResult> Cases { get; set; } = [];

    /// <summary>The median of a metric; null when it was not measured.</summary>
    public double? Median(string caseName, string metric, Route route) => Find(caseName)?.Find(metric)?.Median(route);

    public CaseResult? Find(string caseName) => Cases.Find(one => one.Name == caseName);

    /// <summary>Takes over the cases of a newer run, in place of their older results.</summary>
    public void Update(Results newer)
    {
        Machine = newer.Machine;
        foreach (var one in newer.Cases)
        {
            int at = Cases.FindIndex(old => old.Name == one.Name);
            if (at < 0)
                Cases.Add(one);
            else
                Cases[at] = one;
        }
    }
}

/// <summary>One case's figures.</summary>
internal sealed class CaseResult
{
    public string Name { get; set; } = "";

    public string Title { get; set; } = "";

    /// <summary>When it ran (UTC).</summary>
    public DateTime When { get; set; }

    /// <summary>The commit it measured; with a plus sign where files differed from it.</summary>
    public string Commit { get; set; } = "";

    /// <summary>Measured briefly, once: good for a look, not for the record.</summary>
    public bool Quick { get; set; }

    public double Seconds { get; set; }

    public List<Metric> Metrics { get; set; } = [];

    public List<Failure> Failures { get; set; } = [];

    public List<string> Notes { get; set; } = [];

    public List<string> Warnings { get; set; } = [];

    public Metric? Find(string metric) => Metrics.Find(one => one.Name == metric);
}

/// <summary>What went wrong on one route; null for the whole case.</summary>
internal sealed record Failure(Route? Route, string Reason);

/// <summary>One thing measured, on every route.</summary>
internal sealed class Metric
{
    public string Name { get; set; } = "";

    public string Unit { get; set; } = "";

    public bool HigherIsBetter { get; set; }

    public Dictionary<Route, List<double>> Samples { get; set; } = [];

    public double? Median(Route route)
    {
        if (!Samples.TryGetValue(route, out var samples) || samples.Count == 0)
            return null;
        double[] sorted = [.. samples.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>The median as a multiple of OpenSSH's in the same run; null where that says nothing.</summary>
    public double? Ratio(Route route) => Median(route) is { } value && Median(Route.OpenSsh) is { } reference && value >= 0 && reference > 0 ? value / reference : null;
}

[JsonSourceGenerationOptions(WriteIndented = true, UseStringEnumConverter = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Results))]
internal sealed partial class ResultsJson : JsonSerializerContext;
