using Adit.Ssh.Connection;
using Adit.Ssh.Forwarding;

namespace Adit.Server.Sessions;

/// <summary>The channels of one forwarding, which a rule that came later may end: those that are open when the rules are reviewed, and those that were being opened meanwhile, as
/// soon as they are (INVARIANTS 23).</summary>
/// <param name="connection">Where they are.</param>
/// <param name="isMeant">Which ones.</param>
/// <param name="ruleAgainst">The rule of now against them; null for none.</param>
internal sealed class ReviewedChannels(SshConnection connection, Predicate<SshChannel> isMeant, Func<CancellationToken, ValueTask<string?>> ruleAgainst)
{
    private int _reviews;

    /// <summary>Counts reviews that found a rule: to be read before the rules are asked about a channel, and handed to <see cref="LookAgainAsync"/> once it is open.</summary>
    public int Reviews => Volatile.Read(ref _reviews);

    /// <summary>Closes them all where there is a rule against them. How many these were, and the rule.</summary>
    public async ValueTask<(int Closed, string? Rule)> ReviewAsync(CancellationToken cancellationToken)
    {
        if (await ruleAgainst(cancellationToken).ConfigureAwait(false) is not { } rule)
        {
            return (0, null);
        }

        Interlocked.Increment(ref _reviews); // ahead of the look at what is open
        return (ChannelEnd.AbortAll(connection, isMeant), rule);
    }

    /// <summary>The rules may have changed while the client took its time to take the channel, and the review did not see it yet. Where there is one against it now, that is told and
    /// then the channel closed.</summary>
    /// <param name="channel">It is open by now.</param>
    /// <param name="reviews">What <see cref="Reviews"/> was.</param>
    /// <param name="report">Takes the rule.</param>
    public async ValueTask LookAgainAsync(SshChannel channel, int reviews, Action<string> report)
    {
        if (Reviews != reviews && await ruleAgainst(connection.Transport.Ended).ConfigureAwait(false) is { } rule)
        {
            report(rule);
            ChannelEnd.Abort(channel);
        }
    }
}
