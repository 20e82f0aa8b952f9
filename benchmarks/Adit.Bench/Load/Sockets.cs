using System.Net;
using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>Blocking sockets on loopback: a thread and a system call each, nothing between.</summary>
internal static class Sockets
{
    /// <summary>Nothing here waits longer for a byte.</summary>
    private const int TimeoutMilliseconds = 60_000;

    public static Socket Listen(out int port, int backlog = 4096)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(backlog);
        port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        return socket;
    }

    public static Socket Connect(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            SetTimeouts(socket);
            socket.Connect(IPAddress.Loopback, port);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Accepts until the listener is closed, and connects to a port of this machine for each: both sockets, which may idle as long as they like, are handed on.</summary>
    public static void AcceptFor(Socket listener, int target, Action<Socket, Socket> carry)
    {
        while (true)
        {
            var near = listener.Accept();
            Socket far;
            try
            {
                far = Connect(target);
            }
            catch (SocketException)
            {
                near.Dispose();
                continue;
            }

            near.NoDelay = true;
            far.ReceiveTimeout = 0;
            far.SendTimeout = 0;
            carry(near, far);
        }
    }

    public static void SetTimeouts(Socket socket)
    {
        socket.ReceiveTimeout = TimeoutMilliseconds;
        socket.SendTimeout = TimeoutMilliseconds;
    }

    public static void SendAll(this Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[socket.Send(bytes)..];
    }

    public static void ReceiveAll(this Socket socket, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int count = socket.Receive(bytes);
            if (count == 0)
                throw new EndOfStreamException("the connection ended early");
            bytes = bytes[count..];
        }
    }

    /// <summary>Ends both directions, which wakes whoever waits in a call on the socket.</summary>
    public static void Stop(this Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    public static Thread StartThread(string name, Action work)
    {
        var thread = new Thread(() =>
        {
            try
            {
                work();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or EndOfStreamException)
            {
                // The other end went away, as all of them do when a measurement ends.
            }
        }, 256 * 1024)
        { IsBackground = true, Name = name };
        thread.Start();
        return thread;
    }

    /// <summary>Runs blocking work on a thread of its own.</summary>
    public static Task<T> OnThread<T>(Func<T> work) => Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
