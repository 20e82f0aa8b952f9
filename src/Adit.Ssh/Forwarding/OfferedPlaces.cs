using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>The places for channels in which a server brings connections to something of this machine's, and what is said to one that was not asked to.</summary>
/// <param name="what">What is forwarded, as OpenSSH names it: "agent", "X11".</param>
/// <param name="target">Where connections end: "agent", "display".</param>
/// <param name="limit">Connections at once.</param>
/// <param name="connections">Owns what carries them.</param>
/// <param name="logger">For what is refused.</param>
internal sealed class OfferedPlaces(string what, string target, int limit, TaskTracker connections, ILogger logger)
{
    private int _taken;
    private bool _warned;

    /// <summary>Gives a request a place for as long as its connection lasts, or refuses it.</summary>
    /// <param name="request">The channel.</param>
    /// <param name="openAsync">Answers it. Returns what carries the connection, or a finished task.</param>
    public async ValueTask TakeAsync(IncomingChannel request, Func<Task<Task>> openAsync)
    {
        if (Interlocked.Increment(ref _taken) > limit)
        {
            Interlocked.Decrement(ref _taken);
            logger.LogDebug("{What} forwarding: {Count} connections to the {Target} are open already", what, limit, target);
            request.Reject(OpenFailureReason.ResourceShortage, "open failed");
            return;
        }
        Task carrying;
        try
        {
            carrying = await openAsync().ConfigureAwait(false);
        }
        catch
        {
            Interlocked.Decrement(ref _taken);
            throw;
        }
        connections.Add(LeaveAfterAsync(carrying));
    }

    /// <summary>Refuses what was not asked for. OpenSSH's words, once: a server that tries may try often.</summary>
    public void Refuse(IncomingChannel request)
    {
        var level = Interlocked.Exchange(ref _warned, true) ? LogLevel.Debug : LogLevel.Error;
        logger.Log(level, "Warning: ssh server tried {What} forwarding.", what);
        logger.Log(level, "Warning: this is probably a break-in attempt by a malicious server.");
        request.Reject(OpenFailureReason.AdministrativelyProhibited, "open failed");
    }

    private async Task LeaveAfterAsync(Task carrying)
    {
        await carrying.ConfigureAwait(false);
        Interlocked.Decrement(ref _taken);
    }
}
