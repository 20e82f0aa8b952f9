using System.Net.Sockets;
using Adit.Ssh.Transport;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>Accepts the connections of one listening socket.</summary>
internal static class AcceptLoop
{
    /// <summary>So many failures in a row are no connections that were reset, but a listener that is broken.</summary>
    private const int MostFailures = 10;

    private static readonly TimeSpan ExhaustedPause = TimeSpan.FromSeconds(1);

    /// <summary>Runs until <paramref name="stop"/> is cancelled; the socket is closed then.</summary>
    /// <param name="listener">Listens already.</param>
    /// <param name="accepted">Takes each socket over. Runs on the thread that saw it come, and must not block.</param>
    /// <param name="logger">For accepts that fail.</param>
    /// <param name="stop">Ends it.</param>
    public static async Task RunAsync(Socket listener, Action<Socket> accepted, ILogger logger, CancellationToken stop)
    {
        var readiness = new SocketReadiness(listener);
        using var registration = stop.UnsafeRegister(static self => ((SocketReadiness)self!).CloseSocket(), readiness);
        bool isPrepared = false;
        int failures = 0;
        while (true)
        {
            try
            {
                if (!isPrepared && SocketPoller.IsSupported)
                    listener.Blocking = false;
                isPrepared = true;
                accepted(await AcceptAsync(listener, readiness, stop).ConfigureAwait(false));
                failures = 0;
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                logger.LogError("accept: {Reason}", SocketErrors.Describe(e));
                await PauseAsync(stop).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                // The connection was reset before it was accepted: its peer knows. Or another thread's event was the last one's.
                if (e.SocketErrorCode == SocketError.WouldBlock)
                    continue;
                logger.LogDebug("accept: {Reason}", SocketErrors.Describe(e));
                if (++failures < MostFailures)
                    continue;
                failures = 0;
                logger.LogError("accept: {Count} failures in a row, the last one: {Reason}", MostFailures, SocketErrors.Describe(e));
                await PauseAsync(stop).ConfigureAwait(false);
            }
        }
    }

    /// <summary>What is wrong may pass; until then turning round as fast as possible would help nobody. Ends early with the loop, which finds that out by itself.</summary>
    private static async Task PauseAsync(CancellationToken stop) => await Task.Delay(ExhaustedPause, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static async ValueTask<Socket> AcceptAsync(Socket listener, SocketReadiness readiness, CancellationToken stop)
    {
        if (!SocketPoller.IsSupported)
            return await listener.AcceptAsync(stop).ConfigureAwait(false);
        await readiness.WaitReadableAsync().ConfigureAwait(false);
        return listener.Accept();
    }
}
