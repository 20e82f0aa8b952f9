using System.Globalization;
using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>The far end of many connections that only stay open: greets each with one byte, keeps it, and does no more until told. Runs in a process of its
/// own, since one process may not have descriptors for both ends of ten thousand.</summary>
internal sealed class IdleService : IDisposable
{
    /// <summary>The word on the command line that makes this program such a service.</summary>
    public const string Command = "idle-service";

    private const int Acceptors = 4;

    private readonly Socket _listener;
    private readonly List<Socket> _open = [];

    public IdleService()
    {
        _listener = Sockets.Listen(out int port);
        Port = port;
        for (int i = 0; i < Acceptors; i++)
            Sockets.StartThread("idle service", AcceptLoop);
    }

    public int Port { get; }

    /// <summary>Serves until standard input ends. Says its port; a line "echo" lets every connection send back one byte.</summary>
    public static int Run()
    {
        using var service = new IdleService();
        Console.WriteLine(service.Port.ToString(CultureInfo.InvariantCulture));
        while (Console.ReadLine() is { } line)
        {
            if (line == "echo")
                Console.WriteLine(service.EchoOnce().ToString(CultureInfo.InvariantCulture));
        }

        return 0;
    }

    public void Dispose()
    {
        _listener.Dispose();
        lock (_open)
            _open.ForEach(socket => socket.Dispose());
    }

    /// <summary>Takes one byte of every connection and sends it back. Returns of how many.</summary>
    private int EchoOnce()
    {
        Socket[] open;
        lock (_open)
            open = [.. _open];
        int echoed = 0;
        Span<byte> one = stackalloc byte[1];
        foreach (var socket in open)
        {
            try
            {
                socket.ReceiveAll(one);
                socket.SendAll(one);
                echoed++;
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException)
            {
                socket.Stop(); // not counted
            }
        }

        return echoed;
    }

    private void AcceptLoop()
    {
        while (true)
        {
            var socket = _listener.Accept();
            Sockets.SetTimeouts(socket);
            lock (_open)
                _open.Add(socket);
            try
            {
                socket.SendAll([(byte)'!']);
            }
            catch (SocketException)
            {
                // It went away at once; whoever opened it knows.
            }
        }
    }
}
