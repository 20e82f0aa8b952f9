using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Adit.Bench.Cases;
using Adit.Bench.Load;
using Adit.Bench.Machine;
using Adit.Bench.Micro;
using Adit.Bench.Report;

namespace Adit.Bench;

internal static class Program
{
    private const int DefaultRounds = 3;

    private static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case [IdleService.Command]:
                return IdleService.Run();
            case ["micro", .. var rest]:
                return MicroBenchmarks.Run(rest);
        }

        var options = Options.Parse(arguments, out string problem);
        if (options is null)
            return Complain(problem);
        if (options.Help)
        {
            Console.WriteLine(Options.Usage);
            return 0;
        }

        if (options.List)
        {
            foreach (var one in Catalog.All)
                Console.WriteLine($"{one.Name,-16}{one.Title}");
            return 0;
        }

        if (options.Only.FirstOrDefault(name => Catalog.All.All(one => one.Name != name)) is { } unknown)
            return Complain($"there is no case {unknown}; --list names them");
        var page = new Page(options.Out ?? Path.Combine(Repository.Root, "docs"));
        if (options.Render)
        {
            page.Write(page.Load());
            return 0;
        }

        return await MeasureAsync(options, page);
    }

    private static async Task<int> MeasureAsync(Options options, Page page)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        var effort = new Effort(options.Quick, options.Repeat ?? (options.Quick ? 1 : DefaultRounds));
        var results = new Results { Machine = MachineInfo.Describe() };
        long began = Stopwatch.GetTimestamp();
        using var lab = new Lab();
        Console.WriteLine(results.Machine);
        Console.WriteLine();
        try
        {
            var runner = new Runner(lab, effort, stop.Token);
            foreach (var one in Catalog.All.Where(one => options.Only.Count == 0 || options.Only.Contains(one.Name)))
            {
                Console.Error.WriteLine($"bench: {one.Name} …");
                var result = await runner.RunAsync(one);
                results.Cases.Add(result);
                Console.WriteLine(TextTable.Of(result));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Console.Error.WriteLine("bench: stopped");
            return 130;
        }

        Console.WriteLine(TextTable.OfGoals(results));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"took {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s"));
        if (options.Json is { } file)
            await File.WriteAllTextAsync(file, JsonSerializer.Serialize(results, ResultsJson.Default.Results), stop.Token);
        bool complete = options.Only.Count == 0 && !options.Quick;
        if (complete || options.Update || options.Out is not null)
        {
            var whole = complete ? new Results() : page.Load();
            whole.Update(results);
            page.Write(whole);
        }

        return results.Cases.Exists(one => one.Failures.Count > 0) ? 1 : 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    private static int Complain(string problem)
    {
        Console.Error.WriteLine($"bench: {problem}");
        Console.Error.WriteLine(Options.Usage);
        return 2;
    }
}
