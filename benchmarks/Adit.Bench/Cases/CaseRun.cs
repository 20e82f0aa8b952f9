using Adit.Bench.Machine;
using Adit.Bench.Report;

namespace Adit.Bench.Cases;

/// <summary>How thoroughly to measure.</summary>
/// <param name="Quick">Short windows, one round, small numbers.</param>
/// <param name="Rounds">How often the routes take turns.</param>
internal sealed record Effort(bool Quick, int Rounds)
{
    /// <summary>How long one figure is measured.</summary>
    public TimeSpan Window => TimeSpan.FromSeconds(Quick ? 0.5 : 1);

    /// <summary>How long a stream runs before it is measured.</summary>
    public TimeSpan LeadIn => TimeSpan.FromSeconds(Quick ? 0.2 : 0.4);
}

/// <summary>One run of one case: starts tunnels, lets the routes take turns, keeps figures and failures.</summary>
internal sealed class CaseRun(Lab lab, Effort effort, CaseResult result, CancellationToken cancellation) : IDisposable
{
    /// <summary>The longest that one measurement on one route may take.</summary>
    private static readonly TimeSpan StepDeadline = TimeSpan.FromSeconds(120);

    private readonly List<Tunnel> _tunnels = [];
    private readonly HashSet<Route> _failed = [];

    public Lab Lab => lab;

    public Effort Effort => effort;

    public CancellationToken Cancellation => cancellation;

    /// <summary>Starts a tunnel per route. One that does not come up is a failed route.</summary>
    public async Task<IReadOnlyList<Tunnel>> StartAsync(IEnumerable<Route> routes, TunnelOptions options)
    {
        var started = new List<Tunnel>();
        foreach (var route in routes)
        {
            await GuardAsync(route, async step =>
            {
                var tunnel = await Tunnel.StartAsync(lab, route, options, step);
                _tunnels.Add(tunnel);
                started.Add(tunnel);
            });
        }

        return started;
    }

    /// <summary>A B A B …: every round goes once over all tunnels. Routes without a tunnel, which only show what the load can do, take part in the first.</summary>
    public async Task InterleaveAsync(IReadOnlyList<Tunnel> tunnels, Func<Tunnel, CancellationToken, Task> measure, int? rounds = null)
    {
        for (int round = 0; round < (rounds ?? effort.Rounds); round++)
        {
            foreach (var tunnel in tunnels)
            {
                if (round == 0 || tunnel.Route.HasTunnel())
                    await GuardAsync(tunnel.Route, step => measure(tunnel, step));
            }
        }
    }

    /// <summary>Does a step for a route unless that has failed before; when it fails now, the reason is kept and the others go on.</summary>
    public async Task GuardAsync(Route route, Func<CancellationToken, Task> step)
    {
        if (_failed.Contains(route))
            return;
        cancellation.ThrowIfCancellationRequested();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(StepDeadline);
        try
        {
            await step(deadline.Token).WaitAsync(StepDeadline + TimeSpan.FromSeconds(5), cancellation);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            _failed.Add(route);
            string reason = e is OperationCanceledException ? $"took longer than {StepDeadline.TotalSeconds:0} s" : e.Message;
            string said = string.Join(" | ", _tunnels.Where(tunnel => tunnel.Route == route).SelectMany(tunnel => new[] { tunnel.Client, tunnel.Server })
                .OfType<ChildProcess>().Where(process => process.Said.Length > 0).Select(process => $"{process.Name}: {process.Said}"));
            result.Failures.Add(new Failure(route, said.Length > 0 ? $"{reason} ({said})" : reason));
        }
    }

    public void Record(Route route, string metric, double value, string unit, bool higherIsBetter = false)
    {
        var found = result.Find(metric);
        if (found is null)
        {
            found = new Metric { Name = metric, Unit = unit, HigherIsBetter = higherIsBetter };
            result.Metrics.Add(found);
        }

        if (!found.Samples.TryGetValue(route, out var samples))
            found.Samples[route] = samples = [];
        samples.Add(value);
    }

    public double? Median(Route route, string metric) => result.Find(metric)?.Median(route);

    /// <summary>A sentence for the reader of the figures; said once.</summary>
    public void Note(string text)
    {
        if (!result.Notes.Contains(text))
            result.Notes.Add(text);
    }

    /// <summary>A reason not to trust the figures; said once.</summary>
    public void Warn(string text)
    {
        if (!result.Warnings.Contains(text))
            result.Warnings.Add(text);
    }

    /// <summary>Ends tunnels ahead of the case's end.</summary>
    public void Stop(IEnumerable<Tunnel> tunnels)
    {
        foreach (var tunnel in tunnels)
        {
            tunnel.Dispose();
            _tunnels.Remove(tunnel);
        }
    }

    public void Dispose() => Stop([.. _tunnels]);
}
