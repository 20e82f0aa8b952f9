using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Adit.Ssh.Forwarding;

/// <summary>The proxy's side of a SOCKS conversation over a socket that was just accepted.</summary>
internal static class SocksHandshake
{
    private const int BufferSize = 1024;

    /// <summary>Between connecting and asking a client needs no time; one that does not ask is not kept for ever.</summary>
    private static readonly TimeSpan RequestDeadline = TimeSpan.FromSeconds(60);

    /// <summary>How long a refused client may take to read why, and to hang up.</summary>
    private static readonly TimeSpan RefusalDeadline = TimeSpan.FromSeconds(5);

    /// <summary>Reads the request. Returns it with the bytes read beyond it, which are payload; or null: then the client has been answered where there is an answer, and the socket is closed.</summary>
    public static async Task<(SocksRequest Request, ReadOnlyMemory<byte> Early)?> ReadAsync(Socket socket, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            using var expired = new CancellationTokenSource(RequestDeadline, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(expired.Token, cancellationToken);
            await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, either.Token).ConfigureAwait(false);
            var parser = new SocksParser();
            byte[] buffer = new byte[BufferSize];
            while (true)
            {
                int end = await socket.ReceiveAsync(buffer, SocketFlags.None, either.Token).ConfigureAwait(false);
                if (end == 0)
                    break;
                for (int start = 0; ;)
                {
                    var progress = parser.Feed(buffer.AsSpan(start, end - start), out int consumed);
                    start += consumed;
                    if (progress == SocksProgress.Incomplete)
                        break;
                    if (progress == SocksProgress.Requested)
                        return (parser.Request!, buffer.AsMemory(start, end - start));
                    if (progress == SocksProgress.NotSocks)
                        logger.LogDebug("dynamic: a connection does not speak SOCKS: its first byte is {Byte}", buffer[0]);
                    if (progress == SocksProgress.Refused)
                        await RefuseAsync(socket, parser.Response, time, cancellationToken).ConfigureAwait(false);
                    if (progress != SocksProgress.Greeted)
                    {
                        socket.Dispose();
                        return null;
                    }
                    await socket.SendAsync(parser.Response, SocketFlags.None, either.Token).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            logger.LogDebug("dynamic: a client did not ask for anything: {Reason}", e is SocketException error ? SocketErrors.Describe(error) : "it took too long");
        }
        socket.Dispose();
        return null;
    }

    /// <summary>Answers and closes. Closing with unread bytes would reset the connection, and the answer might go with it: so what still comes is read first.</summary>
    public static async Task RefuseAsync(Socket socket, ReadOnlyMemory<byte> answer, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            using var expired = new CancellationTokenSource(RefusalDeadline, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(expired.Token, cancellationToken);
            await socket.SendAsync(answer, SocketFlags.None, either.Token).ConfigureAwait(false);
            socket.Shutdown(SocketShutdown.Send);
            byte[] rest = new byte[BufferSize];
            for (int reads = 0; reads < 256 && await socket.ReceiveAsync(rest, SocketFlags.None, either.Token).ConfigureAwait(false) > 0; reads++)
            {
                // nobody wants it
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // the client is gone, or will not go: it has had its answer
        }
        socket.Dispose();
    }
}
