using System.Net.Sockets;
using System.Security.Cryptography;

namespace Adit.Interop.Tests.Harness;

/// <summary>The client's side of what the services do, through whatever lies between.</summary>
internal static class Traffic
{
    public const int RequestLength = 300_001;
    public const int AnswerLength = 700_003;

    public static ReadOnlyMemory<byte> Greeting { get; } = "welcome to the other side\n"u8.ToArray();

    /// <summary>Sends <paramref name="length"/> bytes and receives as many at the same time, each direction checked, each ended by its own end of stream.</summary>
    /// <param name="socket">Connected.</param>
    /// <param name="length">Bytes each way.</param>
    /// <param name="sendUp">Which of the two payloads to send.</param>
    /// <param name="compressible">Text instead of noise.</param>
    /// <param name="cancellation">The deadline.</param>
    /// <param name="endsLast">Ends its direction once the other has come through whole: PuTTY closes its local socket as soon as the channel is closed, and what it had not written
    /// there yet is lost.</param>
    public static async Task BothWaysAsync(Socket socket, long length, bool sendUp, bool compressible, CancellationToken cancellation, bool endsLast = false)
    {
        var receiving = Payload.ReceiveAsync(socket, length, !sendUp, cancellation, compressible);
        async Task SendAsync()
        {
            await Payload.SendAsync(socket, length, sendUp, cancellation, compressible);
            if (endsLast)
            {
                await receiving;
            }

            socket.Shutdown(SocketShutdown.Send);
        }

        await Task.WhenAll(SendAsync(), receiving);
    }

    public static async Task ExchangeAsync(int port, long length, CancellationToken cancellation, bool compressible = false, bool endsLast = false)
    {
        using Socket socket = await Net.ConnectAsync(port, cancellation);
        await BothWaysAsync(socket, length, sendUp: true, compressible, cancellation, endsLast);
    }

    /// <summary>Request, shutdown(SEND), then the answer: lost by everything that takes the end of one direction for the end of both.</summary>
    public static async Task AskAfterEofAsync(int port, CancellationToken cancellation)
    {
        using Socket socket = await Net.ConnectAsync(port, cancellation);
        await Payload.SendAsync(socket, RequestLength, up: true, cancellation);
        socket.Shutdown(SocketShutdown.Send);
        byte[] hash = new byte[32];
        await Net.ReceiveExactlyAsync(socket, hash, cancellation);
        Assert.Equal(SHA256.HashData(Payload.Take(RequestLength).Span), hash);
        await Payload.ReceiveAsync(socket, AnswerLength, up: false, cancellation);
    }

    /// <summary>The other way round: the service ends its direction first and still wants to hear all that we say.</summary>
    public static async Task TalkAfterTheirEofAsync(int port, CancellationToken cancellation)
    {
        using Socket socket = await Net.ConnectAsync(port, cancellation);
        byte[] greeting = await Net.ReceiveToEndAsync(socket, cancellation);
        Assert.Equal(Greeting.ToArray(), greeting);
        await Payload.SendAsync(socket, RequestLength, up: true, cancellation);
        socket.Shutdown(SocketShutdown.Send);
    }

    public static async Task EchoAsync(int port, int length, CancellationToken cancellation)
    {
        using Socket socket = await Net.ConnectAsync(port, cancellation);
        await EchoAsync(socket, length, cancellation);
    }

    public static async Task EchoAsync(Socket socket, int length, CancellationToken cancellation)
    {
        byte[] answer = new byte[length];
        await Net.SendAllAsync(socket, Payload.Take(length), cancellation);
        await Net.ReceiveExactlyAsync(socket, answer, cancellation);
        Assert.True(Payload.Take(length).Span.SequenceEqual(answer), "the echo differs");
    }
}
