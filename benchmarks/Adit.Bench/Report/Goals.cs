using Adit.Bench.Cases;
using Adit.Bench.Machine;

namespace Adit.Bench.Report;

/// <summary>What a figure is compared with.</summary>
internal enum Against
{
    /// <summary>OpenSSH's figure in the same run: the limit is a factor.</summary>
    OpenSsh,

    /// <summary>Another metric on the same route: the limit is a factor.</summary>
    Metric,

    /// <summary>The limit itself.</summary>
    Limit,
}

/// <summary>One figure that has to reach a limit.</summary>
/// <param name="Label">What of the goal it is.</param>
/// <param name="Case">The case's name.</param>
/// <param name="Metric">The metric's name.</param>
/// <param name="AtLeast">True where the figure must not be below the limit, false where it must not be above.</param>
/// <param name="Limit">A factor or an absolute limit.</param>
internal sealed record Check(string Label, string Case, string Metric, bool AtLeast, double Limit)
{
    public Against Against { get; init; } = Against.OpenSsh;

    public Route Route { get; init; } = Route.Adit;

    /// <summary>The metric that <see cref="Against.Metric"/> compares with.</summary>
    public string Other { get; init; } = "";

    /// <summary>How far beyond an absolute limit still counts as reached: what the measuring itself adds.</summary>
    public double Tolerance { get; init; }

    /// <summary>The figure in the terms of the limit; null when it was not measured.</summary>
    public double? Value(Results results, Route route)
    {
        var figure = results.Median(Case, Metric, route);
        return Against switch
        {
            Against.OpenSsh => figure / results.Median(Case, Metric, Route.OpenSsh),
            Against.Metric => figure / results.Median(Case, Other, route),
            _ => figure,
        };
    }

    public bool? IsMet(Results results) => Value(results, Route) is { } value ? AtLeast ? value >= Limit - Tolerance : value <= Limit + Tolerance : null;
}

/// <summary>A goal: a row of the table that the project set itself.</summary>
/// <param name="Id">Names its section in notes.md.</param>
/// <param name="What">What is measured.</param>
/// <param name="Wanted">The goal in words.</param>
/// <param name="Checks">The figures that decide.</param>
internal sealed record Goal(string Id, string What, string Wanted, params Check[] Checks);

/// <summary>The goals.</summary>
internal static class Goals
{
    public static IReadOnlyList<Goal> All { get; } =
    [
        new("stream-aes", "one stream, aes128-gcm", "≥ 1.2× the throughput, CPU-seconds per GB of both ends ≤ 0.85×", Stream("stream-aes", 1.2, 0.85)),
        new("stream-chacha", "one stream, chacha20-poly1305", "≥ 1.7×, CPU ≤ 0.6×", Stream("stream-chacha", 1.7, 0.6)),
        new("stream-defaults", "one stream, defaults against defaults", "≥ 1.7×", Stream("stream-defaults", 1.7)),
        new(
            "streams-64",
            "64 streams at once",
            "≥ 2×, slowest/fastest stream ≥ 0.9",
            [.. Each(["down", "up", "both"], way => new Check(way, "streams-64", way, true, 2)),
             .. Each(["down", "up", "both"], way => new Check(way + " fairness", "streams-64", way + " fairness", true, 0.9) { Against = Against.Limit })]),
        new(
            "mixed",
            "our client with OpenSSH's sshd, OpenSSH's client with our sshd, one stream",
            "≥ 1.0× of OpenSSH with itself",
            [.. Each([Route.AditToOpenSsh, Route.OpenSshToAdit], route => Each(["down", "up"], way => new Check($"{route.Title()} {way}", "mixed", way, true, 1) { Route = route }))
                .SelectMany(checks => checks)]),
        new(
            "idle",
            "500, 2,000, 5,000 idle connections beside the busy one",
            "throughput and 1-byte p50 within 10 % of the figures with none",
            [.. Each([500, 2000, 5000], count => new Check($"{count} idle: throughput", "idle", IdleCase.Metric(count, "down"), true, 0.9) { Against = Against.Metric, Other = IdleCase.Metric(0, "down") }),
             .. Each([500, 2000, 5000], count => new Check($"{count} idle: 1-byte p50", "idle", IdleCase.Metric(count, "1 byte p50"), false, 1.1) { Against = Against.Metric, Other = IdleCase.Metric(0, "1 byte p50") })]),
        new(
            "memory",
            "memory per idle forwarded connection",
            "≤ 4 KiB at each end; 10,000 connections work",
            new Check("client", "memory", "client pss", false, 4) { Against = Against.Limit },
            new Check("server", "memory", "server pss", false, 4) { Against = Against.Limit },
            new Check("connections", "memory", "open and echoing", true, 10_000) { Against = Against.Limit }),
        new("open", "time to open 5,000 connections through one tunnel", "≤ 1/5", new Check("", "open", OpenCase.Metric, false, 0.2)),
        new(
            "echo",
            "one request and its answer, 1 byte and 1 KiB",
            "p50 ≤ 1.1×, p99 of 1 KiB ≤ 0.5 ms",
            new Check("1 byte p50", "echo", "1 byte p50", false, 1.1),
            new Check("1 KiB p50", "echo", "1 KiB p50", false, 1.1),
            new Check("1 KiB p99, µs", "echo", "1 KiB p99", false, 500) { Against = Against.Limit }),
        new(
            "echo-beside-bulk",
            "the same while a bulk stream fills the tunnel",
            "p99 ≤ 0.5×, bulk within 5 % of alone",
            [.. Each(["down", "up"], way => new Check($"1 byte p99, bulk {way}", "echo", $"1 byte beside {way} p99", false, 0.5)),
             .. Each(["down", "up"], way => new Check($"1 KiB p99, bulk {way}", "echo", $"1 KiB beside {way} p99", false, 0.5)),
             .. Each(["down", "up"], way => new Check($"bulk {way}, loss in %", "echo", $"bulk {way} loss", false, 5) { Against = Against.Limit })]),
        new(
            "connect",
            "connect, 1 byte, close, per second",
            "≥ 1.5× with 32 workers, ≥ 1.0× with one",
            new Check("32 workers", "connect", ConnectCase.Metric(32), true, 1.5),
            new Check("1 worker", "connect", ConnectCase.Metric(1), true, 1)),
        new(
            "long-link",
            "long links, one stream, no loss",
            "≥ 15× at RTT 100 ms between our own ends; ≥ 6× with OpenSSH's sshd, downloads",
            new Check("down", "long-link", LongLinkCase.Metric(100, "down"), true, 15),
            new Check("up", "long-link", LongLinkCase.Metric(100, "up"), true, 15),
            new Check("down, OpenSSH's sshd", "long-link", LongLinkCase.Metric(100, "down"), true, 6) { Route = Route.AditToOpenSsh }),
        new(
            "start-up",
            "start of the client to the first echo through its tunnel",
            "≤ 0.4× on loopback; ≤ 5 round trips between our own ends, ≤ 6 towards OpenSSH",
            new Check("loopback", "start-up", StartUpCase.Loopback, false, 0.4),
            new Check("round trips", "start-up", StartUpCase.RoundTrips, false, 5) { Against = Against.Limit, Tolerance = 0.3 },
            new Check("round trips, OpenSSH's sshd", "start-up", StartUpCase.RoundTrips, false, 6) { Against = Against.Limit, Tolerance = 0.3, Route = Route.AditToOpenSsh }),
        new(
            "clients",
            "many clients on one server, each further one",
            "one process; ≤ 64 KiB and ≤ 4 ms of server CPU",
            new Check("processes", "clients", "server processes", false, 1) { Against = Against.Limit },
            new Check("memory, KiB", "clients", "server pss", false, 64) { Against = Against.Limit },
            new Check("CPU, ms", "clients", "server cpu", false, 4) { Against = Against.Limit }),
        new("rekey", "rekey every 64 MiB", "≥ 2×", Stream("rekey", 2)),
        new(
            "compression",
            "compression of text",
            "≥ 1.5× at the same ratio of compression (at most 3 % worse)",
            [.. Stream("compression", 1.5), .. Each(["down", "up"], way => new Check($"ratio {way}", "compression", $"ratio {way}", true, 0.97))]),
        new(
            "allocations",
            "allocations per MiB forwarded, both ends, steady state",
            "none; up to 16 bytes may be timers and the measuring",
            [.. Each(["down", "up"], way => new Check($"{way}, bytes", "allocations", way, false, 16) { Against = Against.Limit })]),
    ];

    private static Check[] Stream(string name, double faster, double? cpu = null) =>
    [
        .. Each(["down", "up"], way => new Check(way, name, way, true, faster)),
        .. cpu is { } limit ? Each(["down", "up"], way => new Check($"{way}, CPU per GB", name, way + " cpu", false, limit)) : [],
    ];

    private static TOut[] Each<TIn, TOut>(TIn[] items, Func<TIn, TOut> make) => [.. items.Select(make)];
}
