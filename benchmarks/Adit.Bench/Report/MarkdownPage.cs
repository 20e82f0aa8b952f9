using System.Globalization;
using System.Text;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>The page's text.</summary>
internal static class MarkdownPage
{
    private const string Head = """
        # Performance

        Adit beside OpenSSH, on one machine and in one run. Made by

        ```sh
        ./bench          # all of it, some minutes; ./bench --quick takes about one and writes nothing
        ```

        Do not edit: this page comes from [results.json](performance/results.json) and [notes.md](performance/notes.md)
        (`./bench --render` writes it anew without measuring, `./bench --only NAME --update` measures one case anew).


        """;

    private const string Method = """
        ## How it is measured

        - Real processes: `adit ssh`, `adit sshd`, OpenSSH's `ssh` and `sshd`, connected over loopback, all with the same arguments and configuration.
          The columns name client and server; "OpenSSH" and "Adit" are each with itself.
        - The programs take turns (A B A B …) in every round; figures are medians over the rounds, ratios are to OpenSSH in the same run.
        - Loads and sinks are threads with blocking sockets and 256 KiB buffers in the benchmark's own process. *No tunnel* is the same load straight over loopback,
          *plain relay* the same through two copying threads: where one of them is not at least twice as fast as the best tunnel, the case says so.
        - Throughput is counted where bytes arrive, after a lead-in. Every stream case first moves data of which each byte is compared, both ways.
        - CPU time is that of client and server with all their child processes (`/proc/PID/stat`), memory is RSS and PSS from `/proc/PID/smaps_rollup`; goals look at PSS.
        - MB and GB are 10⁶ and 10⁹ bytes, KiB and MiB 2¹⁰ and 2²⁰.
        - Long links lie in the benchmark's process: a queue that hands on each byte after half the round trip time, at whatever rate it came.
          TCP's own handshake is not delayed. Round trips are a difference of two times, divided: 0.3 more than the goal still counts as reached.
        - What a client costs a server in CPU time is what the server used until all of them had gone, for only then are its child processes' times complete.
        - The micro-benchmarks are `./bench micro`.

        """;

    public static string Write(Results results, IReadOnlyDictionary<string, string> notes, IReadOnlyList<string> plots)
    {
        var page = new StringBuilder(Head);
        page.Append(CultureInfo.InvariantCulture, $"Measured on: {results.Machine}.\n\n");
        AppendGoals(page, results);
        page.Append("![Every figure beside its goal](performance/goals.svg)\n\n");
        foreach (string plot in plots)
            page.Append(CultureInfo.InvariantCulture, $"![{Path.GetFileNameWithoutExtension(plot)}](performance/{plot})\n\n");
        AppendShort(page, results, notes);
        page.Append(Method).Append('\n');
        page.Append("## All figures\n\nMedians; in brackets the ratio to OpenSSH.\n\n");
        foreach (var one in results.Cases)
            AppendCase(page, one);
        return page.ToString().TrimEnd() + "\n";
    }

    private static void AppendGoals(StringBuilder page, Results results)
    {
        page.Append("## Goals\n\n| what | goal | | Adit | OpenSSH | limit | is | reached |\n| --- | --- | --- | ---: | ---: | ---: | ---: | --- |\n");
        foreach (var goal in Goals.All)
        {
            string what = goal.What, wanted = goal.Wanted;
            foreach (var check in goal.Checks)
            {
                var metric = results.Find(check.Case)?.Find(check.Metric);
                string unit = metric?.Unit ?? "";
                page.Append(
                    CultureInfo.InvariantCulture,
                    $"| {what} | {wanted} | {check.Label} | {Format.Number(metric?.Median(check.Route))} {unit} | {Format.Number(metric?.Median(Route.OpenSsh))} | {Format.Limit(check)} | {Format.Value(check, results)} | {Format.Verdict(check, results)} |\n");
                what = wanted = "";
            }
        }

        page.Append('\n');
    }

    private static void AppendShort(StringBuilder page, Results results, IReadOnlyDictionary<string, string> notes)
    {
        Goal[] missed = [.. Goals.All.Where(goal => goal.Checks.Any(check => check.IsMet(results) == false))];
        string[] unknown = [.. Goals.All.Where(goal => goal.Checks.Any(check => check.IsMet(results) is null)).Select(goal => goal.What)];
        page.Append("## Where it falls short\n\n");
        if (missed.Length == 0)
            page.Append("Nowhere among what was measured.\n\n");
        foreach (var goal in missed)
        {
            string labels = string.Join(", ", goal.Checks.Where(check => check.IsMet(results) == false).Select(check => $"{check.Label} {Format.Value(check, results)} ({Format.Limit(check)})".Trim()));
            page.Append(CultureInfo.InvariantCulture, $"### {goal.What}\n\nNot reached: {labels}.\n\n{(notes.TryGetValue(goal.Id, out string? note) ? note : "Not looked into yet.")}\n\n");
        }

        if (unknown.Length > 0)
            page.Append(CultureInfo.InvariantCulture, $"Not measured, or failed: {string.Join("; ", unknown)}.\n\n");
    }

    private static void AppendCase(StringBuilder page, CaseResult one)
    {
        Route[] routes = [.. Enum.GetValues<Route>().Where(route => one.Metrics.Exists(metric => metric.Samples.ContainsKey(route)))];
        page.Append(CultureInfo.InvariantCulture, $"### {one.Name}\n\n{one.Title}. {one.When:yyyy-MM-dd HH:mm} UTC, commit {one.Commit}, {one.Seconds:0} s{(one.Quick ? ", quick" : "")}.\n\n");
        page.Append("| |").Append(string.Concat(routes.Select(route => $" {route.Title()} |"))).Append(" unit |\n| --- |").Append(string.Concat(routes.Select(_ => " ---: |"))).Append(" --- |\n");
        foreach (var metric in one.Metrics)
        {
            page.Append(CultureInfo.InvariantCulture, $"| {metric.Name} |");
            foreach (var route in routes)
            {
                string ratio = route.HasTunnel() && route != Route.OpenSsh && metric.Ratio(route) is { } value ? $" ({Format.Factor(value)})" : "";
                page.Append(CultureInfo.InvariantCulture, $" {Format.Number(metric.Median(route))}{ratio} |");
            }

            page.Append(CultureInfo.InvariantCulture, $" {metric.Unit} |\n");
        }

        page.Append('\n');
        foreach (var failure in one.Failures)
            page.Append(CultureInfo.InvariantCulture, $"- **failed**{(failure.Route is { } route ? $" ({route.Title()})" : "")}: {Escape(failure.Reason)}\n");
        foreach (string text in one.Warnings)
            page.Append(CultureInfo.InvariantCulture, $"- *warning*: {Escape(text)}\n");
        foreach (string text in one.Notes)
            page.Append(CultureInfo.InvariantCulture, $"- {Escape(text)}\n");
        if (one.Failures.Count + one.Warnings.Count + one.Notes.Count > 0)
            page.Append('\n');
    }

    private static string Escape(string text) => text.Replace("\n", " ", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);
}
