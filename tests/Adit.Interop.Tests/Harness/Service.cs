using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Adit.Interop.Tests.Harness;

/// <summary>What lies behind a tunnel: a listener on loopback inside the test, one task per connection, all of them awaited.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop;
    private readonly Func<Socket, CancellationToken, Task> _serve;
    private readonly ConcurrentQueue<Task> _connections = new();
    private readonly Task _accepting;
    private int _open;

    private Service(Func<Socket, CancellationToken, Task> serve, CancellationToken cancellation, string? path = null)
    {
        _serve = serve;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Port = path is null ? Net.FreePort() : 0;
        _listener = path is null
            ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(path is null ? new IPEndPoint(IPAddress.Loopback, Port) : new UnixDomainSocketEndPoint(path));
        _listener.Listen(4096);
        _accepting = AcceptAsync();
    }

    /// <summary>0 for a Unix socket.</summary>
    public int Port { get; }

    public int Accepted => _connections.Count;

    /// <summary>Connections that have not ended yet.</summary>
    public int Open => Volatile.Read(ref _open);

    public static Service Start(Func<Socket, CancellationToken, Task> serve, CancellationToken cancellation) => new(serve, cancellation);

    /// <summary>Answers every byte with itself, and the end of the stream with its own.</summary>
    public static Service Echo(CancellationToken cancellation) => EchoAt(null, cancellation);

    /// <summary>The same on a Unix socket.</summary>
    public static Service EchoAt(string? path, CancellationToken cancellation) => new(
        static async (socket, stop) =>
        {
            byte[] buffer = new byte[64 * 1024];
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, stop) is var count and > 0)
            {
                await Net.SendAllAsync(socket, buffer.AsMemory(0, count), stop);
            }

            socket.Shutdown(SocketShutdown.Send);
        },
        cancellation, path);

    /// <summary>Sends and receives <paramref name="length"/> bytes at once and checks what came.</summary>
    public static Service Exchange(long length, CancellationToken cancellation, bool compressible = false) => new(
        (socket, stop) => Traffic.BothWaysAsync(socket, length, sendUp: false, compressible, stop), cancellation);

    /// <summary>Reads the whole request first; answers after the client's end of stream with the request's SHA-256 and a long tail.</summary>
    public static Service AnswerAfterEof(CancellationToken cancellation, string? path = null) => new(
        static async (socket, stop) =>
        {
            byte[] request = await Net.ReceiveToEndAsync(socket, stop);
            await Net.SendAllAsync(socket, SHA256.HashData(request), stop);
            await Payload.SendAsync(socket, Traffic.AnswerLength, up: false, stop);
            socket.Shutdown(SocketShutdown.Send);
        },
        cancellation, path);

    /// <summary>Greets, ends its own direction at once, and then still reads all that the client has to say.</summary>
    public static Service GreetThenListen(CancellationToken cancellation) => new(
        static async (socket, stop) =>
        {
            await Net.SendAllAsync(socket, Traffic.Greeting, stop);
            socket.Shutdown(SocketShutdown.Send);
            await Payload.ReceiveAsync(socket, Traffic.RequestLength, up: true, stop);
        },
        cancellation);

    /// <summary>Reads everything and says nothing.</summary>
    public static Service Sink(CancellationToken cancellation) => new(
        static async (socket, stop) =>
        {
            byte[] buffer = new byte[64 * 1024];
            while (await socket.ReceiveAsync(buffer, SocketFlags.None, stop) > 0)
            {
            }
        },
        cancellation);

    /// <summary>Waits until all connections accepted so far have ended, and throws what went wrong in any of them.</summary>
    public Task CompleteAsync(CancellationToken cancellation) => Task.WhenAll(_connections).WaitAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        try
        {
            await Task.WhenAll(_connections);
        }
        catch (Exception)
        {
            // Whoever cares has asked by CompleteAsync; here the connections only have to be gone.
        }

        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stop.Token);
            }
            catch (Exception problem) when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            // Entered before it runs: whoever has been served finds its connection counted.
            Interlocked.Increment(ref _open);
            var serving = new Task<Task>(() => ServeAsync(socket));
            _connections.Enqueue(serving.Unwrap());
            serving.Start(TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                if (socket.AddressFamily != AddressFamily.Unix)
                {
                    socket.NoDelay = true;
                }

                await _serve(socket, _stop.Token);
            }
            finally
            {
                Interlocked.Decrement(ref _open);
            }
        }
    }
}
