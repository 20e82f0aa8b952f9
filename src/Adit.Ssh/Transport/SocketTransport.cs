using System.Net;
using System.Net.Sockets;

namespace Adit.Ssh.Transport;

/// <summary>A connected stream socket. Reads and writes try first and wait only when the kernel has nothing to give or no room.</summary>
internal sealed class SocketTransport : ByteTransport
{
    private const int TcpLevel = 6;

    /// <summary>TCP_NOTSENT_LOWAT: the kernel asks for more when so little of what it has was not sent yet. What waits there nothing can overtake: a keystroke
    /// would queue behind megabytes of a bulk stream. (No buffer's size is set: that turns the kernel's tuning off.)</summary>
    private const int NotSentLowWater = 25;

    private const int MostNotSent = 128 * 1024;

    private const int IpLevel = 0, IpTypeOfService = 1; // IPPROTO_IP, IP_TOS
    private const int IpV6Level = 41, IpV6TrafficClass = 67; // IPPROTO_IPV6, IPV6_TCLASS

    private readonly Socket _socket;
    private readonly SocketReadiness _readiness;

    public SocketTransport(Socket socket)
    {
        _socket = socket;
        _readiness = new SocketReadiness(socket);
        // A call that cannot go on must say so rather than hold its thread.
        socket.Blocking = false;
        if (socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
        {
            socket.NoDelay = true; // packets are whole when they leave; waiting for more only adds 40 ms stalls
            if (OperatingSystem.IsLinux())
                KeepUnsentShort(socket);
        }
        RemoteEndPoint = Unmap(SocketCalls.Remote(socket));
        LocalEndPoint = Unmap(SocketCalls.Local(socket));
    }

    public override IPEndPoint? RemoteEndPoint { get; }

    public override IPEndPoint? LocalEndPoint { get; }

    public override int TryReceive(Span<byte> buffer)
    {
        int count = _socket.Receive(buffer, SocketFlags.None, out var error);
        if (count > 0)
            _readiness.Received(count);
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

    public override void SetTypeOfService(int value)
    {
        try
        {
            if (RemoteEndPoint?.AddressFamily == AddressFamily.InterNetwork)
                _socket.SetRawSocketOption(IpLevel, IpTypeOfService, BitConverter.GetBytes(value));
            else if (RemoteEndPoint?.AddressFamily == AddressFamily.InterNetworkV6)
                _socket.SetRawSocketOption(IpV6Level, IpV6TrafficClass, BitConverter.GetBytes(value));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // gone, or a system that does not let us: it goes on without, as sshd does
        }
    }

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

    private static void KeepUnsentShort(Socket socket)
    {
        try
        {
            socket.SetRawSocketOption(TcpLevel, NotSentLowWater, BitConverter.GetBytes(MostNotSent));
        }
        catch (SocketException)
        {
            // a kernel without it: bulk then delays its neighbours
        }
    }

    private static IPEndPoint? Unmap(IPEndPoint? endPoint) =>
        endPoint is { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : endPoint;
}
