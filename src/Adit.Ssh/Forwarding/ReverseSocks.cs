using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Adit.Ssh.Wire;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>A question that reverse dynamic forwarding asks before it connects.</summary>
/// <param name="Listen">What the server was asked to listen on.</param>
/// <param name="Destination">Where a SOCKS client there wants to be connected to; the host as the client wrote it.</param>
/// <param name="Resolved">The address about to be connected to; null when asked before the name is looked up.</param>
public sealed record RemoteDynamicRequest(ForwardAddress Listen, ForwardAddress Destination, IPAddress? Resolved);

/// <summary>Reverse dynamic forwarding (-R without a destination): each channel is a SOCKS client's connection to the server, which says itself where to go. It is
/// answered when the connection from here was made, or could not be.</summary>
internal sealed class ReverseSocks(IForwardDialer dialer, TaskTracker connections, ForwardFailures failures, TimeProvider time, ILogger logger)
{
    /// <summary>Clients of one SSH connection that have not got what they asked for: anybody who reaches the server's port can be one.</summary>
    internal const int MaxAsking = 1024;

    /// <summary>Between connecting and asking a client needs no time; one that does not ask is not kept for ever.</summary>
    internal static readonly TimeSpan RequestDeadline = TimeSpan.FromSeconds(60);

    /// <summary>How long a refused client may take to read why, and to hang up.</summary>
    private static readonly TimeSpan RefusalDeadline = TimeSpan.FromSeconds(5);

    private int _asking;

    /// <summary>Takes a channel; does not wait for its client.</summary>
    public void Take(IncomingChannel request, RemoteForward forward, string from)
    {
        if (Interlocked.Increment(ref _asking) > MaxAsking)
        {
            Interlocked.Decrement(ref _asking);
            logger.LogDebug("remote forward of {Listen}: {Limit} SOCKS clients wait already", forward.Listen, MaxAsking);
            request.Reject(OpenFailureReason.ResourceShortage, "too many SOCKS clients wait");
            return;
        }
        var gone = new CancellationTokenSource();
        var channel = new SocksChannel(gone);
        if (request.Accept(channel) is null)
            Interlocked.Decrement(ref _asking);
        else
            connections.Add(ServeAsync(channel, forward, from, gone.Token));
    }

    private async Task ServeAsync(SocksChannel channel, RemoteForward forward, string from, CancellationToken gone)
    {
        ForwardConnection? connection = null;
        try
        {
            if (await AskAsync(channel, from).ConfigureAwait(false) is { } request)
                connection = await AnswerAsync(channel, request, forward, from, gone).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            channel.Close(); // it took too long, or has gone
        }
        finally
        {
            Interlocked.Decrement(ref _asking);
        }
        if (connection is not null)
            await connection.RunAsync().ConfigureAwait(false);
    }

    private async Task<SocksRequest?> AskAsync(SocksChannel channel, string from)
    {
        using var deadline = new CancellationTokenSource(RequestDeadline, time);
        var request = await channel.ReadAsync(deadline.Token).ConfigureAwait(false);
        if (request is null)
            logger.LogDebug("dynamic: {From} did not ask for anything that is done here{Late}", from, deadline.IsCancellationRequested ? " in time" : "");
        return request;
    }

    /// <summary>Null when the client has had to be refused.</summary>
    private async Task<ForwardConnection?> AnswerAsync(SocksChannel channel, SocksRequest request, RemoteForward forward, string from, CancellationToken gone)
    {
        SocksReply reply;
        try
        {
            logger.LogDebug("dynamic: {From} asks for {Destination}", from, Shown(request));
            var socket = await ConnectAsync(request.Destination, forward, gone).ConfigureAwait(false);
            // The answer is the first that goes into the channel.
            var connection = new ForwardConnection(socket, early: request.Answer(SocksReply.Succeeded));
            channel.Carry(connection);
            return connection;
        }
        catch (SshException e)
        {
            reply = SocksRequest.Explain(e);
            if (e.Error == SshError.PolicyDenied)
                failures.TellForbidden(forward, Shown(request), from, e.Message);
            else
                failures.TellUnreachable(forward, Shown(request), from, e);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            if (e is not (SocketException or ObjectDisposedException)) // connected and reset at once
                logger.LogError(e, "remote forward of {Listen}: the request of {From} for {Destination} failed", forward.Listen, from, Shown(request));
            reply = SocksReply.GeneralFailure;
        }
        using var deadline = new CancellationTokenSource(RefusalDeadline, time);
        await channel.RefuseAsync(request.Answer(reply), deadline.Token).ConfigureAwait(false);
        return null;
    }

    private async ValueTask<Socket> ConnectAsync(ForwardAddress destination, RemoteForward forward, CancellationToken cancellationToken)
    {
        string? rule = null;
        async ValueTask<bool> MayAsync(IPAddress? resolved, CancellationToken token)
        {
            var decision = await forward.MayConnect!(new RemoteDynamicRequest(forward.Listen, destination, resolved), token).ConfigureAwait(false);
            rule = decision.Allowed ? null : decision.Rule ?? "its policy";
            return decision.Allowed;
        }

        try
        {
            if (await MayAsync(null, cancellationToken).ConfigureAwait(false))
            {
                return await dialer.ConnectAsync(destination.Host!, destination.Port,
                    (address, token) => MayAsync(address, token), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (SshException e) when (e.Error == SshError.PolicyDenied)
        {
            // every address of the name was refused; the last one's rule is told
        }
        throw new SshException(SshError.PolicyDenied, rule ?? "its policy");
    }

    private static ForwardAddress Shown(SocksRequest request) => ForwardAddress.Tcp(PeerText.Escape(request.Destination.Host!, 256), request.Destination.Port);
}
