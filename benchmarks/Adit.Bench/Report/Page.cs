using System.Text.Json;

namespace Adit.Bench.Report;

/// <summary>docs/performance.md and what lies beside it: results.json, plots, and notes.md, which people write.</summary>
internal sealed class Page(string docs)
{
    private readonly string _assets = Path.Combine(docs, "performance");

    private string ResultsFile => Path.Combine(_assets, "results.json");

    /// <summary>The results that the page shows now; none when there is no page.</summary>
    public Results Load() =>
        File.Exists(ResultsFile) ? JsonSerializer.Deserialize(File.ReadAllText(ResultsFile), ResultsJson.Default.Results) ?? new Results() : new Results();

    public void Write(Results results)
    {
        Directory.CreateDirectory(_assets);
        File.WriteAllText(ResultsFile, JsonSerializer.Serialize(results, ResultsJson.Default.Results) + "\n");
        File.WriteAllText(Path.Combine(_assets, "goals.svg"), GoalPlot.Draw(results));
        var plots = new List<string>();
        foreach (var plot in LinePlot.All)
        {
            if (plot.Draw(results) is { } svg)
            {
                File.WriteAllText(Path.Combine(_assets, plot.File), svg);
                plots.Add(plot.File);
            }
        }

        File.WriteAllText(Path.Combine(docs, "performance.md"), MarkdownPage.Write(results, Notes(), plots));
        Console.WriteLine($"wrote {Path.Combine(docs, "performance.md")}");
    }

    /// <summary>The sections of notes.md by their headings: "## " and a goal's id.</summary>
    private Dictionary<string, string> Notes()
    {
        var notes = new Dictionary<string, string>(StringComparer.Ordinal);
        string file = Path.Combine(_assets, "notes.md");
        if (!File.Exists(file))
            return notes;
        foreach (string section in ("\n" + File.ReadAllText(file)).Split("\n## ").Skip(1))
        {
            string[] parts = section.Split('\n', 2);
            notes[parts[0].Trim()] = parts.Length > 1 ? parts[1].Trim() : "";
        }

        return notes;
    }
}
