using System.Net;
using System.Net.Sockets;
using Adit.Ssh.Connection;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>The way of an accepted socket into a channel: the same for a listener of ours and one that the peer asked for, over TCP and Unix sockets.</summary>
internal static class AcceptedSocket
{
    /// <summary>Opens a channel and carries bytes until both directions have ended. Returns null then, and when the socket's peer had gone already; otherwise why there is no
    /// channel, and the socket is still open.</summary>
    /// <param name="ssh">The connection.</param>
    /// <param name="socket">Becomes the channel's.</param>
    /// <param name="open">The channel to open for a socket from that address, null for a Unix socket.</param>
    /// <param name="greeting">As in <see cref="ForwardConnection"/>.</param>
    /// <param name="early">As in <see cref="ForwardConnection"/>.</param>
    /// <param name="size">As in <see cref="SshConnection.OpenAsync"/>.</param>
    /// <param name="opened">Looks at the channel once it is open; bytes go on meanwhile. When it throws the channel is ended.</param>
    public static async Task<Exception?> CarryAsync(SshConnection ssh, Socket socket, Func<IPEndPoint?, (string Type, byte[] Data)> open,
        ReadOnlyMemory<byte> greeting = default, ReadOnlyMemory<byte> early = default, ChannelSize? size = null, Func<SshChannel, ValueTask>? opened = null)
    {
        ForwardConnection connection;
        SshChannel channel;
        IPEndPoint? originator;
        try
        {
            connection = new ForwardConnection(socket, greeting, early);
            originator = socket.RemoteEndPoint as IPEndPoint;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            socket.Dispose();
            return null;
        }
        try
        {
            var (type, data) = open(originator);
            channel = await ssh.OpenAsync(type, data, connection, ssh.Transport.Ended, mayInline: true, size).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SshException or OperationCanceledException or ObjectDisposedException)
        {
            return e;
        }
        var running = connection.RunAsync();
        try
        {
            if (opened is not null)
                await opened(channel).ConfigureAwait(false);
        }
        catch
        {
            connection.Abort();
            throw;
        }
        finally
        {
            await running.ConfigureAwait(false);
        }
        return null;
    }

    /// <summary>The same for a listener that the peer asked for, if the policy of now still allows it. Ends with the socket closed, whatever happens.</summary>
    /// <param name="ssh">The connection.</param>
    /// <param name="socket">Accepted by that listener.</param>
    /// <param name="listener">What it listens on, for logs.</param>
    /// <param name="decide">Asks the policy.</param>
    /// <param name="open">As in the other.</param>
    /// <param name="live">Reviews what is forwarded.</param>
    /// <param name="logger">For refusals.</param>
    public static async Task CarryToPeerAsync(SshConnection ssh, Socket socket, string listener, Func<CancellationToken, ValueTask<ForwardingDecision>> decide,
        Func<IPEndPoint?, (string Type, byte[] Data)> open, LiveForwards live, ILogger logger)
    {
        int reviews = live.Reviews;
        if (!await MayAsync().ConfigureAwait(false))
        {
            socket.Dispose();
            return;
        }
        if (await CarryAsync(ssh, socket, open, opened: LookAgainAsync).ConfigureAwait(false) is not { } failure)
            return;
        socket.Dispose();
        if (failure is SshException { Error: SshError.ChannelOpenFailed })
            logger.LogInformation("{Refusal}", failure.Message);

        // How long the peer takes to take the channel is its own choice.
        async ValueTask LookAgainAsync(SshChannel channel)
        {
            try
            {
                await live.LookAgainAsync(channel, reviews, ssh.Transport.Ended).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // the connection ended
            }
        }

        async ValueTask<bool> MayAsync()
        {
            try
            {
                var decision = await decide(ssh.Transport.Ended).ConfigureAwait(false);
                if (!decision.Allowed)
                    logger.LogInformation("refused remote port forward: listen {Listener}{Rule}", listener, decision.Rule is null ? "" : $" ({decision.Rule})");
                return decision.Allowed;
            }
            catch (OperationCanceledException)
            {
                return false; // the connection ended
            }
            catch (Exception e)
            {
                logger.LogError(e, "asking whether a connection to {Listener} may be forwarded failed", listener);
                return false;
            }
        }
    }
}
