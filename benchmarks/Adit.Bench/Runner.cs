using System.Diagnostics;
using System.Globalization;
using Adit.Bench.Cases;
using Adit.Bench.Machine;
using Adit.Bench.Report;

namespace Adit.Bench;

/// <summary>Runs cases one after another. One that fails costs nobody else's figures.</summary>
internal sealed class Runner(Lab lab, Effort effort, CancellationToken cancellation)
{
    /// <summary>A load that could not do this much more by itself may be what is measured.</summary>
    private const double Headroom = 2;

    private const double Quiet = 0.1;
    private static readonly TimeSpan Listen = TimeSpan.FromSeconds(0.25);

    private readonly string _commit = Repository.Commit();

    public async Task<CaseResult> RunAsync(BenchCase one)
    {
        var result = new CaseResult { Name = one.Name, Title = one.Title, When = DateTime.UtcNow, Commit = _commit, Quick = effort.Quick };
        if (await MachineInfo.BusyAsync(Listen, cancellation) is > Quiet and var busy)
            result.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"the machine was not quiet: {100 * busy:0} % of it in use before this case began"));
        long began = Stopwatch.GetTimestamp();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(one.Deadline);
        using (var run = new CaseRun(lab, effort, result, deadline.Token))
        {
            try
            {
                await one.RunAsync(run);
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested)
            {
                string reason = e is OperationCanceledException ? $"took longer than {one.Deadline.TotalMinutes:0} min" : e.Message;
                result.Failures.Add(new Failure(null, reason));
            }
        }

        result.Seconds = Math.Round(Stopwatch.GetElapsedTime(began).TotalSeconds, 1);
        CheckHeadroom(result);
        return result;
    }

    private static void CheckHeadroom(CaseResult result)
    {
        foreach (var metric in result.Metrics.Where(metric => metric.Unit is "MB/s" or "/s"))
        {
            double tunnel = Enum.GetValues<Route>().Where(Routes.HasTunnel).Max(route => metric.Median(route)) ?? 0;
            foreach (var route in (Route[])[Route.NoTunnel, Route.Relay])
            {
                if (metric.Median(route) is { } alone && alone < Headroom * tunnel)
                {
                    result.Warnings.Add(string.Create(
                        CultureInfo.InvariantCulture,
                        $"{metric.Name}: the load with {route.Title()} reached {alone:0} {metric.Unit}, less than {Headroom:0}x the best tunnel's {tunnel:0}: the load may be what is measured"));
                }
            }
        }
    }
}
