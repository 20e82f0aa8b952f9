using System.Net;
using System.Net.Sockets;

namespace Adit.Ssh.Transport;

/// <summary>A connected stream socket. Reads and writes try first and wait only when the kernel has nothing to give or no room.</summary>
internal sealed class SocketTransport : ByteTransport
{
    private readonly Socket _socket;
    private readonly SocketReadiness _readiness;

    public SocketTransport(Socket socket)
    {
        _socket = socket;
        _readiness = new SocketReadiness(socket);
        // A call that cannot go on must say so rather than hold its thread.
        socket.Blocking = false;
        if (socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
            socket.NoDelay = true; // packets are whole when they leave; waiting for more only adds 40 ms stalls
        RemoteEndPoint = Unmap(socket.RemoteEndPoint);
        LocalEndPoint = Unmap(socket.LocalEndPoint);
    }

    public override IPEndPoint? RemoteEndPoint { get; }

    public override IPEndPoint? LocalEndPoint { get; }

    public override int TryReceive(Span<byte> buffer)
    {
        int count = _socket.Receive(buffer, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => WouldBlock,
            _ => throw new SocketException((int)error),
        };
    }

    public override ValueTask WaitReadableAsync() => _readiness.WaitReadableAsync();

    public override int TrySend(List<ArraySegment<byte>> segments)
    {
        SocketError error;
        int count;
        if (segments.Count == 1)
            count = _socket.Send(segments[0].AsSpan(), SocketFlags.None, out error);
        else
            count = _socket.Send(segments, SocketFlags.None, out error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => Math.Max(count, 0),
            _ => throw new SocketException((int)error),
        };
    }

    public override ValueTask<int> SendAsync(ReadOnlyMemory<byte> data) => _readiness.SendAsync(data);

    public override void ShutdownSend()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // already gone
        }
    }

    public override void Abort() => _readiness.CloseSocket();

    public override ValueTask DisposeAsync()
    {
        _readiness.CloseSocket();
        return ValueTask.CompletedTask;
    }

    private static IPEndPoint? Unmap(EndPoint? endPoint) =>
        endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : endPoint as IPEndPoint;
}
