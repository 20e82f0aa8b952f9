using Adit.Ssh.Authentication;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Adit.Ssh.Wire.Messages;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>What is forwarded for one login now. When rules have changed the policy can be asked about each again, and what it denies is closed (INVARIANTS 23).</summary>
internal sealed class LiveForwards(SshConnection connection, IForwardingPolicy? policy, SshPrincipal principal, ILogger logger)
{
    private int _reviews;

    /// <summary>Counts reviews: to be read before the policy is asked about a channel, and handed to <see cref="LookAgainAsync"/> once it is open.</summary>
    public int Reviews => Volatile.Read(ref _reviews);

    /// <summary>The rules may have changed while the channel was being opened, and the review of what is forwarded did not see it yet: then it is looked at once more.</summary>
    /// <param name="channel">It is open by now.</param>
    /// <param name="reviews">What <see cref="Reviews"/> was.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async ValueTask LookAgainAsync(SshChannel channel, int reviews, CancellationToken cancellationToken)
    {
        if (Reviews != reviews)
            await ReviewAsync(channel, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks at every channel that carries a forward, and closes those that are denied. Returns how many.</summary>
    public async Task<int> ReviewAsync(CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _reviews);
        int closed = 0;
        foreach (var channel in connection.OpenChannels)
            closed += await ReviewAsync(channel, cancellationToken).ConfigureAwait(false) ? 0 : 1;
        return closed;
    }

    /// <summary>False when it was closed. One that carries no forward stays.</summary>
    public async ValueTask<bool> ReviewAsync(SshChannel channel, CancellationToken cancellationToken)
    {
        if (QuestionAbout(channel) is not { } question)
            return true;
        var decision = await DecideAsync(question, cancellationToken).ConfigureAwait(false);
        if (decision.Allowed)
            return true;
        Report($"{Describe(question)}: connection closed, it is not allowed any more: {decision.Rule ?? "refused by the policy"}");
        ChannelEnd.Abort(channel);
        return false;
    }

    /// <summary>Says that something was closed: in the log, and to the client.</summary>
    public void Report(string what)
    {
        var transport = connection.Transport;
        logger.LogInformation("{What} (user {User} from {Remote} port {RemotePort})", what, PeerText.Escape(principal.UserName, 256), transport.RemoteAddress, transport.RemotePort);
        transport.Send(new DebugMessage(AlwaysDisplay: true, what));
    }

    /// <summary>A policy that fails allows nothing.</summary>
    private async ValueTask<ForwardingDecision> DecideAsync(ForwardingRequest question, CancellationToken cancellationToken)
    {
        if (policy is null)
            return ForwardingDecision.Deny("no forwarding policy is set up");
        try
        {
            return await policy.DecideAsync(question, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.LogError(e, "asking whether a forward may go on failed");
            return ForwardingDecision.Deny("the policy failed");
        }
    }

    private ForwardingRequest? QuestionAbout(SshChannel channel)
    {
        switch (channel.Type)
        {
            case "direct-tcpip":
                var target = TcpipChannelData.Read(channel.OpenData.Span);
                return new ForwardingRequest(principal, ForwardingKind.DirectTcp, target.Host, (int)target.Port, (channel.Sink as ForwardConnection)?.Peer);
            case "forwarded-tcpip":
                var listener = TcpipChannelData.Read(channel.OpenData.Span);
                return new ForwardingRequest(principal, ForwardingKind.ListenTcp, listener.Host, (int)listener.Port, null);
            case DirectStreamLocalData.ChannelType:
                return new ForwardingRequest(principal, ForwardingKind.DirectStreamLocal, Path(channel), 0, null);
            case ForwardedStreamLocalData.ChannelType:
                return new ForwardingRequest(principal, ForwardingKind.ListenStreamLocal, Path(channel), 0, null);
            default:
                return null;
        }
    }

    private static string Path(SshChannel channel) => new SshReader(channel.OpenData.Span).ReadUtf8();

    private static string Describe(ForwardingRequest question)
    {
        string host = PeerText.Escape(question.Host, 256);
        return question.Kind switch
        {
            ForwardingKind.DirectTcp => $"forward to {host} port {question.Port}",
            ForwardingKind.DirectStreamLocal => $"forward to {host}",
            ForwardingKind.ListenTcp => $"remote forward of {host} port {question.Port}",
            _ => $"remote forward of {host}",
        };
    }
}

/// <summary>Ends a channel from this side, whatever is under way on it.</summary>
internal static class ChannelEnd
{
    /// <summary>Every open channel that is <paramref name="meant"/>; returns how many. From any thread.</summary>
    public static int AbortAll(SshConnection connection, Predicate<SshChannel> meant)
    {
        int count = 0;
        foreach (var channel in connection.OpenChannels)
        {
            if (!meant(channel))
                continue;
            Abort(channel);
            count++;
        }
        return count;
    }

    /// <summary>From any thread. A forwarded socket is reset, so that its peer does not take it for an orderly end.</summary>
    public static void Abort(SshChannel channel)
    {
        switch (channel.Sink)
        {
            case ForwardConnection forward:
                forward.Abort();
                break;
            case SshStream stream:
                stream.Abort();
                break;
            default:
                channel.Close();
                break;
        }
    }
}
