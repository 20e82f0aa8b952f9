using System.Net;
using Adit.Ssh.Authentication;

namespace Adit.Ssh;

/// <summary>What one client address, or its network, may do before it is logged in.</summary>
internal sealed record SourceRules
{
    public static SourceRules None { get; } = new();

    /// <summary>PerSourceMaxStartups: connections of one source that are not logged in; null for no limit.</summary>
    public int? MaxStartups { get; init; }

    /// <summary>PerSourceNetBlockSize: how many leading bits of an IPv4 address make a source.</summary>
    public int Bits4 { get; init; } = 32;

    /// <summary>The same for IPv6.</summary>
    public int Bits6 { get; init; } = 128;

    /// <summary>PerSourcePenalties; null for none.</summary>
    public SourcePenalties? Penalties { get; init; }

    /// <summary>PerSourcePenaltyExemptList.</summary>
    public Func<IPAddress, bool> IsExempt { get; init; } = _ => false;
}

/// <summary>PerSourcePenalties: for how long a source is refused after what it did.</summary>
internal sealed record SourcePenalties
{
    public TimeSpan Crash { get; init; } = TimeSpan.FromSeconds(90);

    public TimeSpan AuthenticationFailure { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan InvalidUser { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan NoAuthentication { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan GraceExceeded { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan Refused { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Penalties add up to no more.</summary>
    public TimeSpan Max { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>They have to add up to this before they count.</summary>
    public TimeSpan Min { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Sources that are remembered.</summary>
    public int MaxSources4 { get; init; } = 65536;

    public int MaxSources6 { get; init; } = 65536;

    /// <summary>With as many as that: true refuses everybody else, false forgets those whose time ends first.</summary>
    public bool DenyAllOnOverflow4 { get; init; }

    public bool DenyAllOnOverflow6 { get; init; }

    public TimeSpan Of(SourceOffence offence) => offence switch
    {
        SourceOffence.Crash => Crash,
        SourceOffence.AuthenticationFailure => AuthenticationFailure,
        SourceOffence.InvalidUser => InvalidUser,
        SourceOffence.NoAuthentication => NoAuthentication,
        SourceOffence.GraceExceeded => GraceExceeded,
        SourceOffence.Refused => Refused,
        _ => TimeSpan.Zero,
    };
}
