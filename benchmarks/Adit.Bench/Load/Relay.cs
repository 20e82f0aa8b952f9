using System.Net.Sockets;

namespace Adit.Bench.Load;

/// <summary>The simplest thing that could stand in a tunnel's place: two threads per connection that copy. What a tunnel is weighed against.</summary>
internal sealed class Relay : IDisposable
{
    private readonly Socket _listener;

    public Relay(int target)
    {
        _listener = Sockets.Listen(out int port);
        Port = port;
        Sockets.StartThread("relay", () => Sockets.AcceptFor(_listener, target, Carry));
    }

    public int Port { get; }

    public void Dispose() => _listener.Dispose();

    private static void Carry(Socket near, Socket far)
    {
        int running = 2;
        Sockets.StartThread("relay", () => Copy(near, far, ref running));
        Sockets.StartThread("relay", () => Copy(far, near, ref running));
    }

    private static void Copy(Socket from, Socket to, ref int running)
    {
        try
        {
            var buffer = new byte[Payload.Chunk];
            for (int count; (count = from.Receive(buffer)) > 0;)
                to.SendAll(buffer.AsSpan(0, count));
            to.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            from.Stop();
            to.Stop();
        }
        finally
        {
            if (Interlocked.Decrement(ref running) == 0)
            {
                from.Dispose();
                to.Dispose();
            }
        }
    }
}
