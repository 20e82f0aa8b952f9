using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Authentication;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh;

/// <summary>Counts connections per source, and remembers penalties. A source is a client's address, or as many of its leading bits as the rules say.</summary>
internal sealed class SourceLimits(TimeProvider clock, ILogger logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _startups = [];
    private readonly Dictionary<IPAddress, Penalty> _penalties4 = [];
    private readonly Dictionary<IPAddress, Penalty> _penalties6 = [];

    /// <summary>A connection came. Null for an address that is not known, which is never limited.</summary>
    public SourceVisit Enter(IPAddress? address, SourceRules rules)
    {
        if (address is null || rules is { MaxStartups: null, Penalties: null })
            return new SourceVisit(this, null, null, rules, null);
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        var source = Mask(address, address.AddressFamily == AddressFamily.InterNetwork ? rules.Bits4 : rules.Bits6);
        lock (_lock)
        {
            if (RefusalOf(source, address, rules) is { } refusal)
                return new SourceVisit(this, null, source, rules, refusal);
            _startups[source] = _startups.GetValueOrDefault(source) + 1;
            return new SourceVisit(this, address, source, rules, null);
        }
    }

    /// <summary>A connection that <paramref name="visit"/> let in has ended.</summary>
    public void Punish(SourceVisit visit, SourceOffence offence)
    {
        if (offence == SourceOffence.None || visit is not { Source: { } source, Address: { } address, Rules.Penalties: { } rules } || visit.Rules.IsExempt(address))
            return;
        var time = rules.Of(offence);
        if (time <= TimeSpan.Zero)
            return;
        var (table, most) = TableOf(source, rules);
        var now = clock.GetUtcNow();
        lock (_lock)
        {
            if (!table.TryGetValue(source, out var penalty) && table.Count >= most)
            {
                Forget(table, now);
                if (table.Count >= most)
                {
                    if (DeniesAll(source, rules))
                        return;
                    table.Remove(table.MinBy(entry => entry.Value.End).Key);
                }
            }
            var start = penalty.End > now ? penalty.End : now;
            var end = start + time > now + rules.Max ? now + rules.Max : start + time;
            bool counts = end - now >= rules.Min;
            if (counts && !(penalty.Counts && penalty.End > now))
                logger.LogDebug("penalty of {Seconds} seconds for {Source}: {Offence}", (long)(end - now).TotalSeconds, source, Describe(offence));
            table[source] = new Penalty(end, counts || (penalty.Counts && penalty.End > now), offence);
        }
    }

    private void Leave(IPAddress source)
    {
        lock (_lock)
        {
            int left = _startups.GetValueOrDefault(source) - 1;
            if (left > 0)
                _startups[source] = left;
            else
                _startups.Remove(source);
        }
    }

    private string? RefusalOf(IPAddress source, IPAddress address, SourceRules rules)
    {
        if (rules.Penalties is { } penalties && !rules.IsExempt(address))
        {
            var (table, most) = TableOf(source, penalties);
            var now = clock.GetUtcNow();
            if (table.TryGetValue(source, out var penalty))
            {
                if (penalty.Counts && penalty.End > now)
                    return $"penalty: {Describe(penalty.Offence)}";
            }
            else if (table.Count >= most && DeniesAll(source, penalties))
            {
                Forget(table, now);
                if (table.Count >= most)
                    return "penalty: too many sources with penalties";
            }
        }
        return _startups.GetValueOrDefault(source) >= rules.MaxStartups ? "past PerSourceMaxStartups" : null;
    }

    private (Dictionary<IPAddress, Penalty> Table, int Most) TableOf(IPAddress source, SourcePenalties rules) =>
        source.AddressFamily == AddressFamily.InterNetwork ? (_penalties4, rules.MaxSources4) : (_penalties6, rules.MaxSources6);

    private static bool DeniesAll(IPAddress source, SourcePenalties rules) =>
        source.AddressFamily == AddressFamily.InterNetwork ? rules.DenyAllOnOverflow4 : rules.DenyAllOnOverflow6;

    private static void Forget(Dictionary<IPAddress, Penalty> table, DateTimeOffset now)
    {
        foreach (var (source, penalty) in table)
        {
            if (penalty.End <= now)
                table.Remove(source); // a removal does not disturb the walk
        }
    }

    private static string Describe(SourceOffence offence) => offence switch
    {
        SourceOffence.Crash => "caused crash",
        SourceOffence.AuthenticationFailure => "failed authentication",
        SourceOffence.InvalidUser => "attempted authentication by invalid user",
        SourceOffence.GraceExceeded => "exceeded LoginGraceTime",
        SourceOffence.Refused => "connection prohibited by RefuseConnection",
        _ => "connections without attempting authentication",
    };

    private static IPAddress Mask(IPAddress address, int bits)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int i = 0; i < bytes.Length; i++)
        {
            int kept = Math.Clamp(bits - (8 * i), 0, 8);
            bytes[i] &= (byte)(0xff << (8 - kept));
        }
        return new IPAddress(bytes);
    }

    private readonly record struct Penalty(DateTimeOffset End, bool Counts, SourceOffence Offence);

    /// <summary>One connection.</summary>
    internal sealed class SourceVisit(SourceLimits limits, IPAddress? address, IPAddress? source, SourceRules rules, string? refusal)
    {
        private int _left = address is null ? 1 : 0;

        /// <summary>Null for one that is not counted.</summary>
        public IPAddress? Address { get; } = address;

        public IPAddress? Source { get; } = source;

        public SourceRules Rules { get; } = rules;

        /// <summary>Why it may not go on; null when it may.</summary>
        public string? Refusal { get; } = refusal;

        /// <summary>It is logged in, or over. More than once is once.</summary>
        public void Leave()
        {
            if (Source is { } mine && Interlocked.Exchange(ref _left, 1) == 0)
                limits.Leave(mine);
        }
    }
}
