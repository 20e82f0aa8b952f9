using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Adit.Ssh.Transport;

/// <summary>System calls on sockets that .NET's class makes only with an exception or a second thread in between, for each connection. Linux; elsewhere .NET's way is gone.</summary>
internal static unsafe partial class SocketCalls
{
    private const int SendSide = 1; // SHUT_WR
    private const int InProgress = 115; // EINPROGRESS
    private const int Interrupted = 4; // EINTR: the attempt goes on
    private const int TryAgain = 11; // EAGAIN: a Unix listener's queue is full, and no attempt is under way

    /// <summary>Begins to connect a non-blocking socket. True when it is connected, false when the attempt is under way. Throws <see cref="SocketException"/>.
    /// The class does not learn of it: <see cref="Remote"/> and <see cref="Local"/> know the addresses.</summary>
    public static bool BeginConnect(Socket socket, EndPoint endPoint)
    {
        var address = endPoint.Serialize();
        fixed (byte* buffer = address.Buffer.Span)
        {
            if (connect(socket.SafeHandle, buffer, address.Size) == 0)
                return true;
        }
        int failure = Marshal.GetLastPInvokeError();
        if (failure is InProgress or Interrupted)
        {
            // On this machine the other side has often answered before connect(2) returns.
            return socket.Poll(0, SelectMode.SelectWrite) && Finish(socket);
        }
        // Fails in the same way once more, and is put into words; or there is a way again that was not there a moment ago.
        try
        {
            socket.Connect(endPoint);
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress && failure != TryAgain && socket.AddressFamily != AddressFamily.Unix)
        {
            return false;
        }
    }

    /// <summary>The attempt has come to an end. Throws <see cref="SocketException"/> when it failed.</summary>
    public static bool Finish(Socket socket)
    {
        if (socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) is int error && error != 0)
            throw new SocketException(error);
        return true;
    }

    /// <summary>Tells the socket's peer that nothing follows. False when that cannot be: it has gone, or the socket is closed.</summary>
    public static bool TryShutdownSend(Socket socket)
    {
        try
        {
            if (OperatingSystem.IsLinux())
                return shutdown(socket.SafeHandle, SendSide) == 0;
            socket.Shutdown(SocketShutdown.Send);
            return true;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>What it is connected to; null for a Unix socket and when it is not connected. Throws <see cref="ObjectDisposedException"/>.</summary>
    public static IPEndPoint? Remote(Socket socket) => socket.RemoteEndPoint as IPEndPoint ?? (OperatingSystem.IsLinux() ? Ask(socket, peer: true) : null);

    /// <summary>Its own address; null for a Unix socket. Throws <see cref="ObjectDisposedException"/>.</summary>
    public static IPEndPoint? Local(Socket socket) => socket.LocalEndPoint as IPEndPoint ?? (OperatingSystem.IsLinux() ? Ask(socket, peer: false) : null);

    private static IPEndPoint? Ask(Socket socket, bool peer)
    {
        if (socket.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            return null;
        var address = new SocketAddress(socket.AddressFamily);
        int length = address.Size;
        fixed (byte* buffer = address.Buffer.Span)
        {
            if ((peer ? getpeername(socket.SafeHandle, buffer, ref length) : getsockname(socket.SafeHandle, buffer, ref length)) != 0)
                return null;
        }
        address.Size = Math.Min(length, address.Size);
        return (IPEndPoint)new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0).Create(address);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(SafeSocketHandle socket, byte* address, int length);

    [LibraryImport("libc")]
    private static partial int shutdown(SafeSocketHandle socket, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getpeername(SafeSocketHandle socket, byte* address, ref int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockname(SafeSocketHandle socket, byte* address, ref int length);
}
