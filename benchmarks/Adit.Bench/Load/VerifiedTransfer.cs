using System.Buffers.Binary;
using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>Moves a fixed number of bytes and compares every one of them; throws when one is wrong or missing.</summary>
internal static class VerifiedTransfer
{
    public static Task<bool> DownAsync(int port, long length, Payload payload) => Sockets.OnThread(() =>
    {
        using var socket = Sockets.Connect(port);
        LoadServer.SendRequest(socket, Work.SendExactly, length: length);
        Check(LoadServer.ReceivePayload(socket, payload), length, "down");
        return true;
    });

    public static Task<bool> UpAsync(int port, long length, Payload payload) => Sockets.OnThread(() =>
    {
        using var socket = Sockets.Connect(port);
        LoadServer.SendRequest(socket, Work.ReceiveExactly);
        LoadServer.SendPayload(socket, payload, length);
        socket.Shutdown(SocketShutdown.Send);
        Span<byte> answer = stackalloc byte[8];
        socket.ReceiveAll(answer);
        Check(BinaryPrimitives.ReadInt64LittleEndian(answer), length, "up");
        return true;
    });

    private static void Check(long right, long length, string direction)
    {
        if (right != length)
            throw new InvalidDataException($"{direction}: of {length} bytes only the first {right} came through as they were sent");
    }
}
